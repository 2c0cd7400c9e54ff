"""Labs of chapter 08."""

from collections.abc import Iterator
from math import inf, log, nan

import numpy as np

from vglib import figures
from vglib.figures import ASIDE, GREEN, GREY, ORANGE, PINK, SKY, Curve, Drawing, Panel, level, mark
from vglib.lab import Control, Lab, controls
from vglib.lstm.adding import GUESS, LAG_UPDATES, NETS, Adding, learning_to_add
from vglib.lstm.characters import CHARACTER_STEPS, Characters, entropies, learning_letters
from vglib.lstm.paths import CELLS, WIRINGS, Path, ThreeCells, lstm_path, three_cells
from vglib.lstm.plain import MATRICES, Recurrence, recurrence
from vglib.lstm.stream import STREAM_CELLS, STREAM_STEPS, Truncation, learning_the_lag

TIME = "time step t (the loss is at T)"
STEP = "time step t"
BY_C, BY_H = "‖∂c_T/∂c_t‖", "‖∂h_T/∂h_t‖"
LENGTHS = [5, 8, 10, 15, 20, 30, 40]
WINDOWS = [2, 3, 5, 10, 15, 25, 40]
CLIPS = {"0.1": 0.1, "0.25": 0.25, "1": 1.0, "no clipping": inf}


def _steps(maximum: int) -> Control:
    stops = [*range(1, 51), *range(52, 101, 2), *range(105, 201, 5), *range(210, 1001, 10)]
    tooltip = "T, how many steps of time the gradient goes back: the depth of a recurrent net."
    return controls.ladder("depth in time T", 100, [s for s in stops if s <= maximum], tooltip)


def _ends(curves: list[Curve]) -> tuple[float, float]:
    """Return the smallest and the largest decimal exponent of curves that hold natural logs."""
    values = np.concatenate([np.asarray(curve.y) for curve in curves])
    values = values[np.isfinite(values)] / log(10)
    return float(values.min()), float(values.max())


def draw_recurrence(result: Recurrence) -> Drawing:
    """Draw the stretch of dh_T/dh_t over t, and the eigenvalues of W_h with the unit circle."""
    time, angle = np.arange(result.length + 1), np.linspace(0, 2 * np.pi, 91)
    stretches = [
        Curve("typical direction", time, result.log_typical),
        Curve("worst direction", result.worst_at, result.log_worst, GREEN, mode="lines"),
        figures.theory("theory", time, result.log_theory),
    ]
    of = result.eigenvalues
    plane = [
        Curve("eigenvalues", of.real, of.imag, PINK, ASIDE, "markers"),
        Curve("modulus 1", np.cos(angle), np.sin(angle), GREY, ASIDE, "lines"),
    ]
    reach = 1.15 * max(1.0, result.rho)
    wide, high = (-1.6 * reach, 1.6 * reach), (-reach, reach)
    title = "eigenvalues of W_h, imaginary part"
    left = Panel(BY_H, stretches, TIME, scale="ln")
    right = Panel(title, plane, "real part", x_range=wide, y_range=high)
    return figures.panels([left, right], height=400)


def recurrence_lab() -> Lab:
    """Send a gradient back through time in a plain recurrent net."""
    return Lab(
        recurrence,
        draw_recurrence,
        weight_scale=controls.weight_scale(0.9),
        depth=_steps(500),
        activation=controls.choice(
            "activation", "linear", ["linear", "tanh", "relu"], "What the sum goes through."
        ),
        matrix=controls.choice("matrix", "Gaussian", MATRICES, "W_h; the weight scale is its ρ."),
        noise=controls.slider(
            "noise", 0.5, 0, 2, tooltip="Size of the random input at each step.", step=0.05
        ),
        seed=controls.seed(),
        presets={
            "linear, ρ = 0.9": {},
            "linear, ρ = 1.1": {"weight_scale": 1.1},
            "orthogonal, ρ = 1": {"matrix": "orthogonal", "weight_scale": 1.0},
            "ρ = 0.9 and yet": {"matrix": "Jordan block", "depth": 250},
            "tanh, ρ = 1.2, with input": {"activation": "tanh", "weight_scale": 1.2},
            "tanh, ρ = 3": {"activation": "tanh", "weight_scale": 3.0},
        },
    )


def draw_path(result: Path) -> Drawing:
    """Draw the gradient of the cell state, that of h, and the gates, over time."""
    time = np.arange(result.length + 1)
    cell = [
        Curve("measured", time, result.log_c, mode="lines"),
        Curve("the gates alone", time, result.log_direct, GREEN, mode="lines"),
        Curve("same net, f = 1", time, result.log_control, GREY, mode="lines"),
        figures.theory("s(b) per step", time, result.log_gates, PINK),
        figures.theory("theory, both paths", time, result.log_theory),
    ]
    hidden = Curve("measured", time, result.log_h, mode="lines")
    gates = [
        Curve(f"gate {name}", time[1:], result.gates[name], color, mode="lines")
        for name, color in {"f": GREEN, "i": SKY, "o": PINK}.items()
    ]
    low, high = _ends([*cell, hidden])
    # Room for every bias from 0 on, so that the curves move and the axis does not.
    low = min(low, -0.302 * result.length)
    room = (10 * np.floor(low / 10), 10 * np.ceil(max(high, 1.0) / 10))
    return figures.panels(
        [
            Panel(BY_C, cell, STEP, scale="ln", y_range=room),
            Panel(BY_H, [hidden], STEP, scale="ln", y_range=room),
            Panel("gates, mean of 64 units", gates, STEP, y_range=(-0.03, 1.03)),
        ],
        height=430,
    )


def forget_lab() -> Lab:
    """Slide the forget gate's bias and watch the gradient of the cell state over time."""
    return Lab(
        lstm_path,
        draw_path,
        forget_bias=controls.slider(
            "forget bias b", 0.0, -3, 8, tooltip="The bias of every forget gate.", step=0.1
        ),
        depth=_steps(300),
        weight_scale=controls.weight_scale(),
        wiring=controls.choice(
            "wiring", "LSTM", list(WIRINGS), "Which parts of the cell are there."
        ),
        inputs=controls.slider(
            "inputs", 1.0, 0, 2, tooltip="Size of the 64 random inputs.", step=0.05
        ),
        seed=controls.seed(),
        presets={
            "b = 0": {},
            "b = 1": {"forget_bias": 1.0},
            "b = 2": {"forget_bias": 2.0},
            "b = 5": {"forget_bias": 5.0},
            "gates, no memory": {"wiring": "gates, no memory (f = 0)"},
            "1997: f = 1": {"wiring": "f = 1 (1997)"},
            "memory, no gates": {"wiring": "memory, no gates"},
            "an LSTM explodes": {"forget_bias": 5.0, "inputs": 0.0},
        },
    )


def draw_three_cells(result: ThreeCells) -> Drawing:
    """Draw the gradient of three cells over time, each with its theory."""
    time = np.arange(len(result.measured["GRU"]))
    pairs = [
        [
            Curve("measured", time, result.measured[name], mode="lines"),
            figures.theory("theory", time, result.predicted[name]),
        ]
        for name in CELLS
    ]
    low, high = _ends([curve for pair in pairs for curve in pair])
    room = (10 * np.floor(low / 10), max(1.0, 2 * np.ceil(high / 2)))
    return figures.panels(
        [
            Panel(
                f"{name}, {BY_C if name == 'LSTM' else BY_H}", pair, STEP, scale="ln", y_range=room
            )
            for name, pair in zip(CELLS, pairs, strict=True)
        ],
        height=400,
    )


def cells_lab() -> Lab:
    """Compare a tanh net, an LSTM and a GRU on one sequence."""
    return Lab(
        three_cells,
        draw_three_cells,
        bias=controls.slider(
            "bias b", 1.0, -3, 8, tooltip="Bias of the gate that keeps: f, or z of a GRU.", step=0.1
        ),
        depth=_steps(300),
        weight_scale=controls.weight_scale(),
        seed=controls.seed(),
        presets={
            "as torch makes them": {"bias": 0.0},
            "b = 2": {"bias": 2.0},
            "b = 5": {"bias": 5.0},
            "larger weights": {"bias": 2.0, "weight_scale": 3.0},
        },
    )


def draw_adding(result: Adding) -> Drawing:
    """Draw the error over the updates, and the error's gradient by time step."""
    n, time = len(result.losses), np.arange(1, result.length + 1)
    updates = np.arange(n - len(result.smooth) + 1, n + 1)
    errors = [
        Curve("error", updates, result.smooth),
        level("answering 1", GUESS, (0, result.updates), ORANGE),
    ]
    by_state = [
        Curve("at the start", time, result.log_before[1:]),
        Curve("at the end", time, result.log_after[1:], GREEN),
    ]
    ends, title = (0, LAG_UPDATES), "squared error, mean of 20 updates"
    left = Panel(title, errors, "update", x_range=ends, y_range=(0, 0.5), clip=True)
    return figures.panels([left, Panel("‖∂L/∂state_t‖", by_state, TIME, scale="ln")], height=380)


def lag_lab() -> Lab:
    """Train a small net to add two numbers that lie far apart in time."""
    return Lab(
        learning_to_add,
        draw_adding,
        length=controls.ladder("depth in time T", 10, LENGTHS, "Steps of a sequence."),
        net=controls.choice("net", "tanh RNN", list(NETS), "16 units of this kind."),
        seed=controls.seed(),
        presets={
            "tanh, T = 5": {"length": 5},
            "tanh, T = 10": {},
            "tanh, T = 20": {"length": 20},
            "LSTM, T = 10": {"net": "LSTM, b = 1"},
            "GRU, T = 10": {"net": "GRU"},
            "GRU, T = 20": {"net": "GRU", "length": 20},
            "IRNN, T = 20": {"net": "IRNN", "length": 20},
        },
    )


def draw_truncation(result: Truncation) -> Drawing:
    """Draw the error over the stream, and the share of outputs that a window can teach."""
    windows, ends = np.arange(1, 31), (0, STREAM_STEPS)
    errors = [Curve("error", result.seen, result.losses, mode="lines")]
    errors.append(level("guessing", 1, ends, ORANGE))
    inside = 100 * np.maximum(0, 1 - result.lag / windows)
    shares = [
        figures.theory("1 - lag/window", windows, inside),
        mark("this window", result.window, 100 * result.share, size=7),
    ]
    title, of = "squared error", "outputs with their input in the window, %"
    left = Panel(title, errors, "steps of the stream", x_range=ends, y_range=(0, 1.5), clip=True)
    right = Panel(of, shares, "window (steps)", y_range=(-3, 103))
    return figures.panels([left, right], height=380)


def truncation_lab() -> Lab:
    """Backpropagate within windows, and see which lag can be learned."""
    return Lab(
        learning_the_lag,
        draw_truncation,
        window=controls.ladder("window", 5, list(range(2, 31)), "Steps the gradient goes back."),
        lag=controls.ladder("lag", 5, list(range(1, 9)), "How many steps ago the answer came."),
        cell=controls.choice("cell", "LSTM", list(STREAM_CELLS), "16 units of this kind."),
        seed=controls.seed(),
        presets={
            "window 5, lag 5": {},
            "window 6, lag 5": {"window": 6},
            "window 10, lag 5": {"window": 10},
            "window 5, lag 4": {"lag": 4},
        },
    )


def draw_characters(result: Characters) -> Drawing:
    """Draw bits a character and the gradient's norm over the text read."""
    ends, read = (0, CHARACTER_STEPS), "characters read, by each of 16 readers"
    letters, pairs = entropies()
    limit = [result.clip if result.clip < inf else nan] * 2
    bits = [
        Curve("model", result.read, result.bits, mode="lines"),
        level("counting letters", letters, ends),
        level("counting pairs", pairs, ends, ORANGE),
    ]
    sizes = [
        Curve("model", result.read, result.norms, mode="lines"),
        Curve("threshold", ends, limit, PINK, ASIDE, "lines"),
    ]
    title = "bits per character (10 and more at the top)"
    left = Panel(title, bits, read, x_range=ends, y_range=(1, 10), clip=True)
    title = "gradient norm before clipping"
    right = Panel(title, sizes, read, scale="log", x_range=ends, y_range=(-2, 2))
    return figures.panels([left, right], height=380)


def character_lab() -> Lab:
    """Train an LSTM on this course's own prose, with a window and a clipping threshold."""

    def experiment(window: int, clip: str, lr: float, seed: int) -> Iterator[Characters]:
        return learning_letters(window, CLIPS[clip], lr, seed)

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
            "no clipping": {},
            "clipped at 0.25": {"clip": "0.25"},
            "no clipping, small step": {"lr": 1.0},
            "clipped, short window": {"clip": "0.25", "window": 3},
        },
    )
