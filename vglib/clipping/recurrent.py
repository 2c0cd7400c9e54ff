"""The adding task's IRNN with its gradient by hand: its norms over a run, and what saves it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from math import inf, isfinite
from typing import Any

import numpy as np

from vglib import learn
from vglib.probe import Array
from vglib.results import at_its_end, kept, result
from vglib.scaled import norm
from vglib.words import percent

UNITS, BATCH, BROKEN = 20, 16, 1000.0
# Which of W, U, b, v, c are weights: decay leaves biases alone, as is usual.
DECAYED = (True, True, False, True, False)
# The bins in which norms are counted.
EDGES = np.geomspace(1e-2, 1e6, 49)


def adding(rng: np.random.Generator, batch: int, steps: int) -> tuple[Array, Array]:
    """Draw the adding task: x (steps, batch, 2), numbers and two marks; y (batch,), their sum.

    The numbers are U(0, 1); one mark is in each half. Source: Hochreiter & Schmidhuber 1997.
    """
    x = np.zeros((steps, batch, 2))
    x[:, :, 0] = rng.random((steps, batch))
    rows, half = np.arange(batch), max(1, steps // 2)
    first, second = rng.integers(0, half, batch), rng.integers(half, steps, batch)
    x[first, rows, 1] = x[second, rows, 1] = 1
    return x, x[first, rows, 0] + x[second, rows, 0]


def irnn(units: int, seed: int) -> list[Array]:
    """Return W, U, b, v, c of h_t = relu(W h_(t-1) + U x_t + b), output v h_T + c.

    W is the identity, U is U(+-0.001), the readout v U(+-1/sqrt(units)), biases 0, after Le, Jaitly
    & Hinton 2015.
    """
    rng = np.random.default_rng(seed)
    v = rng.uniform(-1, 1, units) / units**0.5
    u = rng.uniform(-1e-3, 1e-3, (units, 2))
    return [np.eye(units), u, np.zeros(units), v, np.zeros(1)]


def irnn_gradient(p: Sequence[Array], x: Array, y: Array) -> tuple[float, list[Array]]:
    """Return the mean squared error over the batch and its gradient by each of the five arrays."""
    w, u, b, v, c = p
    steps, batch, _ = x.shape
    z = x @ u.T + b
    h = np.zeros((steps + 1, batch, len(w)))
    fed_back = np.empty((batch, len(w)))
    for z_t, before, after in zip(z, h[:-1], h[1:], strict=True):
        z_t += np.dot(before, w.T, out=fed_back)
        np.maximum(z_t, 0, out=after)
    error = h[steps] @ v + c[0] - y
    by_output = (2 / batch) * error
    # Signals backwards take the place of z, which is not needed again.
    alive, delta = (h[1:] > 0).astype(float), z
    back = by_output[:, None] * v
    for delta_t, alive_t in zip(delta[::-1], alive[::-1], strict=True):
        np.multiply(back, alive_t, out=delta_t)
        np.dot(delta_t, w, out=back)
    flat = delta.reshape(-1, len(w))
    inner = flat.T @ h[:steps].reshape(-1, len(w)), flat.T @ x.reshape(-1, 2), flat.sum(0)
    readout = by_output @ h[steps], np.array([by_output.sum()])
    return float((error**2).mean()), [*inner, *readout]


@result
class Run:
    """A training of the IRNN: loss, norm of the whole gradient before clipping, ||W|| at each step.

    `lost` is the step at which the loss passed 1000 or every unit was off for good, None if never;
    `how` says which of the two. `updates`: how many steps there are to be.
    """

    losses: Array
    norms: Array
    weight_norms: Array
    updates: int
    lost: int | None = None
    how: str = ""

    @property
    def ended(self) -> bool:
        """Whether the training is over."""
        return self.lost is not None or len(self.losses) == self.updates

    @property
    def span(self) -> int:
        """How many steps there are to draw: all to be taken, or those taken where it is over."""
        return len(self.losses) if self.ended else self.updates

    @property
    def fate(self) -> str:
        """How it was lost, or that it survives, or on the way that it is alive."""
        if self.lost is not None:
            return f"{self.how} at step {self.lost}"
        return "survives" if self.ended else f"is alive at step {len(self.losses)}"

    @property
    def final(self) -> float:
        """The mean loss over the last fifth of the steps."""
        return float(self.losses[-max(1, len(self.losses) // 5) :].mean())


@kept(64)
def training(
    clip: float = inf,
    decay: float = 0.0,
    steps: int = 50,
    lr: float = 0.01,
    updates: int = 200,
    seed: int = 0,
    by_value: bool = False,
) -> Iterator[Run]:
    """Train the IRNN on the adding task with p <- p - lr (g min(1, clip/||g||) + decay p).

    Biases have no decay. `by_value`: each entry is put into [-clip, clip] instead. A new batch for
    each step; one norm over all the parameters. It stops where the net is lost. The run so far is
    yielded on its way and at its end, which is kept: asked again, it comes at once.
    """
    rng, start = np.random.default_rng([seed, 1]), irnn(UNITS, seed)
    # One vector, so that there is one norm to take in a step; the five arrays are views of it.
    theta = np.concatenate([part.ravel() for part in start])
    cuts = np.split(theta, np.cumsum([part.size for part in start])[:-1])
    p = [cut.reshape(part.shape) for cut, part in zip(cuts, start, strict=True)]
    pull = decay * np.repeat(DECAYED, [part.size for part in start])
    largest, threshold = (clip, inf) if by_value else (inf, clip)

    def step_of(g: learn.Array, rate: float) -> learn.Array:
        # Decay is added behind the clipping: it is no part of the gradient.
        return rate * (np.clip(g, -largest, largest) + pull * theta)

    seen: list[tuple[float, float, float]] = []
    weight_norm = norm(p[0])

    def gradient(x: Array, y: Array) -> tuple[float, list[Array]]:
        loss, parts = irnn_gradient(p, x, y)
        return loss, [np.concatenate([part.ravel() for part in parts])]

    def stop(loss: float, gradients: Sequence[learn.Array]) -> str:
        if not loss < BROKEN or not isfinite(norm(gradients[0])):
            return "explodes"
        return "" if gradients[0][: UNITS * (UNITS + 2)].any() else "dies (every unit off)"

    batches = (adding(rng, BATCH, steps) for _ in range(updates))
    options: dict[str, Any] = {"lr": lr, "rule": lambda: step_of, "clip": threshold, "stop": stop}
    for step in learn.steps([theta], gradient, batches, **options):
        seen.append((step.loss, step.norm, weight_norm))
        weight_norm = norm(p[0])
        # Looked at some sixteen times on its way, and at its end.
        if step.why or step.taken == updates or step.taken % max(1, updates // 16) == 1:
            lost = len(seen) - 1 if step.why else None
            how = "explodes" if step.why == "not finite" else step.why
            losses, norms, weight_norms = np.array(seen).T
            yield Run(losses, norms, weight_norms, updates, lost, how)


train_irnn = at_its_end(training)


@result
class Norms:
    """The gradient's norm before clipping over a run of the IRNN, clipped at `threshold`.

    `counts`: how many norms lie between each two of `EDGES`, those beyond them in the last ones.
    """

    threshold: float
    run: Run
    counts: Array

    @property
    def median(self) -> float:
        """The median norm over the run, before clipping."""
        return float(np.median(self.run.norms))

    @property
    def share(self) -> float:
        """The share of steps that were clipped."""
        return float((self.run.norms > self.threshold).mean())

    @property
    def verdict(self) -> str:
        """One sentence: median and largest norm, the share clipped, and how it ended."""
        run, end = self.run, self.run.fate
        if run.lost is None:
            end += f", with a loss of {run.final:.3f} {'in the end' if run.ended else 'so far'}"
        return (
            f"{end}: the norm has the median {self.median:.2g} and reaches {run.norms.max():.2g}; "
            f"the threshold {self.threshold:.2g} is {self.threshold / self.median:.2g} medians and "
            f"clips {percent(self.share)} of the steps."
        )


def _updates(steps: int) -> int:
    # A step costs in proportion to the time steps; three runs stay below half a second.
    return max(80, min(400, 8000 // steps))


def norms(threshold: float, steps: int = 50, lr: float = 0.01, seed: int = 0) -> Iterator[Norms]:
    """Train the IRNN clipped at `threshold` and count how large its gradients were."""
    for run in training(threshold, 0.0, steps, lr, _updates(steps), seed):
        finite = run.norms[np.isfinite(run.norms)]
        counts = np.histogram(np.clip(finite, EDGES[0], EDGES[-1]), EDGES)[0]
        yield Norms(threshold, run, counts.astype(float))


@result
class Rescue:
    """The IRNN trained three times from one start: plain, with weight decay, clipped."""

    threshold: float
    decay: float
    lr: float
    runs: Mapping[str, Run]

    @property
    def verdict(self) -> str:
        """One sentence: which of the three are lost, when, and how."""
        parts = [
            f"{name} {run.fate}" + (f" (loss {run.final:.3f})" if run.lost is None else "")
            for name, run in self.runs.items()
        ]
        shrink = percent(1 - (1 - self.lr * self.decay) ** 10)
        return f"{'; '.join(parts)}; in ten steps the decay takes {shrink} off a weight."


def rescue(
    threshold: float = 1.0, decay: float = 0.01, steps: int = 50, lr: float = 0.01, seed: int = 0
) -> Iterator[Rescue]:
    """Train the IRNN on the adding task: plain, with weight decay, with clipping by norm.

    The three are trained side by side, and what they show so far is yielded on their way.
    """
    pulls = {"plain": (inf, 0.0), "decay": (inf, decay), "clipped": (threshold, 0.0)}
    trainings = [training(*pull, steps, lr, _updates(steps), seed) for pull in pulls.values()]
    runs: dict[str, Run] = {}
    for news in zip_longest(*trainings):
        runs |= {name: run for name, run in zip(pulls, news, strict=True) if run}
        yield Rescue(threshold, decay, lr, runs)


def longest_step(seed: int, lr: float) -> float:
    """Return lr times the largest norm of the gradient, over ||W|| before that step; unclipped."""
    run = train_irnn(lr=lr, seed=seed)
    peak = int(run.norms.argmax())
    return float(lr * run.norms[peak] / run.weight_norms[peak])


def lost_at(seed: int, **settings: Any) -> float:
    """Return the step at which a run of the IRNN is lost; infinite if it survives 200 steps."""
    run = train_irnn(seed=seed, **settings)
    return inf if run.lost is None else float(run.lost)


def thresholds_that_work(seed: int, **settings: Any) -> float:
    """Return the share of thresholds from half to ten times the mean norm with which it learns.

    The mean is that of a run clipped at 1. To learn is to survive, and to end below half of 1/6,
    the loss of always answering 1.
    """
    mean = float(train_irnn(1.0, seed=seed, **settings).norms.mean())
    runs = [train_irnn(m * mean, seed=seed, **settings) for m in (0.5, 1.0, 2.0, 5.0, 10.0)]
    return sum(run.lost is None and run.final < 1 / 12 for run in runs) / len(runs)
