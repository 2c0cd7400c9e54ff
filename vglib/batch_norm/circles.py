"""Two circles: whether batch norm can bend a net's border in place of an activation."""

from collections.abc import Iterator

import numpy as np
import torch

from vglib import data
from vglib.batch_norm.layers import deep_net, descend
from vglib.probe import Array
from vglib.results import at_its_end, kept, result
from vglib.words import count

STEPS, LOOK_EVERY, LR = 120, 15, 0.3
CIRCLE_KINDS = ("linear", "batch norm", "ReLU", "batch norm and ReLU")


@result
class Circles:
    """A net trained on two circles: the points, its output over a grid, and its accuracy.

    `grid`: (n,); `output`: (n, n) the probability of the inner class in evaluation; `bend`: how far
    the net in evaluation is from an affine function, in units of its own spread. `steps` are taken.
    """

    kind: str
    depth: int
    steps: int
    x: Array
    y: Array
    grid: Array
    output: Array
    accuracy: float
    bend: float

    @property
    def verdict(self) -> str:
        """One sentence: the accuracy, and whether the net is affine."""
        word = "affine" if self.bend < 1e-6 else "not affine"
        fails = "cannot tell" if self.steps == STEPS else "does not yet tell"
        return (
            f"{'tells' if self.accuracy > 0.9 else fails} the circles apart: "
            f"{count(self.depth, 'hidden layer')}, {self.kind}, {self.accuracy:.0%} of the test "
            f"points; in evaluation the net is {word}."
        )


@kept(64)
def separating(kind: str = "batch norm", depth: int = 2, seed: int = 0) -> Iterator[Circles]:
    """Train a net of width 16 on two circles: descent on all 400 points, lr 0.3, 120 steps."""
    from sklearn.datasets import make_circles  # sklearn takes most of a second to import

    x, y = make_circles(500, noise=0.05, factor=0.5, random_state=seed)
    points = data.split(x, y, "circles", torch.float64, False, seed)
    norm = "batch" if "batch norm" in kind else "none"
    activation = "relu" if "ReLU" in kind else "identity"
    net = deep_net(norm, activation, depth, 16, seed, n_in=2, n_out=2)
    grid = np.linspace(-1.4, 1.4, 41)
    plane = torch.tensor(np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2))

    @torch.no_grad()
    def look(steps: int) -> Circles:
        net.eval()
        score = net(plane).diff(dim=1)[:, 0]
        # Affine means f(-x) + f(x) = 2 f(0); the plane's points come in such pairs.
        middle = score[len(score) // 2]
        bend = float((score + score.flip(0) - 2 * middle).abs().max() / score.std())
        reached = float((net(points.x_test).argmax(1) == points.y_test).double().mean())
        output = torch.sigmoid(score).reshape(41, 41).numpy()
        x, y = points.x_test.numpy(), points.y_test.numpy()
        return Circles(kind, depth, steps, x, y, grid, output, reached, bend)

    for step in range(STEPS + 1):
        if step:
            descend(net.train(), points.x_train, points.y_train, LR)
        if step % LOOK_EVERY == 0:
            yield look(step)


two_circles = at_its_end(separating)
