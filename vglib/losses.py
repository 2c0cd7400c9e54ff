"""Losses that torch does not have, as functions of a network's outputs and the labels."""

import torch
from torch import Tensor
from torch.nn import functional as F


def quadratic(output: Tensor, y: Tensor) -> Tensor:
    """Return the squared error averaged over the outputs and the batch.

    (1 / (batch n_out)) sum_ij (output_ij - [j = y_i])^2; `output: (batch, n_out)`, `y: (batch,)`
    int64 labels.
    """
    return F.mse_loss(output, torch.zeros_like(output).scatter_(1, y.unsqueeze(1), 1.0))


def nielsen_cross_entropy(output: Tensor, y: Tensor) -> Tensor:
    """Return the cross-entropy of independent sigmoid outputs, averaged over the batch.

    -(1 / batch) sum_ij (t_ij ln a_ij + (1 - t_ij) ln(1 - a_ij)), t_ij = [j = y_i]; `output` a:
    (batch, n_out), already through a sigmoid, `y: (batch,)` int64 labels. Finite where an output is
    exactly 0 or 1. Source: Nielsen 2015, eq. 63.
    """
    target = torch.zeros_like(output, dtype=torch.bool).scatter_(1, y.unsqueeze(1), True)
    right = torch.where(target, output, 1 - output)
    # A sigmoid can round to 0 at tiny and to 1 at 1 - eps/2: the values next to the lost ones.
    limits = torch.finfo(output.dtype)
    lost = torch.full_like(output, limits.eps / 2).masked_fill(target, limits.tiny)
    return -torch.log(right + lost * (right == 0)).sum() / len(y)
