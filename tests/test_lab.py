"""The widget glue: what a lab promises its user, on an experiment that can be made to fail."""

from dataclasses import dataclass

import numpy as np
import pytest

from vglib import figures
from vglib import lab as controls
from vglib.figures import THEORY, Curve, Panel
from vglib.lab import Lab


@dataclass(frozen=True)
class Line:
    slope: float
    depth: int
    seed: int

    @property
    def verdict(self) -> str:
        return f"slope {self.slope:g}."


def experiment(depth, weight_scale, seed=0, kind="plain", bent=False):
    if kind == "broken":
        raise ArithmeticError("this kind <cannot> be computed")
    if kind == "impossible":
        raise ValueError("The kind 'impossible' needs a depth above 1000; choose another kind.")
    return Line(weight_scale + seed + 100 * bent, depth, seed)


def draw(line):
    x = np.arange(1, line.depth + 1)
    return figures.panels(
        [Panel("height", [Curve("y", x, line.slope * x), Curve("theory", x, x, role=THEORY)])]
    )


@pytest.fixture
def lab():
    return Lab(
        experiment,
        draw,
        depth=controls.depth(20),
        weight_scale=controls.weight_scale(),
        kind=controls.choice("kind", "plain", ["plain", "broken", "impossible"], "what it does"),
        bent=controls.toggle("bent", False, "bend it"),
        seed=controls.seed(),
        presets={"steep": {"weight_scale": 9.0}, "deep": {"depth": 137}},
        score=lambda results: f"{len(results)} tries",
    )


def y(lab, index=0):
    return np.asarray(lab.figure.data[index].y, dtype=float)


def test_set_computes_draws_and_says(lab):
    assert lab.set(depth=5, weight_scale=2.0) is lab
    np.testing.assert_allclose(y(lab), 2.0 * np.arange(1, 6))
    assert lab.verdict == "slope 2."
    assert "slope 2." in lab._verdict_line.value
    assert lab.values["depth"] == 5
    assert repr(lab).startswith("Lab(depth=5, weight_scale=2")
    assert repr(lab).endswith(": slope 2.")


def test_widgets_follow_set(lab):
    lab.set(depth=137, weight_scale=3.5, bent=True)
    assert lab.widgets["depth"].value == 137
    assert lab.widgets["weight_scale"].value == 3.5
    assert lab.widgets["bent"].value is True


def test_moving_a_widget_moves_the_figure(lab):
    lab.widgets["weight_scale"].value = 4.0
    np.testing.assert_allclose(y(lab), 4.0 * np.arange(1, 21))
    assert lab.values["weight_scale"] == 4.0


def test_each_change_computes_once(lab, monkeypatch):
    calls = []
    monkeypatch.setattr(
        lab, "_experiment", lambda **values: calls.append(values) or experiment(**values)
    )
    lab.widgets["depth"].value = 21
    lab.set(depth=137, weight_scale=2.0)
    lab.widgets["preset"].value = "steep"
    lab.reset()
    assert len(calls) == 4


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"depth": 0}, "1 to 1000"),
        ({"depth": 2.5}, "whole number"),
        ({"depth": "ten"}, "depth"),
        ({"weight_scale": 21.0}, "0.05 to 20"),
        ({"weight_scale": float("nan")}, "0.05 to 20"),
        ({"weight_scale": None}, "weight scale"),
        ({"kind": "other"}, "plain, broken, impossible"),
        ({"bent": 1}, "True or False"),
        ({"seed": -1}, "seed"),
        ({"width": 3}, "no control 'width'"),
        ({"kind": "impossible"}, "needs a depth"),
    ],
)
def test_set_raises_and_changes_nothing(lab, bad, said):
    lab.set(weight_scale=2.0)
    before, values = y(lab).copy(), dict(lab.values)
    with pytest.raises(ValueError, match=said):
        lab.set(**bad)
    np.testing.assert_array_equal(y(lab), before)
    assert lab.values == values
    assert lab.widgets["depth"].value == values["depth"]


def test_set_raises_what_the_experiment_raises(lab):
    with pytest.raises(ArithmeticError):
        lab.set(kind="broken")


def test_first_computation_raises():
    with pytest.raises(ArithmeticError):
        Lab(
            experiment,
            draw,
            depth=controls.depth(),
            weight_scale=controls.weight_scale(),
            kind=controls.choice("kind", "broken", ["broken"], "fails"),
        )


def test_a_failing_callback_shows_one_line_and_recovers(lab):
    before = y(lab).copy()
    lab.widgets["kind"].value = "broken"
    assert "this kind &lt;cannot&gt; be computed" in lab.error
    assert "still shows" in lab.error
    np.testing.assert_array_equal(y(lab), before)
    lab.widgets["kind"].value = "plain"
    assert lab.error == ""


def test_a_bad_number_typed_shows_its_line_and_recovers(lab):
    lab.widgets["seed"].value = -5
    assert "whole number from 0" in lab.error
    lab.widgets["seed"].value = 3
    assert lab.error == ""
    assert lab.values["seed"] == 3


def test_hold_keeps_a_ghost_of_measured_curves_only(lab):
    before = y(lab).copy()
    lab.hold().set(weight_scale=5.0)
    ghosts = [t for t in lab.figure.data if t.meta == figures.GHOST]
    assert len(ghosts) == 1
    assert ghosts[0].visible is True
    np.testing.assert_array_equal(np.asarray(ghosts[0].y), before)
    assert "weight_scale=1" in ghosts[0].name
    low, high = lab.figure.layout.yaxis.range
    assert low <= before.min()
    assert before.max() <= high


def test_ghost_stays_in_view(lab):
    lab.set(weight_scale=20.0).hold().set(weight_scale=0.05)
    assert lab.figure.layout.yaxis.range[1] >= 20.0 * 20


def test_reseed_and_reset(lab):
    start = y(lab).copy()
    lab.reseed()
    assert lab.values["seed"] == 1
    assert not np.array_equal(y(lab), start)
    lab.hold().set(depth=7)
    lab.reset()
    np.testing.assert_array_equal(y(lab), start)
    assert not any(t.visible for t in lab.figure.data if t.meta == figures.GHOST)
    assert lab.values["seed"] == 0


def test_presets(lab):
    lab.preset("steep")
    assert lab.values["weight_scale"] == 9.0
    lab.widgets["preset"].value = "deep"
    assert lab.values["depth"] == 137
    lab.widgets["depth"].value = 20
    assert lab.widgets["preset"].value != "deep"
    with pytest.raises(ValueError, match="steep, deep"):
        lab.preset("none")


def test_theory_can_be_switched_off(lab):
    lab.widgets["theory"].value = False
    assert [t.visible for t in lab.figure.data if t.meta == THEORY] == [False]
    lab.set(depth=30)
    assert [t.visible for t in lab.figure.data if t.meta == THEORY] == [False]
    lab.reset()
    assert [t.visible for t in lab.figure.data if t.meta == THEORY] == [True]


def test_register_keeps_score(lab):
    lab.register().set(depth=3).register()
    assert len(lab.registered) == 2
    assert "2 tries" in lab._score_line.value


def test_another_number_of_traces_is_refused():
    def uneven(line):
        return figures.panels([Panel("y", [Curve("a", [1], [1])] * (1 + line.seed))])

    lab = Lab(experiment, uneven, depth=controls.depth(), weight_scale=controls.weight_scale(),
              seed=controls.seed())  # fmt: skip
    with pytest.raises(RuntimeError, match="same traces"):
        lab.set(seed=1)


def test_preset_of_an_unknown_control_is_refused():
    with pytest.raises(ValueError, match="no control 'breadth'"):
        Lab(experiment, draw, depth=controls.depth(), weight_scale=controls.weight_scale(),
            presets={"x": {"breadth": 1}})  # fmt: skip


def test_only_what_changed_is_sent(lab):
    sent = messages(lab)
    lab.set(weight_scale=1.01)
    (message,) = sent
    assert "'name'" not in str(message)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"weight_scale": 1.01}, "_send_animate_msg"),  # points move, and the axis follows
        ({"depth": 60}, "_send_update_msg"),  # so many points are drawn without markers
    ],
)
def test_only_moves_take_the_short_way(lab, change, kind):
    sent = messages(lab)
    lab.set(**change)
    assert [name for name, _ in sent] == [kind]


def test_a_panel_that_stays_is_sent_with_the_one_that_moves():
    def two_panels(line):
        x = np.arange(1.0, line.depth + 1)
        return figures.panels(
            [
                Panel("moves", [Curve("y", x, line.slope * x)]),
                Panel("moves with the depth alone", [Curve("y", x, -x)]),
            ]
        )

    lab = Lab(
        experiment, two_panels, depth=controls.depth(20), weight_scale=controls.weight_scale()
    )
    sent = messages(lab)
    lab.set(weight_scale=1.5)
    lab.set(depth=19)
    assert [name for name, _ in sent] == ["_send_update_msg", "_send_animate_msg"]


def messages(lab):
    """Collect what the figure sends to the page, as (name of the sender, its arguments)."""
    sent = []
    for name in ("_send_update_msg", "_send_animate_msg"):
        setattr(lab.figure, name, lambda *a, name=name, **k: sent.append((name, (a, k))))
    return sent


def test_reload_gets_the_present_figure(lab):
    lab.set(weight_scale=7.0)
    assert lab.figure._widget_data[0]["y"][0] == 1.0
    lab.figure.get_state()
    np.testing.assert_allclose(lab.figure._widget_data[0]["y"], 7.0 * np.arange(1, 21))


def test_labs_share_one_copy_of_plotly(lab):
    other = Lab(experiment, draw, depth=controls.depth(20), weight_scale=controls.weight_scale())
    state = lab.figure.get_state()
    assert len(state["_esm"]) < 2000
    assert state["_shared"] == other.figure.get_state()["_shared"]


def test_mime_bundle_always_has_text(lab, monkeypatch):
    bundle = lab._repr_mimebundle_()
    assert "slope 1." in bundle["text/html"]
    assert bundle["text/plain"] == repr(lab)
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_nothing_can_upload_the_figure(lab):
    assert "sendChartToCloud" in lab.figure._config["modeBarButtonsToRemove"]
    assert lab.figure._config["displaylogo"] is False


def test_every_control_has_a_tooltip(lab):
    for widget in lab.widgets.values():
        assert widget.tooltip


def test_dark_theme_repaints(lab):
    light = lab.figure.layout.template.layout.paper_bgcolor
    lab._show_theme(dark=True)
    assert lab.figure.layout.template.layout.paper_bgcolor != light
