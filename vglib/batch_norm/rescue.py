"""Deep nets in training, with one of five norms or none: which of them learn."""

from collections.abc import Iterator

from torch.nn import functional as F

from vglib.batch_norm.layers import deep_net
from vglib.batch_norm.normed_net import NAMES
from vglib.data import digits
from vglib.probe import Array
from vglib.results import at_its_end, kept, result
from vglib.training import History, fitting
from vglib.words import count, power_of_ten


@result
class Rescue:
    """A deep net in training with one kind of norm; `history` has its start as first record.

    `steps` is the length of the training.
    """

    kind: str
    activation: str
    depth: int
    steps: int
    history: History

    @property
    def accuracy(self) -> float:
        """The test accuracy at the end."""
        return float(self.history.test_accuracy[-1])

    @property
    def log_delta(self) -> Array:
        """ln ||dL/dz_l|| of the hidden layers at the start, z_l = W_l h_(l-1); (depth,)."""
        return self.history.log_delta[0, : self.depth]

    @property
    def verdict(self) -> str:
        """One sentence: does it learn, and what layer 1 got at the start."""
        taken = int(self.history.steps[-1])
        word = "learns" if self.accuracy > 0.6 else "begins" if self.accuracy > 0.3 else "stuck"
        if taken < self.steps and not self.history.stopped:
            word = "so far"
        share = power_of_ten(float(self.log_delta[0] - self.log_delta[-1]))
        return (
            f"{word}: {count(self.depth, 'layer')} of {self.activation}, {NAMES[self.kind]}, "
            f"{self.accuracy:.0%} of the test images after {taken} steps; at the start layer 1 got "
            f"{share} times the last layer's gradient."
        )


@kept(64)
def rescuing(
    kind: str = "none",
    activation: str = "sigmoid",
    depth: int = 20,
    lr: float = 0.2,
    seed: int = 0,
    *,
    steps: int = 60,
    width: int = 40,
    records: int = 4,
) -> Iterator[Rescue]:
    """Train a deep net on digits: cross-entropy, SGD, batch 64. Yields what there is so far."""
    for training in fitting(
        deep_net(kind, activation, depth, width, seed),
        digits(),
        loss=F.cross_entropy,
        lr=lr,
        batch=64,
        steps=steps,
        record_at=steps // records,
        probe_size=64,
        seed=seed,
    ):
        yield Rescue(kind, activation, depth, steps, training.history())


rescue = at_its_end(rescuing)
