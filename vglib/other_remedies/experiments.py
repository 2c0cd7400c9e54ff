"""What the chapter's text takes from here."""

from vglib.other_remedies.capsules import capsule_training
from vglib.other_remedies.reach import patience, widened
