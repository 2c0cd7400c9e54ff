"""Labs of chapter 08."""

from __future__ import annotations

from math import inf

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from vglib import figures
from vglib import lab as controls
from vglib.figures import GREEN, GREY, ORANGE, PINK, SKY, THEORY, Curve, Panel
from vglib.lab import Control, Lab
from vglib.lstm import experiments as ex

TIME = "time step t (the loss is at T)"
GRAPH = "graph"
LENGTHS = [5, 8, 10, 15, 20, 30, 40]
WINDOWS = [2, 3, 5, 10, 15, 25, 40]
CLIPS = {"0.1": 0.1, "0.25": 0.25, "1": 1.0, "no clipping": inf}


def _steps(value: int, maximum: int) -> Control:
    stops = [*range(1, 51), *range(52, 101, 2), *range(105, 201, 5), *range(210, 1001, 10)]
    tooltip = "T, how many steps of time the gradient goes back: the depth of a recurrent net."
    return controls.ladder("depth in time T", value, [s for s in stops if s <= maximum], tooltip)


def _log10(values: ArrayLike) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log10(np.asarray(values, dtype=float))


def draw_recurrence(result: ex.Recurrence) -> go.Figure:
    """Draw the stretch of dh_T/dh_t over t, and the eigenvalues of W_h with the unit circle."""
    time = np.arange(result.length + 1)
    angle = np.linspace(0, 2 * np.pi, 91)
    reach = 1.15 * max(1.0, result.rho)
    return figures.panels(
        [
            Panel(
                "‖∂h_T/∂h_t‖",
                [
                    Curve("typical direction", time, figures.log10(result.log_typical)),
                    Curve(
                        "worst direction",
                        result.worst_at,
                        figures.log10(result.log_worst),
                        GREEN,
                        mode="lines",
                    ),
                    Curve("theory", time, figures.log10(result.log_theory), ORANGE, THEORY),
                ],
                TIME,
                powers=True,
            ),
            Panel(
                "eigenvalues of W_h, imaginary part",
                [
                    Curve(
                        "eigenvalues",
                        result.eigenvalues.real,
                        result.eigenvalues.imag,
                        PINK,
                        GRAPH,
                        "markers",
                    ),
                    Curve("modulus 1", np.cos(angle), np.sin(angle), GREY, GRAPH, "lines"),
                ],
                "real part",
                x_range=(-1.6 * reach, 1.6 * reach),
                y_range=(-reach, reach),
            ),
        ],
        height=400,
    )


def recurrence_lab() -> Lab:
    """Send a gradient back through time in a plain recurrent net."""
    return Lab(
        ex.recurrence,
        draw_recurrence,
        weight_scale=controls.weight_scale(0.9),
        depth=_steps(100, 500),
        activation=controls.choice(
            "activation", "linear", ["linear", "tanh", "relu"], "What the sum goes through."
        ),
        matrix=controls.choice(
            "matrix", "Gaussian", ex.MATRICES, "W_h; the weight scale is its ρ."
        ),
        noise=controls.slider(
            "noise", 0.5, 0, 2, tooltip="Size of the random input at each step.", step=0.05
        ),
        seed=controls.seed(),
        presets={
            "linear, ρ = 0.9": {"activation": "linear", "matrix": "Gaussian", "weight_scale": 0.9},
            "linear, ρ = 1.1": {"activation": "linear", "matrix": "Gaussian", "weight_scale": 1.1},
            "orthogonal, ρ = 1": {
                "activation": "linear",
                "matrix": "orthogonal",
                "weight_scale": 1.0,
            },
            "ρ = 0.9 and yet": {
                "activation": "linear",
                "matrix": "Jordan block",
                "weight_scale": 0.9,
                "depth": 250,
            },
            "tanh, ρ = 1.2, with input": {
                "activation": "tanh",
                "matrix": "Gaussian",
                "weight_scale": 1.2,
                "noise": 0.5,
                "depth": 100,
            },
            "tanh, ρ = 3": {
                "activation": "tanh",
                "matrix": "Gaussian",
                "weight_scale": 3.0,
                "noise": 0.5,
                "depth": 100,
            },
        },
    )


def draw_path(result: ex.Path) -> go.Figure:
    """Draw the gradient of the cell state, that of h, and the gates, over time."""
    time = np.arange(result.length + 1)
    colors = {"f": GREEN, "i": SKY, "o": PINK}
    cell = [
        Curve("measured", time, figures.log10(result.log_c), mode="lines"),
        Curve("the gates alone", time, figures.log10(result.log_direct), GREEN, mode="lines"),
        Curve("same net, f = 1", time, figures.log10(result.log_control), GREY, mode="lines"),
        Curve("s(b) per step", time, figures.log10(result.log_gates), PINK, THEORY),
        Curve("theory, both paths", time, figures.log10(result.log_theory), ORANGE, THEORY),
    ]
    hidden = Curve("measured", time, figures.log10(result.log_h), mode="lines")
    gates = [
        Curve(f"gate {name}", time[1:], result.gates[name], color, mode="lines")
        for name, color in colors.items()
    ]
    return figures.panels(
        [
            Panel("‖∂c_T/∂c_t‖", cell, "time step t", powers=True, y_range=_room(result)),
            Panel("‖∂h_T/∂h_t‖", [hidden], "time step t", powers=True, y_range=_room(result)),
            Panel("gates, mean of 64 units", gates, "time step t", y_range=(-0.03, 1.03)),
        ],
        height=430,
    )


def _room(result: ex.Path) -> tuple[float, float]:
    # Room for every bias from 0 on, so that the curves move and the axis does not.
    drawn = (result.log_c, result.log_h, result.log_direct, result.log_gates, result.log_theory)
    values = figures.log10(np.concatenate([*drawn, result.log_control]))
    values = values[np.isfinite(values)]
    low = min(float(values.min()), -0.302 * result.length)
    return (10 * np.floor(low / 10), 10 * np.ceil(max(float(values.max()), 1.0) / 10))


def _wired(**values: object) -> dict[str, object]:
    return {"wiring": "LSTM", "weight_scale": 1.0, "inputs": 1.0, "depth": 100, **values}


def forget_lab() -> Lab:
    """Slide the forget gate's bias and watch the gradient of the cell state over time."""
    return Lab(
        ex.lstm_path,
        draw_path,
        forget_bias=controls.slider(
            "forget bias b", 0.0, -3, 8, tooltip="The bias of every forget gate.", step=0.1
        ),
        depth=_steps(100, 300),
        weight_scale=controls.weight_scale(),
        wiring=controls.choice(
            "wiring", "LSTM", list(ex.WIRINGS), "Which parts of the cell are there."
        ),
        inputs=controls.slider(
            "inputs", 1.0, 0, 2, tooltip="Size of the 64 random inputs.", step=0.05
        ),
        seed=controls.seed(),
        presets={
            "b = 0": _wired(forget_bias=0.0),
            "b = 1": _wired(forget_bias=1.0),
            "b = 2": _wired(forget_bias=2.0),
            "b = 5": _wired(forget_bias=5.0),
            "gates, no memory": _wired(wiring="gates, no memory (f = 0)"),
            "1997: f = 1": _wired(wiring="f = 1 (1997)"),
            "memory, no gates": _wired(wiring="memory, no gates"),
            "an LSTM explodes": _wired(forget_bias=5.0, inputs=0.0),
        },
    )


def draw_three_cells(result: ex.ThreeCells) -> go.Figure:
    """Draw the gradient of three cells over time, each with its theory."""
    time = np.arange(len(result.measured["GRU"]))
    panels = [
        Panel(
            f"{name}, {'‖∂c_T/∂c_t‖' if name == 'LSTM' else '‖∂h_T/∂h_t‖'}",
            [
                Curve("measured", time, figures.log10(result.measured[name]), mode="lines"),
                Curve("theory", time, figures.log10(result.predicted[name]), ORANGE, THEORY),
            ],
            "time step t",
            powers=True,
            y_range=_shared(result),
        )
        for name in ex.CELLS
    ]
    return figures.panels(panels, height=400)


def _shared(result: ex.ThreeCells) -> tuple[float, float]:
    drawn = [*result.measured.values(), *result.predicted.values()]
    ends = figures.log10([v[np.isfinite(v)].min() for v in drawn])
    tops = figures.log10([v[np.isfinite(v)].max() for v in drawn])
    return (10 * np.floor(ends.min() / 10), max(1.0, 2 * np.ceil(tops.max() / 2)))


def cells_lab() -> Lab:
    """Compare a tanh net, an LSTM and a GRU on one sequence."""
    return Lab(
        ex.three_cells,
        draw_three_cells,
        bias=controls.slider(
            "bias b", 1.0, -3, 8, tooltip="Bias of the gate that keeps: f, or z of a GRU.", step=0.1
        ),
        depth=_steps(100, 300),
        weight_scale=controls.weight_scale(),
        seed=controls.seed(),
        presets={
            "as torch makes them": {"bias": 0.0, "depth": 100, "weight_scale": 1.0},
            "b = 2": {"bias": 2.0, "depth": 100, "weight_scale": 1.0},
            "b = 5": {"bias": 5.0, "depth": 100, "weight_scale": 1.0},
            "larger weights": {"bias": 2.0, "depth": 100, "weight_scale": 3.0},
        },
    )


def draw_adding(result: ex.Adding) -> go.Figure:
    """Draw the error over the updates, and the error's gradient by time step."""
    n, time = len(result.losses), np.arange(1, result.length + 1)
    first = n - len(result.smooth) + 1
    return figures.panels(
        [
            Panel(
                "squared error, mean of 20 updates",
                [
                    Curve("error", np.arange(first, n + 1), np.minimum(result.smooth, 0.5)),
                    Curve("answering 1", [0, n], [ex.GUESS] * 2, ORANGE, THEORY),
                ],
                "update",
                x_range=(0, ex.LAG_UPDATES),
                y_range=(0, 0.5),
            ),
            Panel(
                "‖∂L/∂state_t‖",
                [
                    Curve("at the start", time, _log10(result.before[1:])),
                    Curve("at the end", time, _log10(result.after[1:]), GREEN),
                ],
                "time step t (the loss is at T)",
                powers=True,
            ),
        ],
        height=380,
    )


def lag_lab() -> Lab:
    """Train a small net to add two numbers that lie far apart in time."""
    return Lab(
        ex.adding,
        draw_adding,
        length=controls.ladder("depth in time T", 10, LENGTHS, "Steps of a sequence."),
        net=controls.choice("net", "tanh RNN", list(ex.NETS), "16 units of this kind."),
        seed=controls.seed(),
        presets={
            "tanh, T = 5": {"net": "tanh RNN", "length": 5},
            "tanh, T = 10": {"net": "tanh RNN", "length": 10},
            "tanh, T = 20": {"net": "tanh RNN", "length": 20},
            "LSTM, T = 10": {"net": "LSTM, b = 1", "length": 10},
            "GRU, T = 10": {"net": "GRU", "length": 10},
            "GRU, T = 20": {"net": "GRU", "length": 20},
            "IRNN, T = 20": {"net": "IRNN", "length": 20},
        },
    )


def draw_truncation(result: ex.Truncation) -> go.Figure:
    """Draw the error over the stream, and the share of outputs that a window can teach."""
    windows = np.arange(1, 31)
    return figures.panels(
        [
            Panel(
                "squared error",
                [
                    Curve("error", result.seen, np.minimum(result.losses, 1.5), mode="lines"),
                    Curve("guessing", [0, ex.STREAM_STEPS], [1, 1], ORANGE, THEORY),
                ],
                "steps of the stream",
                x_range=(0, ex.STREAM_STEPS),
                y_range=(0, 1.5),
            ),
            Panel(
                "outputs with their input in the window, %",
                [
                    Curve(
                        "1 - lag/window",
                        windows,
                        100 * np.maximum(0, 1 - result.lag / windows),
                        ORANGE,
                        THEORY,
                    ),
                    Curve(
                        "this window", [result.window], [100 * result.share], PINK, GRAPH, "markers"
                    ),
                ],
                "window (steps)",
                y_range=(-3, 103),
            ),
        ],
        height=380,
    )


def truncation_lab() -> Lab:
    """Backpropagate within windows, and see which lag can be learned."""
    return Lab(
        ex.truncation,
        draw_truncation,
        window=controls.ladder("window", 5, list(range(2, 31)), "Steps the gradient goes back."),
        lag=controls.ladder("lag", 5, list(range(1, 9)), "How many steps ago the answer came."),
        cell=controls.choice("cell", "LSTM", list(ex.STREAM_CELLS), "16 units of this kind."),
        seed=controls.seed(),
        presets={
            "window 5, lag 5": {"window": 5, "lag": 5},
            "window 6, lag 5": {"window": 6, "lag": 5},
            "window 10, lag 5": {"window": 10, "lag": 5},
            "window 5, lag 4": {"window": 5, "lag": 4},
        },
    )


def draw_characters(result: ex.Characters) -> go.Figure:
    """Draw bits a character and the gradient's norm over the text read."""
    ends = [0, ex.CHARACTER_STEPS]
    letters, pairs = ex.entropies()
    clip = result.clip if result.clip < inf else np.nan
    return figures.panels(
        [
            Panel(
                "bits per character (10 and more at the top)",
                [
                    Curve("model", result.read, np.minimum(result.bits, 10), mode="lines"),
                    Curve("counting letters", ends, [letters] * 2, GREY, THEORY),
                    Curve("counting pairs", ends, [pairs] * 2, ORANGE, THEORY),
                ],
                "characters read, by each of 16 readers",
                x_range=(0, ex.CHARACTER_STEPS),
                y_range=(1, 10),
            ),
            Panel(
                "gradient norm before clipping",
                [
                    Curve("model", result.read, _log10(result.norms), mode="lines"),
                    Curve("threshold", ends, _log10([clip] * 2), PINK, GRAPH, "lines"),
                ],
                "characters read, by each of 16 readers",
                powers=True,
                x_range=(0, ex.CHARACTER_STEPS),
                y_range=(-2, 2),
            ),
        ],
        height=380,
    )


def character_lab() -> Lab:
    """Train an LSTM on this course's own prose, with a window and a clipping threshold."""

    def experiment(window: int, clip: str, lr: float, seed: int) -> ex.Characters:
        return ex.characters(window, CLIPS[clip], lr, seed)

    return Lab(
        experiment,
        draw_characters,
        clip=controls.choice(
            "clip at", "no clipping", list(CLIPS), "The largest gradient norm allowed."
        ),
        window=controls.ladder("window", 25, WINDOWS, "Steps the gradient goes back."),
        lr=controls.slider(
            "step size", 10.0, 0.3, 30, tooltip="The learning rate of SGD.", log=True
        ),
        seed=controls.seed(),
        presets={
            "no clipping": {"clip": "no clipping", "window": 25, "lr": 10.0},
            "clipped at 0.25": {"clip": "0.25", "window": 25, "lr": 10.0},
            "no clipping, small step": {"clip": "no clipping", "window": 25, "lr": 1.0},
            "clipped, short window": {"clip": "0.25", "window": 3, "lr": 10.0},
        },
    )
