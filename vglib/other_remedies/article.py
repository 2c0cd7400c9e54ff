"""What else the article of 2023 says of gradients, measured."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from vglib.data import Dataset, digits
from vglib.losses import quadratic
from vglib.networks import mlp, stream
from vglib.other_remedies.sick_nets import Plan, build
from vglib.other_remedies.tournament import PROBE, add_l2, plan_for, train
from vglib.probe import Loss, trace
from vglib.training import History, fit
from vglib.weather import one_thread


def early_stopping_gain(net: str, seed: int) -> float:
    """Return the test accuracy with early stopping less that of the same training to its end."""
    run = train(plan_for(net, ("early stopping",)), seed)
    return run.final_accuracy - run.unstopped


@one_thread()
def l2_spread(decay: float, seed: int, steps: int = 3000) -> float:
    """Return ||delta|| of layer 4 over layer 1 of Nielsen's net after training with this L2."""
    options: dict[str, Any] = {"init": "1/fan_in", "bias_scale": 1.0, "output": "sigmoid"}
    net = mlp(4, 100, dtype=torch.float32, seed=seed, **options)
    probed = {"probe_size": 300, "before_step": partial(add_l2, decay=decay)}
    seen = _trained(net, digits(torch.float32), quadratic, 0.5, steps, seed, **probed)
    return float(np.exp(seen.log_delta[-1, 3] - seen.log_delta[-1, 0]))


def _trained(
    net: nn.Module, data: Dataset, loss: Loss, lr: float, steps: int, seed: int, **options: Any
) -> History:
    options = {"record_at": [], **options}
    return fit(net, data, loss=loss, lr=lr, steps=steps, seed=seed, **options)


@one_thread()
def batch_norm_explosion(weight_scale: float, seed: int) -> float:
    """Return ||delta|| of layer 1 over layer 20: ReLU with batch norm, He's weights times a scale.

    In float64, since batch norm's epsilon would show beside tiny pre-activations.
    """
    plan = Plan("relu", "he", weight_scale, 20, 100, 0.1, batch_norm=True)
    return _first_over_last(build(plan, seed).double(), PROBE)


@one_thread()
def first_over_last(width: int, seed: int) -> float:
    """Return ||delta|| of layer 1 over layer 10 of a tanh net with weights N(0, 1/n)."""
    net = mlp(10, width, activation="tanh", init="1/fan_in", bias_scale=0.0, seed=seed)
    return _first_over_last(net, 64)


def _first_over_last(net: nn.Module, count: int) -> float:
    data = digits()
    deltas = trace(net, data.x_train[:count], data.y_train[:count], F.cross_entropy).log_delta
    return float(np.exp(deltas[0] - deltas[-2]))


@one_thread()
def overfit(seed: int) -> float:
    """Train on 60 digits; return the training loss over its start."""
    whole = digits(torch.float32)
    rows = torch.randperm(len(whole.x_train), generator=stream(seed, 0))[:60]
    few = replace(whole, x_train=whole.x_train[rows], y_train=whole.y_train[rows])
    net = build(Plan("relu", "he", 1.0, 2, 100, 0.1), seed)
    seen = _trained(net, few, F.cross_entropy, 0.1, 300, seed, batch=20)
    return float(seen.losses[-1] / seen.losses[0])
