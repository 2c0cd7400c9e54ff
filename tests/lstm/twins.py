"""A cell of ours beside torch's, with the same parameters."""

import numpy as np
import torch

from vglib.lstm.cells import make_cell

TORCH = {"tanh": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


def twin(kind, n_in=3, hidden=5, seed=0):
    """Make a cell with biases and the module of torch with the same parameters."""
    generator = np.random.default_rng(seed)
    cell = make_cell(kind, n_in, hidden, keep_bias=0.7, weight_scale=2.0, generator=generator)
    cell.b_in[:] += generator.standard_normal(cell.b_in.shape)
    cell.b_h[:] += generator.standard_normal(cell.b_h.shape)
    kwargs = {"nonlinearity": "relu"} if kind == "relu" else {}
    net = TORCH.get(kind, torch.nn.RNN)(n_in, hidden, dtype=torch.float64, **kwargs)
    with torch.no_grad():
        for name, values in cell.parameters().items():
            names = {"w_in": "weight_ih", "w_h": "weight_hh", "b_in": "bias_ih", "b_h": "bias_hh"}
            getattr(net, f"{names[name]}_l0").copy_(torch.from_numpy(values))
    return cell, net
