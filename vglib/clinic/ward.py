"""The ward: a patient of a chosen depth and weight scale, looked at, tried, and diagnosed."""

from collections.abc import Callable, Iterator, Mapping
from math import exp, isfinite, log
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from vglib.clinic.patients import Recurrent, admitted, sequences, tower
from vglib.doctor import experiments
from vglib.doctor.by_layer import slope
from vglib.doctor.course import Clock, closer, prepared, train
from vglib.doctor.look import Look
from vglib.doctor.losses import best_constant
from vglib.doctor.operators import Call
from vglib.doctor.patient import Patient
from vglib.doctor.suspicions import LEARNT
from vglib.probe import Array
from vglib.results import at_its_end, kept, result
from vglib.weather import one_thread
from vglib.words import number, percent, power_of_ten

LR, UNITS, DEPTH = 3e-3, 32, 15
STRONG = ("saturated", "dead-units", "vanishing", "exploding", "initialization", "loss-at-start")

Maker = Callable[[int, float, int], Patient]


def _of(activation: str, init: str, factor: float = 1.0) -> Maker:
    def make(depth: int, scale: float, seed: int) -> Patient:
        model = tower(depth, activation, init, factor * scale, seed, width=UNITS)
        return admitted(model, LR, adam=True, seed=seed)

    return make


def _recurrent(depth: int, scale: float, seed: int) -> Patient:
    return admitted(Recurrent(0.7 * scale, seed), LR, adam=True, batch=sequences(depth, seed))


# By depth, weight scale and seed.
WARD: Mapping[str, Maker] = MappingProxyType(
    {
        "sigmoid tower": _of("sigmoid", "glorot"),
        "ReLU at torch's default": _of("relu", "torch"),
        "weights too large": _of("relu", "he", 3.0),
        "saturated tanh": _of("tanh", "lecun", 12.0),
        "recurrent": _recurrent,
        "healthy": _of("relu", "he"),
    }
)
CURES: Mapping[str, str] = MappingProxyType(
    {
        "dead-units": "draw the weights anew with He's factor, biases at 0",
        "saturated": "draw the weights smaller, so that z stays of order 1, or take ReLU",
        "memory-in-time": "take an LSTM, or a recurrent matrix that is orthogonal",
        "vanishing": "draw the weights larger, at chi = 1",
        "exploding": "draw the weights smaller, at chi = 1",
        "initialization": "draw the weights smaller, at chi = 1",
        "loss-at-start": "draw the readout smaller",
    }
)


class Suspicion(NamedTuple):
    """What one look makes one suspect: a name of the doctor's, a layer, and the number."""

    name: str
    layer: int
    number: float
    words: str


@result
class Visit:
    """A patient as the doctor's first look sees it, and what a short round makes of it.

    By layer, the readout last, or by time step for the recurrent net: `signal`, `delta` root mean
    squares of z and of dL/dz; `chi`, `dead`, `saturated`, nan where there is none. `losses`: at the
    start, after 20 steps, and after 20 steps under the cure, nan before they are made. `swapped`:
    whether the cure took ReLU for what was there. `over`: whether all has been tried.
    """

    patient: str
    shows: bool
    signal: Array
    delta: Array
    chi: Array
    dead: Array
    saturated: Array
    suspicion: Suspicion | None
    confirmed: bool
    losses: tuple[float, float, float]
    swapped: bool
    over: bool

    @property
    def finding(self) -> str:
        """The name of what is found, "healthy" where nothing is."""
        return self.suspicion.name if self.suspicion and self.confirmed else "healthy"

    @property
    def verdict(self) -> str:
        """One sentence: the first finding with its number and the cure, or what was seen."""
        if not self.shows:
            return f"your diagnosis first: {self._seen}."
        one = self.suspicion
        if one is None:
            return f"nothing to find: {self._seen}{self._fallen}."
        said = f"{one.name} at {self._place(one.layer)}: {one.words}"
        if not self.over:
            return f"suspected from one look: {said}."
        if not self.confirmed:
            return f"only a suspicion: {said}{self._fallen}, so nothing is said."
        cure = CURES[one.name] + (", with ReLU in every layer" if self.swapped else "")
        return f"{said}{self._fallen}; cure: {cure}."

    @property
    def _seen(self) -> str:
        far, near = self.delta[0], self.delta[max(len(self.delta) - 2, 0) :].max()
        if not (isfinite(far) and isfinite(near)):
            return "the gradient is not finite"
        if near == 0:
            return "no gradient reaches any layer"
        share = power_of_ten(log(far / near)) if far > 0 else "exactly 0"
        return f"the first {self._noun} gets {share} times the last one's gradient"

    @property
    def _noun(self) -> str:
        return "time step" if self.patient == "recurrent" else "layer"

    def _place(self, layer: int) -> str:
        return f"{self._noun} {layer}"

    @property
    def _fallen(self) -> str:
        start, end, cured = self.losses
        if not self.over and not isfinite(end):
            return ""
        ends = f"goes from {number(start)} to {number(end)}" if isfinite(end) else "is lost"
        if not isfinite(cured):
            return f"; in 20 steps the loss {ends}"
        return f"; in 20 steps the loss {ends}, with the cure to {number(cured)}"


def suspected(seen: Look, recurrent: bool) -> Suspicion | None:
    """Return what the doctor would suspect from one look, by its rules and in its order.

    Units dead or saturated in more than half of a layer; the first gradient under 1e-2 of the last
    or over 100 times it; in time under 1e-3 over 20 steps or more; a loss over 3 times the best
    constant's.
    """
    calls = [c for c in seen.calls if c.delta is not None]
    before, layers = slope(calls)
    if (dead := _worst(calls, "dead")) is not None and (dead[0] >= 0.95 or before > log(1e-4)):
        words = f"{percent(dead[0])} of its units are 0 for every row (bound 50%)"
        return Suspicion("dead-units", dead[1], dead[0], words)
    if (flat := _worst(calls, "saturated")) is not None:
        words = f"{percent(flat[0])} of its values lie on the flat (bound 50%)"
        return Suspicion("saturated", flat[1], flat[0], words)
    if layers < 3:
        return None
    times = layers - 1
    xi = -times / before if isfinite(before) and before < 0 else 0.0
    if recurrent and times >= 20 and before < log(1e-3) and xi <= times / 5:
        words = f"the gradient fades within xi = {number(xi)} steps (bound {times / 10:g})"
        return Suspicion("memory-in-time", 1, xi, words)
    signals = [c.signal for c in calls if isfinite(c.signal) and c.signal > 0]
    growth = log(signals[-1] / signals[0]) if len(signals) > 2 else 0.0
    chis = [c.known["chi"] for c in calls if "chi" in c.known]
    middle = float(np.median(chis)) if chis else exp(2 * before / times)
    words = f"its gradient is {power_of_ten(before)} times the last one's, and chi is "
    words = f"{words}{number(middle)} in the middle (bound 1)"
    if before < log(1e-2):
        return Suspicion("vanishing", 1, middle, words)
    if before > log(1e2) or (growth > log(1e2) and before > 0):
        return Suspicion("exploding", 1, middle, words)
    return _far_off(seen, calls)


def _far_off(seen: Look, calls: list[Call]) -> Suspicion | None:
    constant = best_constant(seen.loss_watch, seen.loss)
    if constant is None or constant <= 0 or not seen.loss > 3 * constant:
        return None
    wide = [i for i, c in enumerate(calls) if c.known.get("sigma_w2", 1.0) > 9]
    name = "initialization" if wide else "loss-at-start"
    ratio = seen.loss / constant
    words = f"the loss starts at {number(ratio)} times the best constant's (bound 3)"
    return Suspicion(name, wide[0] + 1 if wide else len(calls), ratio, words)


def _worst(calls: list[Call], what: str) -> tuple[float, int] | None:
    """Return the largest share over one half, and its layer."""
    shares = [c.known.get(what, 0.0) for c in calls]
    top = max(shares, default=0.0)
    return (top, shares.index(top) + 1) if top > 0.5 else None


@kept(64)
def visiting(
    patient: str = "sigmoid tower",
    depth: int = DEPTH,
    weight_scale: float = 1.0,
    diagnosis: bool = True,
    seed: int = 0,
) -> Iterator[Visit]:
    """Look at a patient, train a copy 20 steps, try the cure. Yields what there is so far.

    This is a round shorter than `examine`'s, with the doctor's own measurements, thresholds and
    experiments: one cure at the owner's rate, where the doctor tries three rates and more steps.
    """
    one = WARD[patient](depth, weight_scale, seed)
    recurrent = patient == "recurrent"
    nan = float("nan")
    with one_thread():
        seen = closer(one)
    measured = _layers(seen)
    suspicion = suspected(seen, recurrent)

    def now(
        end: float = nan,
        cured: float = nan,
        *,
        confirmed: bool = False,
        swapped: bool = False,
        over: bool = True,
    ) -> Visit:
        losses = (seen.loss, end, cured)
        return Visit(patient, diagnosis, *measured, suspicion, confirmed, losses, swapped, over)

    yield now(over=False)
    with one_thread():
        course = train(prepared(one), Clock(1e9), looks=True)
    trials = experiments.Trials(one, course, Clock(1e9), best_constant(seen.loss_watch, seen.loss))
    base, end = trials.gain(course), course.end
    asked = suspicion is not None and _persists(suspicion, course.last)
    if suspicion is None or not asked or (base >= LEARNT and suspicion.name not in STRONG):
        yield now(end)
        return
    yield now(end, over=False)
    with one_thread():
        if suspicion.name == "memory-in-time":
            best = max(base, trials.best(factors=experiments.RATES))
            yield now(end, confirmed=best < experiments.WORKS)
            return
        cure = trials.run("drawn", experiments.initialised(seen))
        other = None
        if not _works(base, trials.gain(cure)) and suspicion.name in ("vanishing", "exploding"):
            other = trials.run("relu", experiments.relu_inside(seen))
    swapped = trials.gain(other) > trials.gain(cure)
    cure = other if swapped else cure
    cured = cure.end if cure is not None else nan
    yield now(end, cured, confirmed=_works(base, trials.gain(cure)), swapped=swapped)


visit = at_its_end(visiting)


def _works(base: float, cure: float) -> bool:
    return cure >= experiments.WORKS and base <= 0.5 * cure


def _persists(suspicion: Suspicion, after: Look | None) -> bool:
    """Whether a suspicion is still there after the training, as the doctor asks it."""
    if after is None:
        return False
    calls = [c for c in after.calls if c.delta is not None]
    if suspicion.name in ("dead-units", "saturated"):
        what = "dead" if suspicion.name == "dead-units" else "saturated"
        return suspicion.layer <= len(calls) and calls[suspicion.layer - 1].known.get(what, 0) > 0.5
    return suspicion.name != "vanishing" or slope(calls)[0] < log(1e-1)


def _layers(seen: Look) -> tuple[Array, Array, Array, Array, Array]:
    calls = [c for c in seen.calls if c.delta is not None]

    def known(what: str) -> Array:
        return np.array([c.known.get(what, float("nan")) for c in calls], float)

    signal, delta = (np.array([getattr(c, n) for c in calls], float) for n in ("signal", "delta"))
    return signal, delta, known("chi"), known("dead"), known("saturated")
