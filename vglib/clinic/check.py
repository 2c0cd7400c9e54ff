"""Exercises of chapter 11."""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any

from vglib.clinic import patients
from vglib.exercise import (
    ChoiceExercise,
    Exercise,
    FunctionExercise,
    NumberExercise,
    Result,
    first_mistake,
)
from vglib.words import count

guess_unit = ChoiceExercise(
    "my_unit",
    correct="C",
    why={
        "A": "a millionth of the gradient, but a million times the rate: the step is what it was.",
        "B": "a factor that every layer shares changes no ratio between layers.",
        "C": "another unit of the loss is another of the gradient, and the rate makes up for it.",
    },
)

guess_slip = ChoiceExercise(
    "my_slip",
    "choose A, B, C or D.",
    correct="D",
    why={
        "A": "without s' the first layer's gradient is several times too long: an error near 1.",
        "B": "another matrix sends another delta down: an error near 1.",
        "C": "sixteen images make it sixteen times too long: an error of 15/16.",
        "D": "the gradient belongs to the loss as it is written; that the labels were shuffled "
        "before, it cannot know.",
    },
)

guess_nan = ChoiceExercise(
    "my_nan",
    correct="B",
    why={
        "A": "the gradient itself is NaN, and NaN times any rate is NaN.",
        "B": "the slope of a root at 0 is infinite; with a small number under it it is finite.",
        "C": "the norm is NaN too, and so is what is divided by it.",
    },
)

relative_error = FunctionExercise(
    "relative_error",
    "return |a - b| over the larger of |a| and |b|, and 0 where both are 0.",
    reference=lambda a, b: abs(a - b) / max(abs(a), abs(b)) if max(abs(a), abs(b)) > 0 else 0.0,
    cases=[
        *((a, b) for a in (0.0, 1.0, -2.0, 1e-12) for b in (0.0, 1.0, -1.0, 2e-12)),
        (3e-13, 4e-13),
        (-3e-13, -4e-13),
        (1e9, 1.1e9),
        (0.5, 0.25),
        (0.25, 0.5),
    ],
    random=lambda rng: tuple(float(x) for x in rng.normal(size=2) * 10.0 ** rng.integers(-9, 9)),
    hint="Two gradients of 3e-13 and 4e-13 disagree by a quarter, however small they are.",
    praise="it has no unit, so it means the same in a vanished layer and in the last one.",
)

best_h = NumberExercise(
    "best_h",
    "give the h at which rounding and curvature together are least.",
    expected=lambda: (3e-16) ** (1 / 3),
    rtol=0.2,
    near={
        1e-8: "That is the root of 1e-16, right for the one-sided difference; here the curve's "
        "error falls as h squared.",
        lambda h: h < 1e-7: "So close together the two losses differ in their last digits only.",
        lambda h: h > 1e-3: "So far apart the curve between the two points is no line.",
    },
    hint="Set the derivative of 1e-16/h + h^2/6 to 0.",
    praise="some 1e-5, and the error there is about 2e-11: five digits more than a check needs.",
)

first_ratio = FunctionExercise(
    "first_ratio",
    "return ||dW|| / ||W|| of Adam's first step on a layer with He's weights.",
    reference=lambda lr, fan_in: lr * sqrt(fan_in / 2),
    cases=[
        *((lr, n) for lr in (1e-3, 1e-2, 1.0) for n in (2, 50, 64, 8192)),
        (0.5, 1),
        (3.0, 32),
    ],
    random=lambda rng: (float(10.0 ** rng.uniform(-5, 1)), int(rng.integers(1, 5000))),
    domain=lambda lr, fan_in: lr > 0 and fan_in > 0,
    hint="Adam's first step moves every entry by lr, and He's entries have the rms sqrt(2/fan_in).",
    praise="so at one rate a wider layer takes a larger first step, relative to its weights.",
)


@dataclass(frozen=True, eq=False, repr=False)
class DetectorExercise(Exercise):
    """The learner writes a detector, which the bank judges.

    Right is no alarm on a healthy net and at most `misses` sick ones missed. `hint` is shown with
    what was wrong.
    """

    misses: int
    hint: str

    def _judge(self, answer: Any) -> Result:
        if not callable(answer):
            return Result("wrong", f"{self.name} must be a function of (gradients, losses).")
        wrong: list[tuple[int, int]] = []
        patients.records()  # made beforehand, so that a slow machine is not the learner's fault

        def trial() -> bool:
            wrong.append(patients.judged(_plain(answer)))
            alarms, misses = wrong[0]
            return alarms == 0 and misses <= self.misses

        # It stops what does not end and reports what raises.
        kept = FunctionExercise(self.name, self.task, reference=lambda: True, cases=[()])
        found = kept(trial)
        if not wrong or found.status == "not attempted":
            return found
        alarms, misses = wrong[0]
        said = f"{count(alarms, 'alarm')} on healthy nets, {misses} sick ones missed"
        if found.status == "right":
            return Result("right", f"{said}: what is left needs a look into the graph.")
        return Result("wrong", f"{said}. {self.hint}")


def _plain(answer: Callable[[list[float], list[float]], Any]) -> Callable[..., bool]:
    """Let a detector say True or False and nothing else."""

    def detector(gradients: list[float], losses: list[float]) -> bool:
        said = answer(gradients, losses)
        if said is None or said is ...:
            raise NotImplementedError
        if str(said) not in ("True", "False"):
            raise TypeError(f"it must return True or False, not a {type(said).__name__}")
        return bool(said)

    return detector


detector = DetectorExercise(
    "detector",
    "write a detector without an alarm on the healthy and with at most one miss.",
    misses=1,
    hint="Which signs are without a unit: last loss over first, largest over first, the first "
    "layer's gradient over the last one's? A sign alone accuses; ask for two that agree.",
)

flaw = first_mistake(
    correct=3,
    why={
        1: "right: two alarms in a hundred healthy nets are 2%.",
        2: "right: that is what 95 of 100 says.",
        3: "of 1000 nets 10 are sick, 9.5 of them caught; of 990 healthy ones 2%, some 20, are "
        "accused: an alarm is right in one case of three.",
        4: "it would follow from line 3; but line 3 is wrong.",
    },
)
