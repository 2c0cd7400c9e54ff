"""What the chapter's text imports."""

from vglib.batch_norm.article import PLACE_NAMES, folding_error, place_accuracy, prediction_times
from vglib.batch_norm.first_steps import first_steps, likeness
from vglib.batch_norm.fresh_nets import factors, layer_factor, wide_factor
from vglib.batch_norm.layers import images
from vglib.batch_norm.normed_net import build
