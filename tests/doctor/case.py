"""What a patient of the bank is: a network with its training, and what is wrong with it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

# What the doctor may find: for certain, then from theory.
NAMES = frozenset(
    (
        "input-not-finite",
        "parameter-not-finite",
        "not-finite-here",
        "no-gradient",
        "loss-detached",
        "never-called",
        "not-in-model",
        "not-in-optimizer",
        "optimizer-stale",
        "nothing-to-train",
        "loss-not-scalar",
        "loss-broadcast",
        "label-out-of-range",
        "target-out-of-range",
        "softmax-twice",
        "nll-on-logits",
        "sigmoid-twice",
        "softmax-one-unit",
        "norm-one-value",
        "examples-mix",
        "output-ignores-input",
        "symmetry",
        "gradients-add-up",
        "step-without-effect",
        "step-before-backward",
        "causal-leak",
        "tied-weight-untied",
        "output-range",
        "evaluation-mode",
        "vanishing",
        "exploding",
        "initialization",
        "dead-units",
        "saturated",
        "rank-collapse",
        "rate-too-high",
        "rate-too-low",
        "inputs-unscaled",
        "targets-unscaled",
        "loss-at-start",
        "reduction-sum",
        "memory-in-time",
        "attention-collapsed",
        "float16-underflow",
        "clipping-always-on",
        "adam-eps",
        "decay-too-strong",
        "dropout-too-strong",
        "constant-answer",
        "labels-all-equal",
        "no-nonlinearity",
    )
)


@dataclass
class Patient:
    """What a reader would hand to `vglib.doctor.examine`, argument by argument."""

    model: nn.Module
    loss_fn: Callable[..., Any]
    batch: Any
    forward: Callable[..., Any] | None = None
    optimizer: torch.optim.Optimizer | None = None
    step: Callable[..., Any] | None = None

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `examine`, by name."""
        return dict(vars(self))


@dataclass(frozen=True)
class Case:
    """A fault with its repaired twin, or a healthy network.

    `make(seed, sick)` builds the patient; a healthy case (`accepted` empty) is made with `sick`
    False alone. `accepted` are the names of findings that are right as the first one; `layers` are
    the names of modules or parameters of which one must be named where the fault has a place.
    """

    name: str
    make: Callable[[int, bool], Patient]
    accepted: frozenset[str] = frozenset()
    layers: frozenset[str] = frozenset()
    source: str = ""

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.accepted
