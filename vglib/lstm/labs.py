"""Labs of chapter 08."""

from collections.abc import Sequence
from math import inf, log, nan

import numpy as np

from vglib import figures
from vglib.figures import ASIDE, GREEN, GREY, ORANGE, PINK, SKY, Curve, Drawing, Panel, level, mark
from vglib.lab import Control, Lab, controls
from vglib.lstm.adding import GUESS, LAG_UPDATES, NETS, Adding, learning_to_add
from vglib.lstm.cells import Array
from vglib.lstm.characters import CHARACTER_STEPS, Characters, entropies, learning_letters
from vglib.lstm.diagonal import Diagonal, diagonal
from vglib.lstm.paths import CELLS, WIRINGS, Path, ThreeCells, lstm_path, three_cells
from vglib.lstm.plain import MATRICES, Recurrence, recurrence
from vglib.lstm.stream import STREAM_CELLS, STREAM_STEPS, Truncation, learning_the_lag

TIME = "time step t (the loss is at T)"
STEP = "time step t"
BY_C, BY_H = "‖∂c_T/∂c_t‖", "‖∂h_T/∂h_t‖"
_INPUT_WEIGHTS = "The input's weights at the start, over those that torch draws."
CLIPS = {"0.1": 0.1, "0.25": 0.25, "1": 1.0, "no clipping": inf}


def _steps(maximum: int, value: int = 100) -> Control:
    stops = [*range(1, 51), *range(52, 101, 2), *range(105, 201, 5), *range(210, 1001, 10)]
    tooltip = "T, how many steps of time the gradient goes back: the depth of a recurrent net."
    return controls.ladder("depth in time T", value, [s for s in stops if s <= maximum], tooltip)


def _ends(logs: Sequence[Array]) -> tuple[float, float]:
    values = np.concatenate(logs)
    values = values[np.isfinite(values)] / log(10)
    return float(values.min()), float(values.max())


def draw_recurrence(result: Recurrence) -> Drawing:
    """Draw the stretch of dh_T/dh_t over t, and the eigenvalues of W_h with the unit circle."""
    time, angle = np.arange(len(result.log_typical)), np.linspace(0, 2 * np.pi, 91)
    typical = Curve("typical direction", time, result.log_typical)
    worst = Curve("worst direction", result.worst_at, result.log_worst, GREEN, mode="lines")
    predicted = figures.theory("theory", time, result.log_theory)
    of, reach = result.eigenvalues, 1.15 * max(1.0, result.rho)
    points = Curve("eigenvalues", of.real, of.imag, PINK, ASIDE, "markers")
    circle = Curve("modulus 1", np.cos(angle), np.sin(angle), GREY, ASIDE, "lines")
    wide, high = (-1.6 * reach, 1.6 * reach), (-reach, reach)
    title = "eigenvalues of W_h, imaginary part"
    right = Panel(title, [points, circle], "real part", x_range=wide, y_range=high)
    left = Panel(BY_H, [typical, worst, predicted], TIME, scale="ln")
    return figures.panels([left, right], height=400)


def recurrence_lab() -> Lab:
    """Send a gradient back through time in a plain recurrent net."""
    activations, tooltip = ["linear", "tanh", "relu"], "Size of the random input at each step."
    return Lab(
        recurrence,
        draw_recurrence,
        weight_scale=controls.weight_scale(0.9),
        depth=_steps(500),
        activation=controls.choice(
            "activation", "linear", activations, "What the sum goes through."
        ),
        matrix=controls.choice("matrix", "Gaussian", MATRICES, "W_h; the weight scale is its ρ."),
        noise=controls.slider("noise", 0.5, 0, 2, tooltip=tooltip, step=0.05),
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
    time = np.arange(len(result.log_c))
    cell = [
        Curve("measured", time, result.log_c, mode="lines"),
        Curve("the gates alone", time, result.log_direct, GREEN, mode="lines"),
        Curve("same net, f = 1", time, result.log_control, GREY, mode="lines"),
        figures.theory("s(b) per step", time, result.log_gates, PINK),
        figures.theory("theory, both paths", time, result.log_theory),
    ]
    hidden = [Curve("measured", time, result.log_h, mode="lines")]
    # s(b) is gate f without its inputs: the same colour, dashed.
    gates = [
        Curve(f"gate {name}", time[1:], result.gates[name], color, mode="lines")
        for name, color in {"f": PINK, "i": SKY, "o": ORANGE}.items()
    ]
    low, high = _ends([np.asarray(curve.y) for curve in (*cell, *hidden)])
    # Room for every bias from 0 on, so that the curves move and the axis does not.
    low = min(low, -0.302 * time[-1])
    room = (10 * np.floor(low / 10), 10 * np.ceil(max(high, 1.0) / 10))
    left = Panel(BY_C, cell, STEP, scale="ln", y_range=room)
    middle = Panel(BY_H, hidden, STEP, scale="ln", y_range=room)
    right = Panel("gates, mean of 64 units", gates, STEP, y_range=(-0.03, 1.03))
    return figures.panels([left, middle, right], height=430)


def forget_lab() -> Lab:
    """Slide the forget gate's bias and watch the gradient of the cell state over time."""
    tooltip = "The bias of every forget gate."
    return Lab(
        lstm_path,
        draw_path,
        forget_bias=controls.slider("forget bias b", 0.0, -3, 8, tooltip=tooltip, step=0.1),
        depth=_steps(300),
        weight_scale=controls.weight_scale(),
        wiring=controls.choice(
            "wiring", "LSTM", list(WIRINGS), "Which parts of the cell are there."
        ),
        inputs=controls.slider(
            "inputs", 1.0, 0, 2, tooltip="Size of the 64 random inputs.", step=0.05
        ),
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
    time, content = np.arange(len(result.measured["GRU"])), []
    low, high = _ends([*result.measured.values(), *result.predicted.values()])
    room = (10 * np.floor(low / 10), max(1.0, 2 * np.ceil(high / 2)))
    for name in CELLS:
        measured = Curve("measured", time, result.measured[name], mode="lines")
        predicted = figures.theory("theory", time, result.predicted[name])
        title = f"{name}, {BY_C if name == 'LSTM' else BY_H}"
        content.append(Panel(title, [measured, predicted], STEP, scale="ln", y_range=room))
    return figures.panels(content, height=400)


def cells_lab() -> Lab:
    """Compare a tanh net, an LSTM and a GRU on one sequence."""
    tooltip = "Bias of the gate that keeps: f, or z of a GRU."
    return Lab(
        three_cells,
        draw_three_cells,
        bias=controls.slider("bias b", 1.0, -3, 8, tooltip=tooltip, step=0.1),
        depth=_steps(300),
        weight_scale=controls.weight_scale(),
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
    error = Curve("error", updates, result.smooth)
    guess = level("answering 1", GUESS, (0, result.updates), ORANGE)
    before = Curve("at the start", time, result.log_before[1:])
    after = Curve("at the end", time, result.log_after[1:], GREEN)
    title, ends = "squared error, mean of 20 updates", (0, LAG_UPDATES)
    left = Panel(title, [error, guess], "update", x_range=ends, y_range=(0, 0.5), clip=True)
    right = Panel("‖∂L/∂state_t‖", [before, after], TIME, scale="ln")
    return figures.panels([left, right], height=380)


def lag_lab() -> Lab:
    """Train a small net to add two numbers that lie far apart in time."""
    return Lab(
        learning_to_add,
        draw_adding,
        length=controls.ladder(
            "depth in time T", 10, [5, 8, 10, 15, 20, 30, 40], "Steps of a sequence."
        ),
        net=controls.choice("net", "tanh RNN", list(NETS), "16 units of this kind."),
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
    error = Curve("error", result.seen, result.losses, mode="lines")
    guess = level("guessing", 1, ends)
    reach = 100 * np.maximum(0, 1 - result.lag / windows)
    inside = figures.theory("1 - lag/window", windows, reach)
    here = mark("this window", result.window, 100 * result.share, size=7)
    seen, of = "steps of the stream", "outputs with their input in the window, %"
    left = Panel("squared error", [error, guess], seen, x_range=ends, y_range=(0, 1.5), clip=True)
    right = Panel(of, [inside, here], "window (steps)", y_range=(-3, 103))
    return figures.panels([left, right], height=380)


def truncation_lab() -> Lab:
    """Backpropagate within windows, and see which lag can be learned."""
    return Lab(
        learning_the_lag,
        draw_truncation,
        window=controls.ladder("window", 5, list(range(2, 31)), "Steps the gradient goes back."),
        lag=controls.ladder("lag", 5, list(range(1, 9)), "How many steps ago the answer came."),
        cell=controls.choice("cell", "LSTM", list(STREAM_CELLS), "16 units of this kind."),
        input_weights=controls.ladder("input weights ×", 1, [1, 2, 4, 8, 16], _INPUT_WEIGHTS),
        presets={
            "window 5, lag 5": {},
            "window 6, lag 5": {"window": 6},
            "window 10, lag 5": {"window": 10},
            "window 5, lag 4": {"lag": 4},
            "window 5, lag 5, tanh, input × 8": {"cell": "tanh RNN", "input_weights": 8},
        },
    )


def draw_characters(result: Characters) -> Drawing:
    """Draw bits a character, learned from and held out, and the gradient's norm."""
    ends, read = (0, CHARACTER_STEPS), "characters read, by each of 16 readers"
    single, pair = entropies()
    bits = Curve("its own text", result.read, result.bits, mode="lines")
    unseen = Curve("text held out", result.looked, result.unseen, GREEN)
    letters = level("counting letters", single, ends)
    pairs = level("counting pairs", pair, ends, ORANGE)
    limit = [result.clip if result.clip < inf else nan] * 2
    norms = Curve("its own text", result.read, result.norms, mode="lines")
    threshold = Curve("threshold", ends, limit, PINK, ASIDE, "lines")
    above, beside = "bits per character (10 and more at the top)", "gradient norm before clipping"
    left = Panel(
        above, [bits, unseen, letters, pairs], read, x_range=ends, y_range=(1, 10), clip=True
    )
    right = Panel(beside, [norms, threshold], read, scale="log", x_range=ends, y_range=(-2, 2))
    return figures.panels([left, right], height=380)


def character_lab() -> Lab:
    """Train an LSTM on this course's own prose, with a window and a clipping threshold."""
    return Lab(
        lambda clip, **rest: learning_letters(clip=CLIPS[clip], **rest),
        draw_characters,
        clip=controls.choice(
            "clip at", "no clipping", list(CLIPS), "The largest gradient norm allowed."
        ),
        window=controls.ladder(
            "window", 25, [2, 3, 5, 10, 15, 25, 40], "Steps the gradient goes back."
        ),
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


def draw_diagonal(result: Diagonal) -> Drawing:
    """Draw the gradient of a linear recurrence and of a minGRU over time, and their states."""
    time = np.arange(len(result.state))
    gradient = [
        Curve("linear", time, result.log_linear, mode="lines"),
        Curve("minGRU", time, result.log_gated, GREEN, mode="lines"),
        figures.theory("theory", time, result.theory_linear),
        figures.theory("theory, minGRU", time, result.theory_gated, PINK),
    ]
    # At t = 0 the state is 0.
    state = [
        Curve("linear", time[1:], result.state[1:], mode="lines"),
        Curve("minGRU", time[1:], result.state_gated[1:], GREEN, mode="lines"),
        figures.theory("theory", time[1:], result.theory_state[1:]),
    ]
    low = float(min(result.log_linear[0], result.log_gated[0]))
    room = (min(-5.0, 5 * np.floor(low / log(10) / 5)), 1.0)
    left = Panel(BY_H, gradient, STEP, scale="ln", y_range=room)
    right = Panel("size of the state (rms)", state, STEP, scale="log", y_range=(-3, 2), clip=True)
    return figures.panels([left, right], height=400)


def diagonal_lab() -> Lab:
    """Slide |λ| of a diagonal linear recurrence, and see its gradient and its state."""
    tooltip = "What a step loses. The LRU learns the logarithm of -ln |λ|."
    return Lab(
        diagonal,
        draw_diagonal,
        lost=controls.slider("1 − |λ|", 0.01, 1e-4, 0.5, tooltip=tooltip, log=True, step=0.05),
        depth=_steps(1000, 1000),
        normalised=controls.toggle("γ", False, "Multiply the input by √(1 − |λ|²), as the LRU."),
        presets={
            "|λ| = 0.99": {},
            "|λ| = 0.999": {"lost": 0.001},
            "|λ| = 0.999, with γ": {"lost": 0.001, "normalised": True},
            "|λ| = 0.5, torch's gates": {"lost": 0.5, "depth": 100},
        },
    )
