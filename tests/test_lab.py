"""The widget glue: what a lab promises its user, on an experiment that can be made to fail."""

import base64
import re
from dataclasses import dataclass

import comm
import numpy as np
import pytest
import torch

from tests.storm import storm
from vglib import figures
from vglib.figures import THEORY, Curve, Drawing, Panel
from vglib.lab import Lab, Still, controls
from vglib.lab.live import LAYOUT, Numbers, changes
from vglib.weather import one_thread


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
    assert lab._view.words["verdict"] == "slope 2."
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
        ({"width": 3}, "no control called 'width'"),
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
    assert "this kind <cannot> be computed" in lab.error
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
    assert not [t for t in lab.figure.data if t.meta == figures.GHOST]
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
    assert [t.visible for t in lab.figure.data if t.meta == THEORY] == [None]


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
    with pytest.raises(ValueError, match="no control for preset 'x' called 'breadth'"):
        Lab(experiment, draw, depth=controls.depth(), weight_scale=controls.weight_scale(),
            presets={"x": {"breadth": 1}})  # fmt: skip


def test_a_preset_is_the_start_and_what_it_names_but_keeps_the_seed(lab):
    lab.set(depth=999, weight_scale=0.05, bent=True, seed=7)
    lab.preset("deep")
    assert lab.values == lab.start | {"depth": 137, "seed": 7}


def growing(depth, weight_scale, fail_at=0):
    for part in range(1, 4):
        if part == fail_at:
            raise ArithmeticError("broke on the way")
        yield Line(part * weight_scale, depth, 0)


@pytest.fixture
def watched(monkeypatch):
    monkeypatch.setattr("vglib.lab._LOOK", 0.0)
    fail = controls.ladder("fail at", 0, [0, 3], "where it breaks")
    options = {"depth": controls.depth(4), "weight_scale": controls.weight_scale()}
    return Lab(growing, draw, **options, fail_at=fail)


def test_a_training_is_watched_and_ends_at_its_last_result(watched, monkeypatch):
    shown = []
    show = watched._view.show

    def spy(drawing, verdict, busy=False):
        shown.append((verdict, busy))
        show(drawing, verdict, busy=busy)

    monkeypatch.setattr(watched._view, "show", spy)
    assert watched.verdict == "slope 3."
    watched.set(weight_scale=2.0)
    assert shown == [*((f"slope {s}.", True) for s in (2, 4, 6)), ("slope 6.", False)]
    assert watched.verdict == "slope 6."
    np.testing.assert_allclose(y(watched), 6.0 * np.arange(1, 5))


def test_a_training_that_breaks_leaves_what_was_shown(watched):
    before = y(watched).copy()
    with pytest.raises(ArithmeticError):
        watched.set(weight_scale=5.0, fail_at=3)
    np.testing.assert_array_equal(y(watched), before)
    assert watched.verdict == watched._view.words["verdict"] == "slope 3."
    assert watched._view.words["busy"] is False
    assert watched.values == watched.start


def test_a_training_that_is_not_drawn_gives_the_threads_back(watched, monkeypatch):
    def on_one_thread(**values):
        with one_thread():
            yield from growing(**values)

    def cannot(line):
        raise ArithmeticError("cannot be drawn")

    monkeypatch.setattr(watched, "_experiment", on_one_thread)
    monkeypatch.setattr(watched, "_draw", cannot)
    with storm("two threads"):
        with pytest.raises(ArithmeticError, match="cannot be drawn"):
            watched.set(weight_scale=2.0)
        assert torch.get_num_threads() == 2


def test_only_what_changed_is_sent(lab):
    sent = messages(lab)
    lab.set(weight_scale=1.01)
    (message,) = sent
    # The measured line, and the range of its axis; nothing of the theory.
    assert {(target, path) for target, path, _ in message["changes"]} <= {
        (0, "y"),
        (LAYOUT, "yaxis.range"),
    }
    assert message["words"]["verdict"] == "slope 1.01."


def test_numbers_travel_as_one_block():
    numbers = Numbers()
    tree = {"x": np.arange(3), "z": np.array([[1.5, np.nan], [0, 4]]), "text": ["a", float("inf")]}
    packed = numbers.pack(tree)
    assert packed == {
        "x": {"numbers": [0, [3]]},
        "z": {"numbers": [3, [2, 2]]},
        "text": ["a", None],
    }
    np.testing.assert_array_equal(
        np.frombuffer(numbers.bytes(), "<f8"), [0, 1, 2, 1.5, np.nan, 0, 4]
    )


def test_changes_between_drawings_of_other_traces_are_none():
    one, other = ({"type": kind, "x": np.arange(2)} for kind in ("scatter", "bar"))
    assert changes(Drawing([one], {}), Drawing([one], {})) == []
    assert changes(Drawing([one], {}), Drawing([other], {})) is None
    assert changes(Drawing([one], {}), Drawing([one, one], {})) is None
    moved = one | {"x": np.arange(3)}
    ((target, path, value),) = changes(Drawing([one], {}), Drawing([moved], {}))
    assert (target, path) == (0, "x")
    assert value is moved["x"]
    gone = changes(Drawing([one], {"a": {"b": 1}}), Drawing([one], {"a": {}}))
    assert gone == [(LAYOUT, "a.b", None)]


def messages(lab):
    """Collect what the figure sends to the page."""
    sent = []
    lab._view.send = lambda content, buffers=None: sent.append(content)
    return sent


def test_a_page_that_asks_gets_the_present_figure(lab):
    lab.set(weight_scale=7.0)
    state = lab._view.get_state()["state"]
    assert state["number"] == lab._view.number
    assert state["words"]["verdict"] == "slope 7."
    start, (length,) = state["tree"]["data"][0]["y"]["numbers"]
    block = np.frombuffer(state["bytes"], "<f8")[start : start + length]
    np.testing.assert_allclose(block, 7.0 * np.arange(1, 21))


def test_a_page_that_missed_a_message_is_sent_the_whole(lab, monkeypatch):
    sent = []
    monkeypatch.setattr(lab._view, "send_state", sent.append)
    lab._view._answer(lab._view, {"ask": "state"}, [])
    lab._view._answer(lab._view, {"other": 1}, [])
    assert sent == ["state"]


def test_labs_share_one_copy_of_plotly(lab):
    other = Lab(experiment, draw, depth=controls.depth(20), weight_scale=controls.weight_scale())
    one, two = lab._view.get_state(), other._view.get_state()
    assert len(str(one["_esm"])) < 20_000
    assert one["plotly"] == two["plotly"]


WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
BY_PAGE = {"header": {"msg_id": "8c1d", "session": "a"}, "metadata": {"cellId": "c"}}
BY_PROGRAM = {"header": {"msg_id": "ab_17_3", "session": "ab"}, "metadata": {}}
BY_SOMEBODY = {"header": {"msg_id": "8c1d", "session": "a"}, "metadata": {}}


@pytest.fixture
def asked(monkeypatch):
    """Let a kernel have been asked for what comes, and its comms be heard."""

    class Shell:
        config = {"IPKernelApp": {"connection_file": "/run/kernel-1f-2.json"}}  # noqa: RUF012

    def ask(request):
        Shell.get_parent = lambda self: request
        monkeypatch.setattr("vglib.jupyter.kernel.get_ipython", Shell)

    monkeypatch.setattr("comm.create_comm", type("Heard", (comm.base_comm.BaseComm,), {
        "publish_msg": lambda self, *args, **options: None}))  # fmt: skip
    return ask


@pytest.mark.parametrize(
    ("request_", "environ", "live"),
    [
        (BY_PAGE, {}, True),
        (BY_SOMEBODY, {}, True),  # a page that is not known
        (BY_PROGRAM, {}, False),  # nbclient, papermill, nbval
        (BY_PROGRAM, {"SERVER_SOFTWARE": "voila/0.5"}, True),
        (BY_PROGRAM, {"VOILA_PREHEAT": "True"}, True),
    ],
)
def test_only_a_page_gets_a_widget(asked, monkeypatch, request_, environ, live):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    asked(request_)
    lab = Lab(experiment, draw, depth=controls.depth(20), weight_scale=controls.weight_scale())
    data, metadata = lab._repr_mimebundle_()
    assert (WIDGET_VIEW in data) == live
    assert metadata.get("vglib", {}).get("kernel") == ("1f-2" if live else None)
    assert data["text/plain"] == repr(lab)
    assert re.search(r"<img alt=\"slope 1\.\" .*svg\+xml", data["text/html"])


def test_the_picture_is_of_the_present_setting(lab):
    assert (
        "The picture shows depth=20, weight_scale=1, kind=plain, bent=False, seed=0. Run"
        in words_of(lab)
    )
    lab.set(depth=30).hold().set(weight_scale=7.0)
    assert (
        "The picture shows depth=30, weight_scale=7, kind=plain, bent=False, seed=0. Run"
        in words_of(lab)
    )
    assert "<p>slope 7.</p>" in words_of(lab)
    drawn = base64.b64decode(re.search(r"base64,([^\"]+)", words_of(lab))[1]).decode()
    assert "held: depth=30" in drawn


def words_of(lab):
    return lab._repr_mimebundle_()[0]["text/html"]


def test_what_is_published_has_a_picture_and_its_words(lab, monkeypatch):
    monkeypatch.setenv("VGLIB_STORE_PNG", "1")
    monkeypatch.setattr("vglib.lab.png", lambda drawing, words: b"png")
    data, metadata = lab._repr_mimebundle_()
    assert data == {"text/plain": repr(lab), "image/png": b"png"}
    assert metadata == {}


def test_every_control_has_a_tooltip(lab):
    for widget in lab.widgets.values():
        assert widget.tooltip


def test_both_themes_go_to_the_page(lab):
    papers = [t["layout"]["paper_bgcolor"] for t in lab._view.templates.values()]
    assert papers == ["#ffffff", "#111111"]


def test_a_still_is_a_figure_without_controls():
    still = Still(draw(Line(1.0, 3, 0)), "three layers.")
    assert len(still.figure.data) == 2
    assert "three layers." in words_of(still)
    assert repr(still) == "Still: three layers."


class Shell:
    """A kernel's shell that runs a cell."""

    def __init__(self):
        self.parent = {}

    def run(self, cell, run):
        self.parent = {"metadata": {"cellId": cell}, "header": {"msg_id": run}}
        return Lab(experiment, draw, depth=controls.depth(), weight_scale=controls.weight_scale())

    def get_parent(self):
        return self.parent


def test_a_cell_that_is_run_again_frees_what_it_made_before(monkeypatch):
    shell = Shell()
    monkeypatch.setattr("vglib.jupyter.kernel.get_ipython", lambda: shell)
    first, second = shell.run("a", "run 1"), shell.run("a", "run 1")
    other = shell.run("b", "run 2")
    assert all(lab._view.comm for lab in (first, second, other))
    again = shell.run("a", "run 3")
    widgets = [first._box, first._view, *first.widgets.values(), second._view]
    looks = [w.layout for w in widgets] + [w.style for w in first.widgets.values()]
    assert [w for w in widgets + looks if w.comm is not None] == []
    assert other._view.comm
    assert again._view.comm
    assert first.verdict == "slope 1."
