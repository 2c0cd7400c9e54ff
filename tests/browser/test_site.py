"""The static pages from a file, with no network: their labs move as the live ones do."""

import json

import nbformat
import numpy as np
import pytest
from axe_playwright_python.base import AXE_SCRIPT

from tests.browser.driver import APART, DRAWN, wait_for
from tests.conftest import ROOT
from tools.site import __main__ as site
from tools.site import pages
from tools.site.cells import parts
from tools.site.frames import frames
from tools.source import chapter_info
from vglib.start_here import check, labs

pytestmark = pytest.mark.xdist_group("browser")

NOTEBOOK = "00_start_here"
CONTROLS = ("depth", "weight_scale", "activation", "init", "width", "bias_scale", "seed")
SERIOUS = """
async () => (await window.axe.run(document, { resultTypes: ['violations'] })).violations
  .filter(({ impact }) => ['serious', 'critical'].includes(impact))
  .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes[0].html}`)
"""
# What a lab of a page shows, as driver.py reads it off a live one.
SHOWN = f"""
(box) => {{ {DRAWN}
  const {{ lab }} = box;
  const list = (a) => a == null ? null : Array.from(a, (v) => v && v.length ? Array.from(v) : v);
  const text = (part) => box.querySelector(part).innerText.trim();
  return {{
    reads: lab.inputs.map((input) => input.type === 'checkbox' ? String(input.checked)
      : input.type === 'range' ? input.getAttribute('aria-valuetext') : input.value),
    verdict: text('.vglib-verdict'),
    note: text('.vglib-verdict + .note'),
    error: text('.vglib-error'),
    named: box.querySelector('.main-svg[role=img]')?.getAttribute('aria-label'),
    traces: lab.figure.data.map((t) => ({{
      x: list(t.x), y: list(t.y), meta: t.meta, visible: t.visible, name: t.name,
    }})),
    apart: lab.figure.drawn ? drawnApart(lab.figure) : Infinity,
  }};
}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A site of one chapter: the real one without the two labs that take long."""
    cells = nbformat.read(ROOT / "notebooks" / f"{NOTEBOOK}.ipynb", 4).cells
    slow = ("scale_game", "wander_lab")
    quick = [cell for cell in cells if not any(f"labs.{name}" in cell.source for name in slow)]
    again = next(cell for cell in cells if "labs.gradient_flow_lab" in cell.source)
    opens = {"source": f'{again.source}.preset("explodes")'}
    quick.append(nbformat.from_dict(again | opens))
    info = chapter_info(ROOT / "chapters" / f"{NOTEBOOK}.py")
    chapter = pages.Chapter(NOTEBOOK, info, tuple(parts(quick, labs, check)))
    with pytest.MonkeyPatch.context() as few:
        few.setattr("tools.site.frames.NUMBERS", 0)
        made = {pages.LAB: frames(labs.gradient_flow_lab(), plane=True, swept=7)}
    place = tmp_path_factory.mktemp("static") / "with a space ü"
    site.write(site.site([chapter], [chapter], made), place)
    return place


@pytest.fixture(scope="module")
def opened(browser, folder):
    """The chapter's page, with what it asked of the network and what went wrong on it."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    page = context.new_page()
    page.set_default_timeout(20_000)
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.on(
        "request",
        lambda asked: (
            faults.append(asked.url)
            if not asked.url.startswith(("file:", "data:", "blob:"))
            else None
        ),
    )
    page.goto((folder / f"{NOTEBOOK}.html").as_uri())
    yield page
    context.close()
    assert faults == []


@pytest.fixture
def box(opened):
    opened.wait_for_selector(".lab.moves")
    found = opened.query_selector(".lab")
    found.evaluate("box => box.lab.reset()")
    settled(found)
    return found


@pytest.fixture(scope="module")
def twin():
    return labs.gradient_flow_lab()


def settled(box):
    """What the lab shows once its drawing has come to rest."""
    wait_for(lambda: box.evaluate(SHOWN)["apart"] < APART, 10, "the drawing")
    return box.evaluate(SHOWN)


def control(box, name):
    return box.query_selector(f"[id$='-{name}']")


def values(box):
    """The setting that the controls show."""
    return json.loads(
        box.evaluate(
            "box => JSON.stringify(Object.fromEntries(box.lab.found.inputs.map("
            "(one, i) => [one.name, one.values[box.lab.setting[i]]])))"
        )
    )


def check_with(twin, box):
    """What the page shows is what the live lab shows at the setting of the page's controls."""
    shown = settled(box)
    twin.set(**values(box))
    assert shown["verdict"] == shown["named"] == twin.verdict
    drawn = twin._view.drawing.data
    for mine, theirs in zip(shown["traces"], drawn, strict=False):
        for key in "xy":
            mine_now = np.array(mine[key], float)
            np.testing.assert_allclose(mine_now, theirs[key], rtol=1e-4, equal_nan=True)
    return shown


def test_the_text_is_there_before_the_labs_move(browser, folder):
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.route("**/plotly.min.js", lambda route: None)
    page.goto((folder / f"{NOTEBOOK}.html").as_uri())
    assert page.inner_text("h1").startswith("00")
    still = page.query_selector(".lab .still")
    assert still.is_visible()
    assert "Lab(" in still.get_attribute("alt")
    context.close()


@pytest.mark.parametrize("name", CONTROLS)
def test_every_control_moves_by_key_and_pointer(opened, box, twin, name):
    assert tuple(twin.controls) == CONTROLS
    before = values(box)[name]
    control(box, name).focus()
    kind = control(box, name).get_attribute("type") or "select"
    opened.keyboard.press("ArrowUp" if kind == "number" else "ArrowRight")
    opened.keyboard.press("Tab")
    if kind == "select":
        wait_for(lambda: values(box)[name] != before, 5, "another choice")
    by_key = values(box)[name]
    assert by_key != before
    check_with(twin, box)
    if kind == "range":
        room = control(box, name).bounding_box()
        opened.mouse.click(room["x"] + 0.9 * room["width"], room["y"] + room["height"] / 2)
    elif kind == "select":
        control(box, name).select_option(index=0)
    else:
        control(box, name).fill("3")
        opened.keyboard.press("Enter")
    assert values(box)[name] != by_key
    shown = check_with(twin, box)
    assert shown["note"] == ""


def test_depth_and_weight_scale_move_together(box, twin):
    for name, stop in (("depth", 5), ("weight_scale", 1), ("depth", 1)):
        control(box, name).evaluate(
            "(input, stop) => { input.value = stop; input.dispatchEvent(new Event('input')) }", stop
        )
        assert check_with(twin, box)["note"] == ""
    found = values(box)
    assert found["depth"] != twin.start["depth"]
    assert found["weight_scale"] != twin.start["weight_scale"]


def test_where_nothing_is_stored_the_nearest_is_shown_and_named(box, twin):
    control(box, "bias_scale").evaluate(
        "input => { input.value = 3; input.dispatchEvent(new Event('input')) }"
    )
    moved = values(box)["bias_scale"]
    box.evaluate(
        "box => { box.lab.byKey = new Map(box.lab.found.frames.slice(0, 1)"
        ".map((frame) => [frame[0].join(), frame])) }"
    )
    control(box, "seed").fill("2")
    control(box, "seed").press("Enter")
    shown = check_with(twin, box)
    assert values(box) == twin.start | {"seed": 2}
    assert moved != twin.start["bias_scale"]
    assert "nearest" in shown["note"]
    assert "bias scale 0." in shown["note"]


def test_presets_reseed_theory_hold_and_reset(opened, box, twin):
    first = settled(box)
    preset = control(box, "preset")
    preset.focus()
    opened.keyboard.press("ArrowDown")
    name = next(iter(twin.presets))
    wait_for(lambda: preset.input_value() == name, 5, name)
    twin.reset()
    check_with(twin, box)
    assert twin.values == twin.start | twin.presets[name]
    press(opened, box, "Reset")
    press(opened, box, "Hold")
    ghosts = [t for t in settled(box)["traces"] if t["meta"] == "ghost"]
    assert ghosts[0]["y"] == first["traces"][0]["y"]
    assert ghosts[0]["name"] == "held: depth=20, weight_scale=1"
    press(opened, box, "Reseed")
    shown = check_with(twin, box)
    assert values(box)["seed"] == 1
    assert len(shown["traces"]) == len(first["traces"]) + len(ghosts)
    control(box, "theory").focus()
    opened.keyboard.press("Space")
    off = [t["visible"] for t in settled(box)["traces"] if t["meta"] == "theory"]
    assert off
    assert not any(off)
    press(opened, box, "Reset")
    assert settled(box) | {"apart": 0} == first | {"apart": 0}


def press(opened, box, name):
    button = next(b for b in box.query_selector_all("button") if b.inner_text() == name)
    button.focus()
    opened.keyboard.press("Enter")


def test_an_impossible_seed_is_told(box):
    control(box, "seed").fill("99")
    control(box, "seed").press("Enter")
    shown = box.evaluate(SHOWN)
    assert "seeds are 0, 1, 2" in shown["error"]
    assert shown["error"].endswith("still shows depth=20, weight_scale=1.")
    control(box, "seed").fill("2")
    control(box, "seed").press("Enter")
    assert box.evaluate(SHOWN)["error"] == ""


def test_a_lab_can_open_at_a_preset(opened, twin):
    opened.locator(".lab").last.scroll_into_view_if_needed()
    last = opened.query_selector_all(".lab")[-1]
    wait_for(lambda: "moves" in last.get_attribute("class"), 20, "the last lab")
    twin.reset()
    check_with(twin, last)
    assert twin.values == twin.start | twin.presets["explodes"]


def test_a_prediction_is_judged(opened):
    form = opened.locator("form.answer").first
    form.locator("input[value=A]").focus()
    opened.keyboard.press("Space")
    opened.keyboard.press("Enter")
    assert form.locator("[role=status]").inner_text() == repr(check.guess("A"))
    form.locator("label", has_text="C").click()
    form.locator("button").click()
    assert form.locator("[role=status]").inner_text() == repr(check.guess("C"))
    number = opened.locator("form.answer").nth(1)
    for answer, said in (
        ("1", repr(check.relu_scale(1.0))),
        ("1,4142", repr(check.relu_scale(2**0.5))),
    ):
        number.locator("input").fill(answer)
        number.locator("input").press("Enter")
        assert number.locator("[role=status]").inner_text() == said


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", [f"{NOTEBOOK}.html", "index.html"])
def test_a_screen_reader_and_a_phone_find_nothing_wrong(browser, folder, name, theme):
    context = browser.new_context(
        viewport={"width": 390, "height": 800}, offline=True, color_scheme=theme
    )
    page = context.new_page()
    page.goto((folder / name).as_uri())
    page.wait_for_selector(".lab.moves")
    page.add_script_tag(content=AXE_SCRIPT)
    assert page.evaluate(SERIOUS) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    paper = "document.querySelector('.lab').lab.figure.plot._fullLayout.paper_bgcolor"
    assert page.evaluate(paper) == {"light": "#ffffff", "dark": "#111111"}[theme]
    page.click("#theme")
    wait_for(lambda: page.evaluate(paper) == {"dark": "#ffffff", "light": "#111111"}[theme])
    context.close()


def test_on_paper_a_lab_is_its_still_and_the_lecturers_notes_stay_out(opened, box):
    opened.emulate_media(media="print")
    try:
        assert box.query_selector(".still").is_visible()
        assert not box.query_selector(".vglib-figure").is_visible()
        assert not control(box, "depth").is_visible()
        assert not opened.query_selector(".notes").is_visible()
    finally:
        opened.emulate_media(media="screen")
