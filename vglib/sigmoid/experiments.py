"""What the chapter's text imports."""

from vglib.sigmoid.cost import step_ratios, time_layer
from vglib.sigmoid.twins import twins
from vglib.sigmoid.walk import moments
