"""What the chapter's text imports."""

from vglib.lstm.adding import NETS, adding
from vglib.lstm.characters import characters, coded, entropies
from vglib.lstm.diagonal import state_size
from vglib.lstm.paths import carry_over, lstm_path
from vglib.lstm.plain import recurrent_matrix, weight_gradient
from vglib.lstm.prediction import lstm_factors
from vglib.lstm.stream import truncation
