"""What the chapter's text imports."""

from vglib.concept.epochs import one_path, train
from vglib.concept.speed import (
    NIELSEN,
    chi_nielsen,
    factor_nielsen,
    learning_speed,
    median_ratio,
    sigmoid_net,
)
from vglib.concept.surface import surface_data
