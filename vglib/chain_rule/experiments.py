"""What the text of chapter 02 measures in its own cells."""

from vglib.chain_rule.differences import forward_passes, timed_gradients
from vglib.chain_rule.width import unscaled_chi
