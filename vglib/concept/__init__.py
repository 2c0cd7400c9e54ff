"""Chapter 01, the concept: loss surfaces, learning speed layer by layer, and what it is that fails.

`sgd.py` is the hand-written descent that lets a lab train sixty epochs in about a second.
"""
