"""Computing a Trace, against the bare matrix products that it needs."""

from __future__ import annotations

import cProfile
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmarks.report import Part, Row, progress, within
from benchmarks.timing import own_time, time_of
from vglib.networks import MLP, mlp
from vglib.probe import trace
from vglib.weather import one_thread

DEPTHS = (10, 30, 100, 300, 1000)
ACTIVATIONS = {"relu": "he", "tanh": "glorot", "sigmoid": "glorot"}
Pairs = list[tuple[float, float]]  # seconds of the floor and of what is measured, in turn

WIDTH, BATCH, N_IN = 100, 128, 64
BAR = 2.0
# Of a line with slope 1 in log-log: the fixed cost of a call pulls the slope below it.
STEEPEST = 1.1
# Where half of the bare products took so many times the quickest, something else was running.
DISTURBED = 1.5
SECONDS = 6.0
REPEATS = (3, 60)


@one_thread()
def measure() -> Part:
    """Time trace and floor in turn and compare each pair, on one thread as a kernel does."""
    part = Part()
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(BATCH, N_IN, generator=generator, dtype=torch.float64)
    y = torch.randint(10, (BATCH,), generator=generator)
    for activation, init in ACTIVATIONS.items():
        timed = {}
        for depth in DEPTHS:
            progress(f"trace, {activation}, depth {depth}")
            network = mlp(depth, WIDTH, n_in=N_IN, activation=activation, init=init)
            products = bare_products(network, generator)
            timed[depth] = in_turn(products, partial(trace, network, x, y, cross_entropy))
        part.rows += _rows(activation, timed)
        if _ratio(timed[100]) > BAR:
            part.notes.append(_profile(activation, init, x, y))
    return part


def bare_products(network: MLP, generator: torch.Generator) -> Callable[[], None]:
    """Return a function that does the matrix products of a trace and nothing else.

    For each layer h W^T forward, delta^T h for the weights, and delta W for the layer below.
    """
    weights = [w.detach() for w in network.weights]
    inputs = [_normal(BATCH, w.shape[1], generator) for w in weights]
    deltas = [_normal(BATCH, w.shape[0], generator) for w in weights]

    @torch.no_grad()
    def products() -> None:
        for weight, h in zip(weights, inputs, strict=True):
            h @ weight.T
        for i in reversed(range(len(weights))):
            deltas[i].T @ inputs[i]
            if i:
                deltas[i] @ weights[i]

    return products


def in_turn(
    one: Callable[[], object], other: Callable[[], object], seconds: float = SECONDS
) -> Pairs:
    """Time two functions alternately, so that a busy moment meets both."""
    time_of(one), time_of(other)
    fewest, most = REPEATS
    pairs: Pairs = []
    start = time.perf_counter()
    while len(pairs) < fewest or (len(pairs) < most and time.perf_counter() - start < seconds):
        pairs.append((time_of(one), time_of(other)))
    return pairs


def _rows(activation: str, timed: dict[int, Pairs]) -> list[Row]:
    rows = []
    for depth, pairs in timed.items():
        what = f"Trace over its bare products, {activation}, depth {depth}"
        bare, traced = (1e3 * median(times) for times in zip(*pairs, strict=True))
        detail = f" ({_ms(traced)} over {_ms(bare)})"
        row = within(what, _ratio(pairs), BAR, detail=detail)
        if disturbed(pairs):
            rows.append(Row(what, f"{row.measured}: disturbed, the machine was busy", row.budget))
        elif depth == 100:
            rows.append(row)
        else:
            rows.append(Row(what, row.measured))
    # From depth 30 on, where the fixed cost of a call no longer shows, and by the quickest times.
    depths = DEPTHS[1:]
    quickest = [min(second for _, second in timed[depth]) for depth in depths]
    slope = float(np.polyfit(np.log(depths), np.log(quickest), 1)[0])
    what = f"Trace, {activation}: d ln(time) / d ln(depth), depth {depths[0]} to {depths[-1]}"
    row = within(what, slope, STEEPEST, unit="")
    busy = any(disturbed(timed[depth]) for depth in depths)
    rows.append(Row(what, f"{row.measured}: disturbed", row.budget) if busy else row)
    return rows


def disturbed(pairs: Pairs) -> bool:
    """Whether the bare products varied so much that their ratios say nothing."""
    bare = [first for first, _ in pairs]
    return median(bare) > DISTURBED * min(bare)


def _ratio(pairs: Pairs) -> float:
    return median(second / first for first, second in pairs)


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:.3g} ms" if milliseconds < 1000 else f"{milliseconds:.0f} ms"


def _profile(activation: str, init: str, x: Tensor, y: Tensor) -> str:
    """Say which operations, and which functions of the package, take the time at depth 100."""
    network = mlp(100, WIDTH, n_in=N_IN, activation=activation, init=init)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        for _ in range(5):
            trace(network, x, y, cross_entropy)
    events = sorted(profiler.key_averages(), key=lambda e: -e.self_cpu_time_total)
    total = sum(e.self_cpu_time_total for e in events)
    operations = [f"`{e.key}` {e.self_cpu_time_total / total:.0%}" for e in events[:5]]
    python = cProfile.Profile()
    python.runcall(trace, network, x, y, cross_entropy)
    return (
        f"Where a Trace of {activation} at depth 100 spends its time: torch's operations "
        f"{', '.join(operations)}; by function, its own time {own_time(python, 5)}."
    )


def _normal(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    return torch.randn(rows, columns, generator=generator, dtype=torch.float64)
