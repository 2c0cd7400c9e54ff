"""What the chapter's text calls by the name of experiments."""

from vglib.initialization.convolution import through_convolutions
from vglib.initialization.isometry import (
    gaussian_product_edge,
    log_singular_values,
    singular_values,
)
from vglib.initialization.mean_field import c_map, pair_mean
from vglib.initialization.phases import phase_point
from vglib.initialization.variance import layer_factors
