"""One threshold for all: the smallest gradient of twelve healthy nets and of twelve sick ones."""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from vglib.clinic import published
from vglib.clinic.patients import DEPTH, HEALTHY, SICK, bank, gradient_sizes, watched
from vglib.probe import Array
from vglib.results import result
from vglib.weather import fair_weather, one_thread
from vglib.words import count, power_of_ten


@result
class Counted:
    """How wrong a threshold on the smallest gradient is, and how wrong the published rules are.

    `healthy`, `sick`: the smallest mean |dL/dW| of each net, (12,). `rules`: alarms on healthy nets
    and misses on sick ones, by rule, on the bank as it is (healthy nets of depth 8).
    """

    depth: int
    threshold: float
    names: tuple[str, ...]
    healthy: Array
    sick: Array
    rules: Mapping[str, tuple[int, int]]

    @property
    def alarms(self) -> int:
        """The healthy nets below the threshold."""
        return int((self.healthy < self.threshold).sum())

    @property
    def misses(self) -> int:
        """The sick nets that are not below it."""
        return int((self.sick >= self.threshold).sum())

    @property
    def best(self) -> tuple[float, int]:
        """The threshold with the fewest errors of both kinds, and their number."""
        tried = np.unique(np.concatenate([[0.0, np.inf], self.healthy, self.sick]))
        wrong = [(self.healthy < t).sum() + (self.sick >= t).sum() for t in tried]
        return float(tried[int(np.argmin(wrong))]), int(min(wrong))

    @property
    def verdict(self) -> str:
        """One sentence: this threshold's errors, the best one's, and the published rules'."""
        worst = [f"{name} {alarms} and {misses}" for name, (alarms, misses) in self.rules.items()]
        best, wrong = self.best
        where = power_of_ten(float(np.log(best))) if 0 < best < np.inf else "any"
        return (
            f"a gradient below {self.threshold:.2g} taken for sick: "
            f"{count(self.alarms, 'alarm')} on 12 healthy nets and {self.misses} of 12 sick ones "
            f"missed; no threshold makes fewer than {count(wrong, 'error')} (at {where}); "
            f"alarms and misses of the published rules: {', '.join(worst)}."
        )


@lru_cache(64)
def smallest(depth: int, seed: int = 0) -> Array:
    """Return the smallest mean |dL/dW| of each healthy net of a depth, (12,)."""
    with one_thread():
        return np.array([min(gradient_sizes(make(depth, seed))) for make in HEALTHY.values()])


@lru_cache(4)
def _sick(seed: int) -> Array:
    with one_thread():
        return np.array([min(gradient_sizes(make(seed))) for make in SICK.values()])


@lru_cache(4)
def rules_on_bank(seed: int = 0) -> Mapping[str, tuple[int, int]]:
    """Count for each published rule its alarms on the bank's healthy nets, and the sick it misses.

    Any word of a rule is an alarm.
    """
    wrong = {name: [0, 0] for name in published.RULES}
    with fair_weather():
        for _, one, sick in bank(seed):
            seen = watched(one)
            for name, rule in published.RULES.items():
                alarm = bool(rule(seen))
                wrong[name][0] += alarm and not sick
                wrong[name][1] += sick and not alarm
    return {name: (alarms, misses) for name, (alarms, misses) in wrong.items()}


def counting(threshold: float = 1e-7, depth: int = DEPTH) -> Counted:
    """Count what a threshold says of the bank, its healthy nets built at a depth."""
    names = (*HEALTHY, *SICK)
    return Counted(depth, threshold, names, smallest(depth), _sick(0), rules_on_bank(0))
