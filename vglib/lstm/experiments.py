"""What the chapter's text imports."""

from vglib.lstm.adding import NETS, adding
from vglib.lstm.characters import characters, coded, entropies
from vglib.lstm.paths import carry_over, lstm_path
from vglib.lstm.plain import recurrent_matrix, weight_gradient
from vglib.lstm.prediction import lstm_factors
from vglib.lstm.stream import truncation

__all__ = ["NETS", "adding", "carry_over", "characters", "coded", "entropies", "lstm_factors"]
__all__ += ["lstm_path", "recurrent_matrix", "truncation", "weight_gradient"]
