"""What the chapter's text takes from here."""

from vglib.other_remedies.capsules import capsule_training

__all__ = ["capsule_training"]
