"""One cell of the table, watched: the training of a sick net with its measures."""

from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from vglib.other_remedies.sick_nets import Plan
from vglib.other_remedies.tournament import LOOKS, NOTHING, Run, label, plan_for, training
from vglib.results import kept, result
from vglib.words import power_of_ten

# Seconds of a step for each layer, roughly; a lab takes as many steps as fit into a second.
_COST = MappingProxyType(
    {"dense": 2e-4, "recurrent": 2e-4, "lstm": 4e-4, "small stack": 8e-4, "deep stack": 8e-4}
)
_LAB_SECONDS, _LAB_STEPS = 0.7, 150


@result
class Trial:
    """The training of a sick net with its measures, `planned` steps long."""

    net: str
    measures: tuple[str, ...]
    plan: Plan
    run: Run
    planned: int

    @property
    def verdict(self) -> str:
        """What became of it, in words."""
        plan = self.plan
        who = f"{self.net}, {label(self.measures)}, depth {plan.depth}, step size {plan.lr:.2g}"
        ratio = self.run.log_ratios[0]
        start = f"layer 1 starts with {power_of_ten(-ratio)} times the last hidden layer's gradient"
        if not np.isfinite(ratio):
            start = "the gradient overflows or dies before the first step"
        if self.run.broke_at is not None:
            return f"breaks: {who}: {start}; the loss is no number at step {self.run.broke_at}."
        steps = int(self.run.steps[-1])
        end = f"{self.run.final_accuracy:.0%} of the test images after {steps}"
        if not self.run.done:
            return f"so far: {who}: {start}; {end} of {self.planned} steps."
        # 10 is guessing, and 360 images scatter by two points around it.
        word = "does not learn" if self.run.final_accuracy < 0.2 else "learns"
        early = f" ({self.run.ended[:-1].lower()})" if self.run.ended else ""
        return f"{word}: {who}: {start}; {end} steps{early}."


@kept(32)
def trying(
    net: str = "deep sigmoid",
    first: str = NOTHING,
    second: str = NOTHING,
    depth: int = 10,
    weight_scale: float = 1.0,
    lr_factor: float = 1.0,
    seed: int = 0,
) -> Iterator[Trial]:
    """Train a sick net of this depth with up to two measures, in about a second.

    `weight_scale` multiplies the weights that the net, or the measure, starts from, and `lr_factor`
    the step size. Raises ValueError as `plan_for` does.
    """
    measures = tuple(name for name in (first, second) if name != NOTHING)
    plan = plan_for(net, measures, depth=depth)
    plan = replace(plan, weight_scale=plan.weight_scale * weight_scale, lr=plan.lr * lr_factor)
    layers = 2 if plan.shape == "small stack" else depth
    fits = int(_LAB_SECONDS / (_COST[plan.shape] * layers))
    steps = LOOKS * (min(_LAB_STEPS, max(fits, 30)) // LOOKS)
    for run in training(plan, seed, steps):
        yield Trial(net, measures, plan, run, steps)
