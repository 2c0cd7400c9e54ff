"""The operations that a network runs, followed one by one, whatever its modules are called.

`Observer` sees each call of a torch function on its way: which parameters went in, which signal,
what came out. What a parameter has become by a view, a transpose or a norm of its own still counts
as that parameter. So packed attention, recurrent nets, embeddings and bare parameters are seen as
linear layers are.
"""

import types
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from vglib.doctor.patient import tensors

# What leaves the numbers as they are, or moves them about: what a tensor stands for goes through.
MOVES = frozenset(
    """
    view reshape squeeze unsqueeze flatten transpose permute contiguous t T mT __getitem__
    clone to float double half bfloat16 type expand narrow select split chunk unbind view_as
    swapaxes movedim index_select cpu cuda requires_grad_ unflatten dropout
    """.split()  # noqa: SIM905
)
NONLINEARITIES = frozenset(
    """
    relu relu_ sigmoid sigmoid_ tanh tanh_ gelu silu silu_ leaky_relu leaky_relu_ elu elu_
    selu selu_ softplus hardtanh hardtanh_ hardswish hardsigmoid mish celu relu6 prelu rrelu
    clamp clamp_ clamp_min clamp_min_ clip maximum softsign log_sigmoid softmax log_softmax
    exp
    """.split()  # noqa: SIM905
)
LEAVES_TORCH = frozenset(
    """
    item numpy tolist __float__ __array__
    """.split()  # noqa: SIM905
)
CUTS = frozenset(
    """
    detach detach_ data
    """.split()  # noqa: SIM905
)
RECURRENT = frozenset(
    """
    lstm gru rnn_tanh rnn_relu
    """.split()  # noqa: SIM905
)


@dataclass(frozen=True)
class Origin:
    """What a tensor came from.

    `weights`: the parameters, where it is nothing but parameters. `call`: the last operation with
    weights on its way, -1 before the first. `kind`: the last operation that was no mere move.
    `inputs`, `targets`: whether the batch's inputs, or what the loss alone reads, are in it;
    `cut`: whether a detach is on its way.
    """

    weights: frozenset[str] = frozenset()
    call: int = -1
    kind: str = ""
    inputs: bool = False
    cut: bool = False


@dataclass(eq=False)
class Call:
    """One operation with weights: its place, its parameters, what came out, and the gradient there.

    `signal`: root mean square of the output; `delta`: that of the loss's gradient by it, None
    where there is none. Both are numbers, or tensors that were reduced where the network lives.
    `activation` is the nonlinearity that takes the output; `direct` says that the input is what the
    call `before` gave, unchanged; `known` holds what a closer look adds.
    """

    index: int
    place: str
    operation: str
    parameters: tuple[str, ...]
    before: int
    signal: Any = None
    delta: Any = None
    grad_enabled: bool = True
    activation: str = ""
    direct: bool = False
    known: dict[str, Any] = field(default_factory=dict)


class Observer(TorchFunctionMode):
    """Follows a forward pass and what the loss does with its output."""

    def __init__(self, model: nn.Module, inputs: Any = (), *, measure: bool = True) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.used: set[str] = set()
        self.strangers: dict[int, tuple[str, Tensor]] = {}
        self.left_torch: list[tuple[str, Origin]] = []
        self.cuts: dict[int, str] = {}
        self.watchers: list[Callable[..., Any]] = []
        self.phase = "forward"
        self.measure = measure
        self._places: list[str] = [""]
        self._names = {id(p): name for name, p in model.named_parameters()}
        self._buffers = {id(b) for b in model.buffers()}
        self._model = model
        self._origins: dict[int, tuple[weakref.ref[Tensor], Origin]] = {}
        for tensor in tensors(inputs):
            self._keep(tensor, Origin(inputs=True))

    # What a tensor stands for

    def origin(self, tensor: Any) -> Origin:
        """Return what a tensor came from."""
        name = self._names.get(id(tensor))
        if name is not None:
            return Origin(weights=frozenset([name]))
        held = self._origins.get(id(tensor))
        return held[1] if held is not None and held[0]() is tensor else Origin()

    def place(self) -> str:
        """Return the module that is running, by its name in the model."""
        return self._places[-1]

    @contextmanager
    def placed(self, *, follow: bool = False) -> Iterator[None]:
        """Know which module runs, by hooks that are gone afterwards; `follow` sees all calls."""
        handles = []
        for name, module in self._model.named_modules():
            handles.append(module.register_forward_pre_hook(self._entering(name)))
            handles.append(module.register_forward_hook(self._leaving, always_call=True))
        try:
            with self if follow else nullcontext():
                yield
        finally:
            for handle in handles:
                handle.remove()

    def _entering(self, name: str) -> Callable[..., None]:
        def enter(module: nn.Module, arguments: Any) -> None:
            self._places.append(name)

        return enter

    def _leaving(self, module: nn.Module, arguments: Any, output: Any) -> None:
        if len(self._places) > 1:
            self._places.pop()

    def _keep(self, tensor: Tensor, origin: Origin) -> None:
        self._origins[id(tensor)] = (weakref.ref(tensor), origin)

    # Each call on its way

    def __torch_function__(self, func: Any, types_: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Let a call through, and note what it was."""
        kwargs = kwargs or {}
        name = _name(func)
        if name in _PROPERTIES:
            return func(*args, **kwargs)
        for watcher in self.watchers:
            watcher(self, func, name, args, kwargs)
        if _can_open(func):
            with self:
                result = _opened(func)(*args, **kwargs)
            # Dropout's zeros are no activation, and a loss's parts have been seen.
            return result
        result = func(*args, **kwargs)
        self.note(name, args, kwargs, result)
        return result

    def note(self, name: str, args: Any, kwargs: Any, result: Any) -> None:
        """Note what an operation was given and what it made."""
        given = list(tensors((args, tuple(kwargs.values()))))
        if not given:
            for tensor in tensors(result):
                self._keep(tensor, Origin())
            return
        origins = [self.origin(tensor) for tensor in given]
        weights = frozenset().union(*(o.weights for o in origins))
        signals = [(t, o) for t, o in zip(given, origins, strict=True) if not o.weights]
        # Outside of the model, in the owner's forward(), others may well be at work.
        if self.phase == "forward" and len(self._places) > 1 and torch.is_grad_enabled():
            self._look_for_strangers(signals)
        if name in LEAVES_TORCH:
            self.left_torch += [(name, o) for _, o in signals if o.call >= 0 or o.inputs]
            return
        made = list(tensors(result))
        if not made:
            return
        self.used |= weights
        if not signals:
            for tensor in made:
                if id(tensor) not in self._names:
                    self._keep(tensor, Origin(weights=weights))
            return
        first = max((o for _, o in signals), key=lambda o: o.call)
        kind = first.kind if name in MOVES else name
        if name == "__get__":
            kind = first.kind
        cut = any(o.cut for _, o in signals) or name in CUTS
        if name in CUTS and first.call >= 0:
            self.cuts.setdefault(first.call, self.place())
        inputs = any(o.inputs for _, o in signals)
        call = first.call
        if weights and self.phase == "forward" and self._has_matrix(given, weights):
            call = self._new_call(name, weights, first, made, signals)
        elif call >= 0 and name in NONLINEARITIES and not self.calls[call].activation:
            self.calls[call].activation = name.rstrip("_")
            self.look_at_activation(self.calls[call], signals[0][0], made[0])
        origin = Origin(frozenset(), call, kind, inputs, cut)
        for tensor in made:
            if id(tensor) not in self._names:
                self._keep(tensor, origin)

    def _has_matrix(self, given: list[Tensor], weights: frozenset[str]) -> bool:
        return any(self.origin(t).weights and t.dim() >= 2 for t in given)

    def _new_call(
        self,
        name: str,
        weights: frozenset[str],
        first: Origin,
        made: list[Tensor],
        signals: list[tuple[Tensor, Origin]],
    ) -> int:
        call = Call(
            index=len(self.calls),
            place=self._place_of(weights),
            operation=name,
            parameters=tuple(sorted(weights)),
            before=first.call,
            grad_enabled=torch.is_grad_enabled(),
            direct=first.call >= 0 and first.kind == self.calls[first.call].operation,
        )
        self.calls.append(call)
        if self.measure:
            self.look(call, signals, made)
        return call.index

    def look(self, call: Call, signals: list[tuple[Tensor, Origin]], made: list[Tensor]) -> None:
        """Measure a call: what came out, and, when it comes, the gradient by it."""
        out = made[0]
        call.signal = rms(out)
        self.await_gradient(call, out)

    def look_at_activation(self, call: Call, before: Tensor, after: Tensor) -> None:
        """Measure a call's nonlinearity; a closer look does more than nothing here."""

    def await_gradient(self, call: Call, out: Tensor) -> None:
        """Measure the loss's gradient by an output when it comes."""
        if out.requires_grad:
            out.register_hook(lambda g: _put(call, "delta", None if g is None else rms(g)))

    def _place_of(self, weights: frozenset[str]) -> str:
        owners = {name.rpartition(".")[0] for name in weights}
        if "" in owners:
            return min(weights)
        if len(owners) == 1:
            # What parametrises a weight lives below the layer.
            return owners.pop().partition(".parametrizations")[0]
        return self.place() or min(owners)

    def _look_for_strangers(self, signals: list[tuple[Tensor, Origin]]) -> None:
        """Note trainable tensors that go in and are no parameters of the model."""
        for tensor, origin in signals:
            if (
                tensor.is_leaf
                and tensor.requires_grad
                and not origin.inputs
                and id(tensor) not in self._buffers
                and id(tensor) not in self._origins
            ):
                self.strangers.setdefault(id(tensor), (self.place(), tensor))


_PROPERTIES = frozenset({"shape", "dtype", "device", "ndim", "requires_grad", "is_leaf", "layout",
    "grad_fn", "is_cuda", "size", "dim", "numel", "is_floating_point", "is_complex", "stride",
    "is_contiguous", "is_sparse", "is_quantized", "is_nested", "is_mps", "names", "_version",
    "is_meta", "output_nr", "retains_grad", "is_cpu", "__len__", "__hash__", "get_device", "grad",
    "is_same_size", "storage_offset", "data_ptr", "element_size", "nelement", "register_hook",
    "__set__", "__format__", "__repr__", "__bool__", "is_nonzero", "equal"})  # fmt: skip


def _name(func: Any) -> str:
    name = getattr(func, "__name__", "")
    if name == "__get__":
        return getattr(func.__self__, "__name__", "")
    return name


def _can_open(func: Any) -> bool:
    # What was put together by a closure comes back to itself.
    plain = isinstance(func, types.FunctionType) and not func.__closure__
    return plain and func.__module__ == F.__name__


@lru_cache(maxsize=256)
def _opened(func: types.FunctionType) -> Callable[..., Any]:
    """Return a function of torch.nn.functional that does not hand itself to the observer again.

    So what it is made of is seen; handed on as a whole it would be one closed box.
    """
    world = {**func.__globals__}
    for gate in ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic"):
        if gate in world:
            world[gate] = lambda *arguments: False
    made = types.FunctionType(func.__code__, world, func.__name__, func.__defaults__)
    made.__kwdefaults__ = func.__kwdefaults__
    return made


def _put(call: Call, name: str, value: Any) -> None:
    setattr(call, name, value)


@torch.no_grad()
def rms(tensor: Tensor) -> Any:
    """Return the root mean square of a tensor's entries, as a number or reduced on its device.

    On the processor in float32 where that holds it, else in float64.
    """
    count = tensor.numel()
    if count == 0:
        return float("nan")
    tensor = tensor.detach()
    if tensor.is_sparse:
        tensor = tensor.coalesce().values()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    elif not tensor.is_floating_point():
        tensor = tensor.double()
    if tensor.device.type != "cpu":
        wide = torch.float32 if tensor.device.type == "mps" else torch.float64
        return torch.linalg.vector_norm(tensor, dtype=wide) / count**0.5
    wide = torch.promote_types(tensor.dtype, torch.float32)
    norm = float(torch.linalg.vector_norm(tensor, dtype=wide))
    # Squares that leave float32 are taken again in float64.
    if wide == torch.float32 and not 1e-12 < norm < 1e12:
        norm = float(torch.linalg.vector_norm(tensor, dtype=torch.float64))
    return norm / count**0.5


def as_number(value: Any) -> float:
    """Return what `rms` gave as a number."""
    return float("nan") if value is None else float(value)
