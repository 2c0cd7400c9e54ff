"""How many sigmoid layers Adam carries: a deep net trained with SGD and with another rule."""

from collections.abc import Iterator, Mapping
from math import inf, log
from types import MappingProxyType

from vglib.other_remedies.descent import EPS, Course, descending, images
from vglib.other_remedies.net import Net, build
from vglib.other_remedies.watched import side_by_side
from vglib.results import kept, result
from vglib.words import power_of_ten

RATES = MappingProxyType({"SGD": 0.5, "momentum": 0.1, "RMSprop": 0.001, "Adam": 0.01})


@result
class Reach:
    """One net trained with SGD and with another rule; probed is ln of the last layer's spread."""

    optimiser: str
    depth: int
    steps: int
    runs: Mapping[str, Course]

    @property
    def verdict(self) -> str:
        """One sentence: the accuracies, and the spread of the last hidden layer."""
        done = all(run.done for run in self.runs.values())
        parts = [self._words(name, run, done) for name, run in self.runs.items()]
        when = f"after {self.steps} steps" if done else "so far"
        return f"{when}, {' and '.join(parts)}; guessing has 10%."

    def _words(self, name: str, run: Course, done: bool) -> str:
        first, latest = (power_of_ten(ln) for ln in run.probed[[0, -1]])
        taken, when = ("", "at the end") if done else (f" after {run.taken} steps", "by then")
        return (
            f"{name} {run.accuracy:.0%}{taken} (spread of layer {self.depth} {first} at the "
            f"start, {latest} {when})"
        )


def reach_steps(depth: int) -> int:
    """Return the length of a run: two trainings of a deep net stay below a second."""
    return max(100, min(400, 3000 // depth))


def _log_last_spread(net: Net) -> float:
    spread = float(net.forward(images()[0][:200])[-2].std(0).mean())
    return log(spread) if spread > 0 else -inf


@kept(32)
def run(
    optimiser: str,
    depth: int,
    weight_scale: float = 1.0,
    eps: float = EPS,
    lr: float | None = None,
    steps: int | None = None,
    seed: int = 0,
) -> Iterator[Course]:
    """Train 64-30-...-30-10 sigmoids, N(0, 1/n) times the weight scale, zero biases, on digits."""
    net = build(depth, 30, "sigmoid", "1/fan_in", weight_scale, seed)
    lr, steps = lr or RATES[optimiser], steps or reach_steps(depth)
    yield from descending(net, optimiser, lr, steps, eps=eps, seed=seed, probe=_log_last_spread)


def reaching(
    optimiser: str = "Adam",
    depth: int = 10,
    weight_scale: float = 1.0,
    log_eps: float = -8.0,
    seed: int = 0,
) -> Iterator[Reach]:
    """Train a sigmoid net with SGD and with another rule, eps = 10^log_eps, from one start."""
    plain = run("SGD", depth, weight_scale, EPS, seed=seed)
    guarded = run(optimiser, depth, weight_scale, 10.0**log_eps, seed=seed)
    for sgd, other in side_by_side(plain, guarded):
        yield Reach(optimiser, depth, reach_steps(depth), {"SGD": sgd, optimiser: other})
