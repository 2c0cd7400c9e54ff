"""Labs of chapter 13."""

from typing import Any

import numpy as np

from vglib import figures
from vglib.court import judge, turning
from vglib.figures import BLUE, GREEN, GREY, ORANGE, PINK, Curve, Drawing, Panel, level
from vglib.lab import Lab, controls
from vglib.probe import Array

HIDDEN = "the measurement is hidden: vote, register, then show it"


def _bars(x: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """Return x and y of one vertical line a point, with gaps between them."""
    gap = np.full(len(x), np.nan)
    return np.stack([x, x, gap], 1).ravel(), np.stack([low, high, gap], 1).ravel()


def draw_judgement(one: judge.Judgement) -> Drawing:
    """Draw what is stored of the case by base seed, with the prediction and the rival."""
    bars = _bars(one.bases, one.lows, one.highs)
    ends = (-50.0, 250.0)
    held = [value if np.isfinite(value) else np.nan for value in (one.predicted, one.rival)]
    note = {"x": 100, "y": 0.63, "yref": "paper", "text": HIDDEN, "showarrow": False}
    panel = Panel(
        "measured",
        [
            Curve("10% to 90% of the seeds", *bars, BLUE, mode="lines"),
            Curve("median", one.bases, one.medians, BLUE, mode="markers"),
            level("the correction predicts", held[0], ends, ORANGE),
            level("the rival says", held[1], ends, PINK),
        ],
        "seeds counted from",
        x_range=ends,
        x_ticks=(0, 100, 200),
        notes=[] if one.shown else [note],
    )
    bar = {
        **{"type": "bar", "x": np.arange(1, 4), "y": one.others, "width": 0.6},
        **{"marker": {"color": GREY}, "showlegend": False, "meta": figures.ASIDE},
    }
    prior = Panel(
        "other claims of such a source",
        [bar],
        "as they were ruled",
        x_range=(0.4, 3.6),
        y_range=(0, float(one.others.max()) + 1),
        x_ticks={1: "hold", 2: "hold only if", 3: "refuted"},
    )
    return figures.panels([panel, prior], height=330, shares=(3, 2))


def judge_lab() -> Lab:
    """Hear a statement, vote, register, and only then see the ruling and the numbers behind it."""
    return Lab(
        judge.judge,
        draw_judgement,
        score=judge.score,
        case=controls.ladder("case", 1, range(1, len(judge.drawn()) + 1), "Which case is called."),
        vote=controls.choice("your vote", judge.NOT_YET, judge.VOTES, "Yours, before the ruling."),
        show=controls.toggle("show the ruling", False, "And what was measured."),
        presets={f"case {n}": {"case": n} for n in range(1, 9)},
    )


def draw_turning(seen: turning.Turning) -> Drawing:
    """Draw both nets' accuracies over the rate, and what a comparison at each rate would say."""
    rates = np.array(turning.RATES)
    ends = (rates[0], rates[-1])
    curves = []
    for name, color, row, median in zip(
        ("sigmoid", "ReLU"), (ORANGE, BLUE), seen.accuracy, seen.medians, strict=True
    ):
        counted = row[:, : seen.seeds]
        bars = _bars(rates, counted.min(axis=1), counted.max(axis=1))
        curves.append(Curve(f"{name}, median", rates, median, color, mode="lines+markers"))
        curves.append(Curve(f"{name}, all seeds", *bars, color, mode="lines", legend=False))
    at = [seen.rate, seen.rate]
    gone = np.nan if seen.grid else 1.0
    here = Curve("the rate tried", at, [0.0, gone], GREY, figures.ASIDE, "lines")
    there = Curve("the rate tried", at, [-gone, gone], GREY, figures.ASIDE, "lines")
    lead = [
        Curve("ReLU's lead at one rate", rates, seen.leads, GREEN, mode="lines+markers"),
        level("each at its best rate", seen.best_lead, ends, PINK),
        there,
    ]
    across: dict[str, Any] = {
        **{"x_title": "learning rate", "x_log": True},
        **{"x_range": (0.02, 15.0), "x_ticks": turning.RATES},
    }
    return figures.panels(
        [
            Panel("test accuracy", [*curves, here], y_range=(0, 1.02), **across),
            Panel("ReLU less sigmoid", lead, y_range=(-1.02, 1.02), **across),
        ]
    )


def turning_lab() -> Lab:
    """Show how a ruling turns with the rate at which it was tried, and what a grid says."""
    rates = [f"{rate:g}" for rate in turning.RATES]
    return Lab(
        turning.turning,
        draw_turning,
        rate=controls.choice("learning rate", "0.1", rates, "The one that both nets are given."),
        seeds=controls.ladder("seeds", 1, range(1, turning.SEEDS + 1), "How many runs count."),
        grid=controls.toggle("rule on the grid", False, "Each net at its best rate."),
        presets={
            "ReLU's rate": {},
            "the sigmoid's rate": {"rate": "3"},
            "ReLU's limit, one seed": {"rate": "1"},
            "ReLU's limit, nine seeds": {"rate": "1", "seeds": 9},
            "the grid": {"grid": True, "seeds": 5},
        },
    )
