"""Helper package of the course on vanishing and exploding gradients.

The core is one idea a module; a chapter's own code is a folder (`vglib/concept/`). Import what you
need from where it lives: `from vglib.theory import chi`.
"""
