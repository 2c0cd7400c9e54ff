"""What layers of two units do to a small circle of inputs, and what their Jacobian says of it."""

import numpy as np

from vglib.activations import get_activation
from vglib.networks import mlp
from vglib.probe import Array
from vglib.results import result
from vglib.words import count, percent


@result
class LocalMap:
    """What layers of two units make of a circle of steps r u around x, u of length 1.

    `circle` is u, `image` (F(x + r u) - F(x)) / r, `linear` J u, all (points, 2), r the `radius`;
    `singular_values`: (2,) the longest and the shortest radius of the ellipse J u.
    """

    depth: int
    circle: Array
    image: Array
    linear: Array
    singular_values: Array
    radius: float

    @property
    def error(self) -> float:
        """The largest distance between image and ellipse, in longest radii of the ellipse."""
        away = np.linalg.norm(self.image - self.linear, axis=1).max()
        return float(away / self.singular_values[0])

    @property
    def verdict(self) -> str:
        """One sentence: how much the Jacobian stretches, and how well it describes the map."""
        longest, shortest = self.singular_values
        # The outputs are of size 1, so float64 cannot tell two that are nearer than this.
        lost = np.finfo(float).eps / self.radius > 0.05 * longest
        why = ", since float64 rounds the outputs to a few numbers" if lost else ""
        return (
            f"{count(self.depth, 'layer')}: a small step is multiplied by {longest:.3g} in the "
            f"direction that fares best and by {shortest:.3g} in the worst; at this radius the "
            f"true image is {percent(self.error)} off the Jacobian's ellipse{why}."
        )


def local_map(
    depth: int = 1,
    weight_scale: float = 2.0,
    radius: float = 0.5,
    activation: str = "sigmoid",
    seed: int = 0,
) -> LocalMap:
    """Send a circle around x = (0.5, -0.5) through layers of two units, and compare.

    J = D_depth W_depth ... D_1 W_1, weights N(0, weight_scale^2), no biases.
    """
    network = mlp(depth, 2, n_in=2, n_out=2, init="normal", weight_scale=weight_scale, seed=seed)
    phi = get_activation(activation)
    angle, centre, jacobian = np.linspace(0, 2 * np.pi, 181), np.array([0.5, -0.5]), np.eye(2)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = np.vstack([centre, centre + radius * circle])
    for weight in network.weights[:depth]:
        w = weight.detach().numpy()
        z = points @ w.T
        jacobian = phi.dphi(z[0])[:, None] * w @ jacobian
        points = phi.phi(z)
    image, linear = (points[1:] - points[0]) / radius, circle @ jacobian.T
    singular_values = np.maximum(np.linalg.svd(jacobian, compute_uv=False), 1e-300)
    return LocalMap(depth, circle, image, linear, singular_values, radius)
