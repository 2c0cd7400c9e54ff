"""The gradients of an MLP written out in NumPy, for quick labs, and the pieces they are made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import exp
from types import MappingProxyType
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor, nn
from torch.nn import functional as F

from vglib.activations import ACTIVATIONS
from vglib.losses import nielsen_cross_entropy, quadratic
from vglib.networks import MLP
from vglib.probe import Loss

# float32 or float64, whichever the network has.
Array = NDArray[np.floating]
Labels = NDArray[np.int64]

# The leaky ReLU's slope below 0, as in `vglib.activations`.
_LEAK = 0.01


@dataclass(frozen=True)
class Phi:
    """An activation in NumPy: `value(z, out=None)` is phi(z), `slope(h, out=None)` phi'(z) by h.

    Without `out` the slope of ReLU is an array of truths, that of the identity the number 1.
    """

    value: Callable[..., Array]
    slope: Callable[..., Any]


def _one(h: Array, out: Array | None = None) -> Any:
    if out is not None:
        out[...] = 1
    return 1 if out is None else out


def _sigmoid_slope(h: Array, out: Array | None = None) -> Array:
    square = np.multiply(h, h, out=out)
    return np.subtract(h, square, out=square)


def _tanh_slope(h: Array, out: Array | None = None) -> Array:
    square = np.multiply(h, h, out=out)
    return np.subtract(1, square, out=square)


PHI: Mapping[str, Phi] = MappingProxyType(
    {
        "identity": Phi(lambda z, out=None: np.positive(z, out=out), _one),
        "sigmoid": Phi(expit, _sigmoid_slope),
        "tanh": Phi(np.tanh, _tanh_slope),
        "relu": Phi(
            lambda z, out=None: np.maximum(z, 0, out=out),
            lambda h, out=None: np.greater(h, 0, out=out),
        ),
        "leaky_relu": Phi(
            lambda z, out=None: np.maximum(z, _LEAK * z, out=out),
            lambda h, out=None: np.positive(np.where(h > 0, 1, _LEAK), out=out),
        ),
    }
)


@np.errstate(over="ignore")
def softmax_gradient(z: Array, y: Labels, log_scale: float = 0.0) -> tuple[float, Array]:
    """Return the cross-entropy of logits z exp(log_scale), and dL/d(logits), (softmax - [j = y])/n.

    `z: (batch, n_out)`, `y: (batch,)`; the loss is averaged over the batch, and inf where it leaves
    the number type.
    """
    rows = np.arange(len(y))
    top = z - z.max(1, keepdims=True)
    if log_scale:
        top *= exp(min(log_scale, 700.0))
    delta = np.exp(top)
    total = delta.sum(1, keepdims=True)
    value = (np.log(total[:, 0]) - top[rows, y]).mean()
    delta /= total
    delta[rows, y] -= 1
    return float(value), delta / len(y)


# Losses of outputs in columns, (n_out, batch): the value, with dL/dz of the output layer left in
# `delta`; `slope` is that layer's phi'.


def _cross_entropy(h: Array, y: Labels, slope: Any, delta: Array) -> float:
    value, by_output = softmax_gradient(h.T, y)
    np.multiply(by_output.T, slope, out=delta)
    return value


def _quadratic(h: Array, y: Labels, slope: Any, delta: Array) -> float:
    np.copyto(delta, h)
    delta[y, np.arange(len(y))] -= 1
    flat = delta.ravel()
    value = float(flat.dot(flat)) / flat.size
    delta *= slope
    delta *= 2 / flat.size
    return value


def _nielsen(a: Array, y: Labels, slope: Any, delta: Array) -> float:
    # With sigmoid outputs their slope cancels, which by autograd is 0 times infinity at the ends.
    columns, limits = np.arange(len(y)), np.finfo(a.dtype)
    right, lost = 1 - a, np.full_like(a, limits.eps / 2)
    right[y, columns], lost[y, columns] = a[y, columns], limits.tiny
    np.copyto(delta, a)
    delta[y, columns] -= 1
    delta /= len(y)
    return float(-np.log(right + lost * (right == 0)).sum() / len(y))


_LOSSES: Mapping[Loss, Callable[[Array, Labels, Any, Array], float]] = MappingProxyType(
    {F.cross_entropy: _cross_entropy, quadratic: _quadratic, nielsen_cross_entropy: _nielsen}
)

# Where torch keeps what a module or a parameter is to do in autograd's course.
_HOOKS = (
    *("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"),
    "_post_accumulate_grad_hooks",
)


def written_out(network: nn.Module, x: Tensor, y: Tensor, loss: Loss) -> bool:
    """Tell whether `Flat` can do what autograd does, for batches of these inputs and labels.

    It can for an `MLP` on the processor in float32 or float64, all of it to be trained, with no
    hooks and no parameter in two places, whose activations are those of `PHI`, for labels that name
    an output, and with cross-entropy, `quadratic`, or, on sigmoid outputs, `nielsen_cross_entropy`
    as the loss.
    """
    if type(network) is not MLP or not any(loss is known for known in _LOSSES):
        return False
    if loss is nielsen_cross_entropy and network.output.name != "sigmoid":
        return False
    plain = x.dtype in (torch.float32, torch.float64) and y.dtype == torch.int64
    if not plain or x.requires_grad or (x.dim(), y.dim()) != (2, 1):
        return False
    parameters = [*network.weights, *network.biases]
    hooked = any(getattr(p, hooks, None) for p in (network, *parameters) for hooks in _HOOKS)
    kinds = {(p.device.type, p.dtype, p.requires_grad) for p in parameters}
    apart = len({id(p) for p in parameters}) == len(parameters)
    phis = network.activation, network.output
    known = all(phi.name in PHI and ACTIVATIONS.get(phi.name) is phi for phi in phis)
    named = int(y.min()) >= 0 and int(y.max()) < len(network.biases[-1])
    return not hooked and kinds == {("cpu", x.dtype, True)} and apart and known and named


class Flat:
    """An MLP whose parameters are views of one vector, with the backward pass written out.

        delta_L = dL/dH_L * phi'(Z_L),   delta_l = (W_(l+1)^T delta_(l+1)) * phi'(Z_l)
        dL/dW_l = delta_l H_(l-1)^T,   dL/db_l = sum over the batch of delta_l

    Calling it with inputs as `rows` makes them, (batch, n_in + 1), and labels (batch,) returns the
    loss and leaves dL/dtheta in `gradient`, in a sixth to a half of the time that autograd takes,
    at the sizes of a lab. Signals are in columns, (units, batch), each written where the next
    product reads it, in memory kept for each size of batch; `seen` are the last batch's.
    A layer's bias is one more column of its matrix: (fan_out, fan_in + 1). Until `release` the
    network's parameters look at `theta` and their `.grad` at `gradient`; with `apart` they keep
    memory of their own, as torch's optimisers like it, and are read and given gradients each time.
    """

    def __init__(self, network: MLP, loss: Loss, *, apart: bool = False) -> None:
        self.network, self._loss = network, _LOSSES[loss]
        names = [network.layer_activation(i).name for i in range(len(network.weights))]
        self._phis = [PHI[name] for name in names]
        self._shapes = [(w.shape[0], w.shape[1] + 1) for w in network.weights]
        dtype = network.weights[0].detach().numpy().dtype
        self.theta = np.empty(sum(rows * columns for rows, columns in self._shapes), dtype)
        self.gradient = np.zeros_like(self.theta)
        self._matrices, self._gradients = self.matrices(self.theta), self.matrices(self.gradient)
        self._by_size: dict[int, Signals] = {}
        self._apart: list[tuple[nn.Parameter, Tensor, Tensor]] = []
        for matrix, slot, weight, bias in zip(
            self._matrices, self._gradients, network.weights, network.biases, strict=True
        ):
            for parameter, place in ((weight, np.s_[:, :-1]), (bias, np.s_[:, -1])):
                value, grad = torch.from_numpy(matrix[place]), torch.from_numpy(slot[place])
                value.copy_(parameter.detach())
                if apart:
                    self._apart.append((parameter, value, grad))
                    parameter.grad = torch.zeros_like(parameter)
                else:
                    parameter.data, parameter.grad = value, grad

    @staticmethod
    def rows(x: Array) -> Array:
        """Return inputs (n, n_in) with a 1 at the end of each, which its bias multiplies."""
        return np.column_stack([x, np.ones(len(x), x.dtype)])

    def matrices(self, vector: Array) -> list[Array]:
        """Cut a vector like `theta` into the layers' matrices, biases last; views, no copies."""
        ends = np.cumsum([rows * columns for rows, columns in self._shapes])[:-1]
        parts = np.split(vector, ends)
        return [part.reshape(shape) for part, shape in zip(parts, self._shapes, strict=True)]

    def forward(self, x: Array) -> "Signals":
        """Send a batch forward; what returns is written on by the next batch of that size."""
        for parameter, place, _ in self._apart:
            place.copy_(parameter.detach())
        if (batch := len(x)) not in self._by_size:
            self._by_size[batch] = Signals(self._matrices, self._gradients, self._phis, batch)
        self.seen = seen = self._by_size[batch]
        z = self._matrices[0].dot(x.T, out=seen.units[0])
        self._phis[0].value(z, out=z)
        for matrix, below, here, value in seen.up:
            value(matrix.dot(below, out=here), out=here)
        return seen

    def __call__(self, x: Array, y: Labels) -> float:
        """Return the loss of a batch and leave its gradient in `gradient`."""
        with np.errstate(all="ignore"):
            seen = self.forward(x)
            slope = self._phis[-1].slope(seen.units[-1])
            loss = self._loss(seen.units[-1], y, slope, seen.deltas[-1])
            for across, above, here, units, place, slope in seen.down:
                across.dot(above, out=here)
                here *= slope(units, out=place)
            seen.deltas[0].dot(x, out=self._gradients[0])
            for delta, below, by_matrix in seen.across:
                delta.dot(below, out=by_matrix)
        for parameter, _, grad in self._apart:
            cast(Tensor, parameter.grad).copy_(grad)
        return loss

    def release(self) -> None:
        """Give each parameter memory of its own again, with the value it has, and no `.grad`."""
        for parameter in self.network.parameters():
            if not self._apart:
                parameter.data = parameter.data.clone(memory_format=torch.contiguous_format)
            parameter.grad = None


class Signals:
    """What a batch shows in each layer, the output last: `units` h_l, `deltas`, (units, batch)."""

    def __init__(
        self, matrices: list[Array], gradients: list[Array], phis: list[Phi], batch: int
    ) -> None:
        dtype, rows = matrices[0].dtype, [len(matrix) for matrix in matrices]
        # The last row of ones is for the next layer's bias.
        hidden = [np.ones((count + 1, batch), dtype) for count in rows[:-1]]
        self.units = [*(h[:-1] for h in hidden), np.empty((rows[-1], batch), dtype)]
        self.deltas = [np.empty((count, batch), dtype) for count in rows]
        slopes = [np.empty_like(delta) for delta in self.deltas]
        across = [matrix[:, :-1].T for matrix in matrices[1:]]
        # What each product reads and where it writes, so that a step only goes through lists.
        values, turns = zip(*((phi.value, phi.slope) for phi in phis), strict=True)
        above = self.deltas[1:]
        self.up = [*zip(matrices[1:], hidden, self.units[1:], values[1:], strict=True)]
        down = (across, above, self.deltas[:-1], self.units[:-1], slopes[:-1], turns[:-1])
        self.down = [*zip(*down, strict=True)][::-1]
        self.across = [*zip(above, [h.T for h in hidden], gradients[1:], strict=True)]
