"""The static pages of `site/`: how fast they open and move, and whether they show what labs show.

Every control of every lab is moved by a real key and by the pointer, and each of these settings is
compared, number by number, with the live lab's drawing.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import ElementHandle, Page, sync_playwright

from benchmarks.report import Part, Row, progress, within
from tools import discover
from tools.browser import get_browser
from vglib.lab import Lab

SITE = Path(__file__).resolve().parents[1] / "site"
SECOND, MOVE_MS, MOST_MB, PHONE = 1.0, 16.0, 5.0, 390
OPENED = """
() => [performance.getEntriesByName('first-contentful-paint')[0].startTime,
       performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd]
"""
# How long the page works for each of twenty moves of a lab's first slider, in milliseconds.
MOVES = """
async (box) => {
  const { lab } = box;
  const place = lab.found.inputs.findIndex(({ kind }) => kind === 'slider');
  const took = [];
  for (let i = 0; place >= 0 && i < 20; i++) {
    const stop = i % lab.found.inputs[place].values.length;
    const began = performance.now();
    lab.move(place, stop);
    took.push(performance.now() - began);
    await new Promise(requestAnimationFrame);
  }
  lab.reset();
  return took;
}
"""
SHOWN = """
(box) => {
  const { lab } = box;
  const list = (a) => a == null ? null : Array.from(a, (v) => v && v.length ? Array.from(v) : v);
  return JSON.stringify({
    values: Object.fromEntries(lab.found.inputs.map((one, i) => [one.name,
      one.values[(box.querySelector('.vglib-error').textContent ? lab.asked : lab.setting)[i]]])),
    verdict: box.querySelector('.vglib-verdict').textContent,
    error: box.querySelector('.vglib-error').textContent,
    traces: lab.figure.data.map(({ x, y, z }) => ({ x: list(x), y: list(y), z: list(z) })),
  });
}
"""
SERIOUS = """
async () => (await axe.run(document, { resultTypes: ['violations'] })).violations
  .filter(({ impact }) => ['serious', 'critical'].includes(impact))
  .map(({ id, nodes }) => `${id}: ${nodes[0].html}`)
"""


def measure() -> Part:
    """Return the rows; raises OSError where there is no site yet."""
    pages = sorted(SITE.glob("*.html"))
    if not pages:
        raise OSError("There are no pages; make them with: make site")
    part, moves, compared, faults = Part(), dict[str, float](), 0, list[str]()
    opened = dict[str, float]()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=get_browser(), args=["--no-sandbox", "--disable-gpu"]
        )
        for path in pages:
            page = _quiet_page(chromium.new_context(offline=True).new_page(), faults)
            page.goto(path.as_uri())
            page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
            opened[path.stem] = max(page.evaluate(OPENED)) / 1000
            for name, box in _labs(page, path.stem):
                twin = discover.labs()[name]()
                if took := box.evaluate(MOVES):
                    moves[name] = median(took)
                for wrong in _compare(page, box, twin):
                    compared += 1
                    faults += [f"{name}: {wrong}"] if wrong else []
            page.set_viewport_size({"width": PHONE, "height": 800})
            page.wait_for_timeout(500)
            if (width := page.evaluate("document.documentElement.scrollWidth")) > PHONE:
                faults.append(f"{path.name}: {width} pixels wide on a phone of {PHONE}")
            page.add_script_tag(content=AXE_SCRIPT)
            faults += [f"{path.name}: {found}" for found in page.evaluate(SERIOUS)]
            page.context.close()
            progress(f"{path.name}: opened in {opened[path.stem]:.2f} s")
    slowest, stiffest = max(opened, key=opened.__getitem__), max(moves, key=moves.__getitem__)
    sizes = {path.stem: path.stat().st_size / 1e6 for path in pages}
    largest = max(sizes, key=sizes.__getitem__)
    middle = median(moves.values())
    part.rows += [
        within("a page opens", opened[slowest], SECOND, " s", detail=f" ({slowest})"),
        within("the size of a page", sizes[largest], MOST_MB, " MB", detail=f" ({largest})"),
        within("a move on a page, median of the labs", middle, MOVE_MS, " ms"),
        Row("the lab that moves slowest", f"{moves[stiffest]:.0f} ms ({stiffest})"),
        Row("settings compared with the live lab", str(compared)),
        within("faults found", len(faults), 0, ""),
    ]
    part.notes += faults
    return part


def _quiet_page(page: Page, faults: list[str]) -> Page:
    page.set_default_timeout(30_000)
    page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
    page.on(
        "request",
        lambda asked: (
            faults.append(f"{page.url} asks for {asked.url}")
            if not asked.url.startswith(("file:", "data:", "blob:"))
            else None
        ),
    )
    return page


def _labs(page: Page, stem: str) -> Iterator[tuple[str, ElementHandle]]:
    """Give each lab of a page with its name, once it moves."""
    chapter = stem.partition("_")[2] or "start_here"
    for box in page.query_selector_all(".lab"):
        box.scroll_into_view_if_needed()
        page.wait_for_function("(box) => box.lab", arg=box)
        yield f"{chapter}.{box.get_attribute('data-lab')}", box


def _compare(page: Page, box: ElementHandle, twin: Lab) -> Iterator[str]:
    """Move each control by a key and by the pointer; give what differs, or nothing."""
    inputs: list[Mapping[str, Any]] = json.loads(
        box.evaluate("box => JSON.stringify(box.lab.found.inputs)")
    )
    for one in inputs:
        for move in (_by_key, _by_pointer):
            box.evaluate("box => box.lab.reset()")
            control = box.query_selector(f"[id$='-{one['name']}']")
            assert control is not None
            move(page, control, one["kind"])
            shown = json.loads(box.evaluate(SHOWN))
            said = f"{one['name']} {move.__name__[1:]}: "
            if shown["values"] == twin.start and len(one["values"]) > 1 and not shown["error"]:
                yield f"{said}did not move"
                continue
            differs = _differs(twin, shown)
            yield said + differs if differs else ""


def _by_key(page: Page, control: ElementHandle, kind: str) -> None:
    control.focus()
    if kind == "box":
        page.keyboard.press("Space")
        return
    forth, back = ("ArrowUp", "ArrowDown") if kind == "seed" else ("ArrowRight", "ArrowLeft")
    before = control.evaluate("c => c.value")
    page.keyboard.press(forth)
    if control.evaluate("c => c.value") == before:
        page.keyboard.press(back)
    if kind == "seed":
        page.keyboard.press("Enter")


def _by_pointer(page: Page, control: ElementHandle, kind: str) -> None:
    control.scroll_into_view_if_needed()
    if kind == "box":
        control.click()
    elif kind == "list":
        last = control.evaluate("c => c.selectedIndex ? 0 : c.length - 1")
        control.select_option(index=last)
    elif kind == "seed":
        control.fill("2")
        page.keyboard.press("Enter")
    else:
        place = control.bounding_box()
        assert place is not None
        share = control.evaluate("c => c.value * 2 > c.max ? 0.15 : 0.85")
        page.mouse.click(place["x"] + share * place["width"], place["y"] + place["height"] / 2)


def _differs(twin: Lab, shown: Mapping[str, Any]) -> str:
    try:
        twin.set(**shown["values"])
    except ValueError as error:
        return "" if str(error) in shown["error"] else f"is refused live: {error}"
    if shown["error"]:
        return f"is refused: {shown['error']}"
    if not twin.repeatable:
        return ""
    if shown["verdict"] != twin.verdict:
        return f"says {shown['verdict']!r}, live {twin.verdict!r}"
    traces = twin._view.drawing.data
    pairs = zip(shown["traces"], traces, strict=True)
    wrong = [i for i, (page, live) in enumerate(pairs) if not _same(page, live)]
    return f"other numbers in traces {wrong} at {shown['values']}" if wrong else ""


def _same(shown: Mapping[str, Sequence[Any] | None], live: Mapping[str, Any]) -> bool:
    for key in "xyz":
        try:
            wanted = np.asarray(live.get(key, []), float)
        except (TypeError, ValueError):
            continue  # names
        found = np.array(shown[key] if shown[key] is not None else [], float)
        if found.shape != wanted.shape and found.size + wanted.size:
            return False
        if not np.allclose(found, wanted, rtol=1e-4, atol=1e-12, equal_nan=True):
            return False
    return True
