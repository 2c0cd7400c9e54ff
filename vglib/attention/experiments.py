"""What the text of chapter 12 measures in its own cells."""

from vglib.attention.collapse import collapse, powers
from vglib.attention.parts import LayerNorm
from vglib.attention.placing import (
    DEEP,
    PLACINGS,
    POST,
    PRE,
    SCALED,
    first_step,
    mean_squares,
    shares,
)
from vglib.attention.saturation import grown, unscaled
from vglib.attention.transformer import Sublayer, backward, draw_attention, draw_mlp, forward
