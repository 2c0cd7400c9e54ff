"""Schedules of the step size, and the largest step that a training could bear."""

from collections.abc import Callable, Iterator
from functools import partial
from math import cos, inf, isfinite, nan, pi

from vglib.checks import one_of
from vglib.other_remedies.descent import Course, descending, images
from vglib.other_remedies.net import Net, build, largest_curvature
from vglib.other_remedies.watched import side_by_side
from vglib.results import kept, result

SCHEDULES = ("constant", "warm-up", "step decay", "cosine", "warm-up, then cosine")


def cosine_decay(step: int, total: int) -> float:
    """Return (1 + cos(pi step / total)) / 2. Source: Loshchilov & Hutter 2017, eq. 5."""
    return (1 + cos(pi * step / total)) / 2


def step_decay(step: int, total: int) -> float:
    """Return 1, after half of the training 1/10, after three quarters of it 1/100."""
    return 0.1 ** ((2 * step >= total) + (4 * step >= 3 * total))


def share_of_peak(schedule: str, step: int, warm: int, total: int) -> float:
    """Return what a schedule multiplies the peak step size with, at a step counted from 0.

    Warm-up: (step + 1) / warm. Raises ValueError for another name.
    """
    one_of("schedule", schedule, SCHEDULES)
    if schedule == "step decay":
        return step_decay(step, total)
    warm = warm if schedule.startswith("warm-up") else 0
    if step < warm:
        return (step + 1) / warm
    return cosine_decay(step - warm, max(1, total - warm)) if schedule.endswith("cosine") else 1.0


@result
class Scheduled:
    """A net trained twice from one start: at a constant step size, and by a schedule.

    What was probed on the way of the second run is the stability limit 2/lambda_max, lambda_max
    the largest curvature of the loss; nan where it overflowed.
    """

    schedule: str
    lr: float
    constant: Course
    scheduled: Course

    @property
    def verdict(self) -> str:
        """One sentence: how both runs end, and the limit at the start and later."""
        done = self.constant.done and self.scheduled.done
        limits = self.scheduled.probed[[0, -1]]
        first, latest = (f"{x:.2g}" if isfinite(x) else "beyond all numbers" for x in limits)
        when = "at the end of the scheduled run" if done else "by then"
        return (
            f"{'' if done else 'so far '}constant {_how(self.constant)}, {self.schedule} "
            f"{_how(self.scheduled)}; plain descent is stable up to a step size of {first} at the "
            f"start and {latest} {when}, and the peak is {self.lr:.2g}."
        )


def _how(course: Course) -> str:
    if course.broke:
        return f"ends in overflow at step {course.taken}"
    if not course.done:
        return f"has {course.accuracy:.0%} after {course.taken} steps"
    word = "is lost at" if course.accuracy < 0.25 else "reaches"
    return f"{word} {course.accuracy:.0%}"


@kept(32)
def run(
    schedule: str,
    optimiser: str,
    lr: float,
    warm: int,
    depth: int,
    weight_scale: float,
    seed: int,
    limits: bool = False,
) -> Iterator[Course]:
    """Train a ReLU net 64-30-...-30-10, He times the weight scale, by a schedule."""
    # Two runs stay below a second.
    total = max(150, min(300, 3000 // depth))
    net = build(depth, 30, "relu", "he", weight_scale, seed)
    share = partial(share_of_peak, schedule, warm=warm, total=total)
    probe: Callable[[Net], float] = _limit if limits else lambda net: nan
    yield from descending(net, optimiser, lr, total, schedule=share, seed=seed, probe=probe)


def _limit(net: Net) -> float:
    x, y = images()
    curvature = largest_curvature(net, x[:100], y[:100], 10)
    return 2 / curvature if curvature > 0 else inf if curvature <= 0 else nan


def scheduling(
    schedule: str = "warm-up",
    lr: float = 0.25,
    warm: int = 30,
    depth: int = 6,
    weight_scale: float = 1.5,
    optimiser: str = "SGD",
    seed: int = 0,
) -> Iterator[Scheduled]:
    """Train a ReLU net at a constant step size and by a schedule with the same peak."""
    constant = run("constant", optimiser, lr, 0, depth, weight_scale, seed)
    scheduled = run(schedule, optimiser, lr, warm, depth, weight_scale, seed, True)
    for pair in side_by_side(constant, scheduled):
        yield Scheduled(schedule, lr, *pair)
