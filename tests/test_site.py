"""The static pages: what is stored of a lab is what it shows, and what a page asks it judges."""

import gzip
import html
import json
import re

import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from tests.conftest import ROOT
from tests.test_lab import draw, experiment
from tools import addresses, discover
from tools.site import __main__ as site
from tools.site import cells, frames, live, pages, store
from tools.site.answers import asked, form
from tools.site.inputs import SEEDS, inputs, thinned
from vglib.exercise import NumberExercise
from vglib.lab import Lab, controls
from vglib.start_here import check, labs


def small(**more):
    return Lab(
        experiment,
        draw,
        depth=controls.depth(4, 8),
        weight_scale=controls.weight_scale(),
        kind=controls.choice("kind", "plain", ["plain", "impossible"], "what it does"),
        bent=controls.toggle("bent", False, "bend it"),
        presets={"steep": {"weight_scale": 9.0}, "bent, 7": {"bent": True, "depth": 7}},
        **more,
    )


def unpacked(made: bytes) -> dict:
    """What a page finds in the frames of a lab, read as site.js reads it."""
    raw = gzip.decompress(made)
    length = int.from_bytes(raw[:4], "little")
    planes = np.frombuffer(raw[4 + length :], np.uint8).reshape(3, -1).astype(np.uint32)
    numbers = (planes[0] << 24 | planes[1] << 16 | planes[2] << 8).view(np.float32)

    def fill(part):
        if isinstance(part, list):
            return [fill(one) for one in part]
        if not isinstance(part, dict):
            return part
        if "numbers" in part:
            first, shape = part["numbers"]
            return numbers[first : first + int(np.prod(shape))].reshape(shape).astype(float)
        return {key: fill(one) for key, one in part.items()}

    return fill(json.loads(raw[4 : 4 + length]))


def values(found: dict, setting: list[int]) -> dict:
    offered = zip(found["inputs"], setting, strict=True)
    return {one["name"]: one["values"][place] for one, place in offered}


def shown(found: dict, changes: list) -> list[dict]:
    """The traces of a frame: the start's, with what the frame changes."""
    traces = [dict(trace) for trace in found["start"]["data"]]
    for trace, path, value in changes:
        if trace >= 0 and path in ("x", "y"):
            traces[trace][path] = value
    return traces


def test_every_frame_is_what_the_lab_shows():
    found = unpacked(frames.frames(small(), plane=True, swept=9))
    twin = small()
    assert len(found["frames"]) > 100
    for setting, said, *changes in found["frames"]:
        if not changes:
            assert said.startswith("The kind 'impossible' needs")
            assert values(found, setting)["kind"] == "impossible"
            continue
        twin.set(**values(found, setting))
        assert said == twin.verdict
        drawn = twin._view.drawing.data
        for mine, theirs in zip(shown(found, changes[0]), drawn, strict=True):
            for key in "xy":
                np.testing.assert_allclose(mine[key], theirs[key], rtol=2e-5, equal_nan=True)


def test_there_is_a_frame_of_the_start_of_presets_of_sweeps_and_of_the_plane():
    lab = small()
    found = unpacked(frames.frames(lab, plane=True, swept=9))
    settings = [tuple(frame[0]) for frame in found["frames"]]
    assert len(settings) == len(set(settings))
    assert values(found, settings[0]) == lab.start
    for name, place in found["presets"].items():
        assert values(found, place) == lab.start | lab.presets[name]
        assert tuple(place) in settings
    for place, one in enumerate(found["inputs"]):
        for stop in range(len(one["values"])):
            assert (*settings[0][:place], stop, *settings[0][place + 1 :]) in settings
    depths, scales = (len(one["values"]) for one in found["inputs"][:2])
    assert len({s[:2] for s in settings}) == depths * scales


def test_a_page_offers_the_labs_own_values_and_what_presets_set():
    lab = small()
    offered = {one.name: one for one in inputs(lab, 5, {"depth": 3})}
    assert offered["depth"].values == (1, 4, 7, 8)
    assert {1.0, 9.0} < set(offered["weight_scale"].values)
    assert len(offered["weight_scale"].values) <= 5
    assert offered["kind"].texts == ("plain", "impossible")
    assert offered["bent"].values == (False, True)
    assert offered["seed"].values == tuple(range(SEEDS))
    assert offered["weight_scale"].label == "weight scale"


@pytest.mark.parametrize(("count", "most"), [(3, 5), (100, 7), (100, 1), (2, 2)])
def test_thinned_stops_keep_both_ends(count, most):
    stops = list(range(count))
    kept = thinned(stops, most)
    assert kept[0] == 0
    assert kept[-1] == count - 1
    assert len(kept) == len(set(kept)) == min(count, max(most, 2))


def test_a_slow_lab_is_swept_with_fewer_stops(monkeypatch):
    monkeypatch.setattr(frames, "SECONDS", 0.0)
    found = unpacked(frames.frames(small()))
    assert len(found["inputs"][1]["values"]) <= min(frames.FEWER)


@pytest.mark.parametrize("number", [1e-30, 12345.6, -0.1, 1 / 3, 65535.0, 0.0, np.nan, -np.inf])
def test_a_number_keeps_five_digits(number):
    block = frames.Block()
    place = block.pack(np.array([1.0, number]))
    assert block.pack(np.array([1.0, number])) == place
    planes = np.frombuffer(block.short(), np.uint8).reshape(3, -1).astype(np.uint32)
    read = (planes[0] << 24 | planes[1] << 16 | planes[2] << 8).view(np.float32)
    np.testing.assert_allclose(read, [1.0, number], rtol=2e-5)


def test_a_number_that_a_page_cannot_hold_is_no_frame():
    block = frames.Block()
    block.pack(np.array([1e39]))
    with pytest.raises(ValueError, match="cannot hold"):
        block.short()


def output(**data):
    return new_output("display_data", {k.replace("_", "/"): v for k, v in data.items()})


def cell(source, *tags, outputs=(), **metadata):
    made = new_code_cell(source, metadata={"tags": list(tags), **metadata})
    made.outputs = list(outputs)
    return made


def made_of(*some, solutions=False):
    return list(cells.parts(some, labs, check, solutions=solutions))


def test_text_code_and_what_it_printed():
    printed = new_output("stream", name="stdout", text="1 < 2\n")
    (text, code) = made_of(new_markdown_cell("# A\n$x$"), cell("a < b", outputs=[printed]))
    assert "<h1>A</h1>" in text.html
    assert "<math " in text.html
    assert "&lt;" in code.html
    assert "1 &lt; 2</pre>" in code.html


def test_a_lab_is_a_place_with_its_still():
    shown = output(image_png="AAAA", text_plain='Lab(depth=20): "quoted".')
    found = made_of(
        cell("labs.gradient_flow_lab()", "lab", outputs=[shown]),
        cell('labs.wander_lab().preset("tanh, 64 wide")', "lab", outputs=[shown]),
    )
    assert [part.lab for part in found] == ["gradient_flow_lab", "wander_lab"]
    assert 'src="data:image/png;base64,AAAA"' in found[0].html
    assert 'alt="Lab(depth=20): &quot;quoted&quot;."' in found[0].html
    assert 'data-preset="tanh, 64 wide"' in found[1].html
    with pytest.raises(ValueError, match="names no lab"):
        made_of(cell("labs.no_such_lab()", "lab"))


def test_what_the_lecturer_alone_reads_is_folded():
    note = new_markdown_cell(
        "> **For the lecturer.** One\n> minute.", metadata={"slideshow": {"slide_type": "notes"}}
    )
    (part,) = made_of(note)
    assert re.fullmatch(r'<details class="notes">.*<p>One\nminute\.</p>.*', part.html, re.DOTALL)


def test_html_of_an_output_runs_nothing():
    safe, script = (
        output(text_html="<b>a</b>"),
        output(text_html="<script>a</script>", text_plain="b"),
    )
    found = made_of(cell("1", outputs=[safe]), cell("1", outputs=[script]))
    assert "<b>a</b>" in found[0].html
    assert "script" not in found[1].html
    assert "b</pre>" in found[1].html


CHOICE = [cell("my_guess = ...", "exercise", "predict"), cell("check.guess(my_guess)", "check")]
FUNCTION = [cell("def share(r, depth):\n    ...", "exercise"), cell("check.share(share)", "check")]
FREE = [cell("prediction = ...", "exercise", "predict"), cell("1 + 1")]


def test_a_question_is_asked_on_the_page_in_the_words_of_its_check():
    stub, question = made_of(*CHOICE)
    assert stub.html == ""
    judge = json.loads(html.unescape(re.search("data-judge='([^']*)'", question.html)[1]))
    assert judge == {option: repr(check.guess(option)) for option in "ABC"}
    assert judge["C"].startswith("✓")
    assert question.html.count('type="radio"') == 3


def test_several_numbers_are_asked_one_by_one():
    source = "print(check.relu_scale(relu_scale), check.tanh_scale(tanh_scale))"
    assert asked(source, check) == [check.relu_scale, check.tanh_scale]
    judge = json.loads(
        html.unescape(re.search("data-judge='([^']*)'", form(check.relu_scale, "a"))[1])
    )
    assert judge["expected"] == pytest.approx(2**0.5)
    assert judge["right"] == repr(check.relu_scale(2**0.5))
    assert [1.0, check.relu_scale.near[1.0]] in judge["near"]


def test_a_hint_that_only_python_can_tell_stays_behind():
    one = NumberExercise("n", "say n.", expected=3.0, near={4.0: "less", (lambda n: n < 0): "more"})
    judge = json.loads(html.unescape(re.search("data-judge='([^']*)'", form(one, "a"))[1]))
    assert judge["near"] == [[4.0, "less"]]


def test_what_a_page_cannot_judge_is_shown():
    stub, checked = made_of(*FUNCTION)
    assert "share" in stub.html
    assert "<form" not in checked.html
    assert asked("check.share(share)", check) == asked("1 + 1", check) == []


def test_a_free_prediction_has_a_place():
    assert "<textarea" in made_of(*FREE)[0].html


def test_solutions_are_folded():
    shown = made_of(*CHOICE, *FUNCTION, *FREE, solutions=True)
    assert [part.html.startswith('<details class="solution">') for part in shown[::2]] == [True] * 3


def test_headings_have_ids_of_their_own():
    text, found = cells.with_ids("<h2>A <em>b</em></h2><h3>A b</h3><h2>$</h2>")
    assert [place for _, place, _ in found] == ["a-b", "a-b-1", "section"]
    assert '<h2 id="a-b">A <em>b</em></h2>' in text


def test_a_wide_table_moves_in_a_box_of_its_own():
    found = cells.with_room("<p>a</p><table><tr></tr></table><table>b</table>")
    box = '<div class="scroll"><table>{}</table></div>'.format
    assert found == f"<p>a</p>{box('<tr></tr>')}{box('b')}"


def test_frames_are_made_once_while_their_code_is_the_same(tmp_path, monkeypatch):
    made = []

    def make(lab, plane):
        made.append(plane)
        return b"frames"

    monkeypatch.setattr(store, "frames", make)
    monkeypatch.setattr(discover, "labs", lambda: {"start_here.a": small})
    wanted = {"start_here.a": True}
    assert store.all_frames(wanted, tmp_path, jobs=1) == {"start_here.a": b"frames"}
    assert store.all_frames(wanted, tmp_path, jobs=1) == {"start_here.a": b"frames"}
    assert made == [True]
    # Another library, say: what was made before goes.
    monkeypatch.setattr(store, "version", lambda name: "next")
    store.all_frames(wanted, tmp_path, jobs=1)
    assert made == [True, True]
    assert len(list(tmp_path.iterdir())) == 1


def test_the_key_knows_the_chapter_the_core_and_the_doctor():
    names = {path.relative_to(store.ROOT).as_posix() for path in store._code("sigmoid")}
    wanted = {"vglib/sigmoid/labs.py", "vglib/figures.py", "vglib/lab/controls.py"}
    assert wanted | {"vglib/doctor/look.py", "tools/site/frames.py"} <= names
    assert not any(name.startswith("vglib/lstm/") for name in names)
    assert store.key("sigmoid.a", True) != store.key("sigmoid.a", False)


@pytest.mark.parametrize("error", [ValueError, OverflowError])
def test_frames_that_cannot_be_made_are_named(tmp_path, monkeypatch, error):
    def fail(lab, plane):
        raise error("no.")

    monkeypatch.setattr(store, "frames", fail)
    monkeypatch.setattr(discover, "labs", lambda: {"start_here.a": small})
    with pytest.raises(ValueError, match=r"start_here\.a has no frames: no\."):
        store.all_frames({"start_here.a": True}, tmp_path, jobs=1)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds no site"):
        site.write({"index.html": ""}, tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_site_takes_the_place_of_the_last_one(tmp_path):
    folder = tmp_path / "site"
    site.write({"index.html": "1", "site.css": "", "old.html": ""}, folder)
    site.write({"index.html": "2", "site.css": ""}, folder)
    assert (folder / "index.html").read_text() == "2"
    assert not (folder / "old.html").exists()
    assert list(tmp_path.iterdir()) == [folder]
    site.write({"index.html": "3", "02.html": ""}, folder, others=True)
    assert {path.name for path in folder.iterdir()} == {"index.html", "02.html", "site.css"}
    assert (folder / "index.html").read_text() == "3"


def test_the_pages_of_a_chapter():
    chapter = pages.read(ROOT / "notebooks" / "00_start_here.ipynb")
    assert chapter.labs[0] == pages.LAB
    assert site.wanted([chapter]) == {name: name == pages.LAB for name in chapter.labs}
    files = site.site([chapter], [chapter], dict.fromkeys(chapter.labs, b"frames"))
    page, index = files[chapter.page], files["index.html"]
    assert set(files) == {"index.html", chapter.page, "site.css", "plotly.min.js"}
    assert page.count('class="lab"') == page.count('class="frames"') == len(chapter.labs)
    assert page.count("<h1") == index.count("<h1") == 1
    assert index.count('class="frames"') == 1
    assert f'<a href="{chapter.page}">{chapter.info.title}</a>' in index
    for text in (page, index):
        assert re.findall(r'(?:src|href)="(?!#|data:)([^"]*)"', text)
        links = re.findall(r'(?:src|href)="(?!#|data:)([^"]*)"', text)
        assert {link for link in links if "://" not in link} <= set(files)


def test_a_link_to_a_page_that_is_not_made_is_its_words():
    link = '<a href="02.html#x">02</a> <a href="#x">x</a>'
    page = f'<a rel="prev" href="01.html">← <b>01</b></a> {link}'
    seen = site.without_links(page, ["01.html", "0..html"])
    assert seen == f"← <b>01</b> {link}"
    assert site.without_links(page, ["02.html"]).endswith('</a> 02 <a href="#x">x</a>')
    assert site.without_links(page, []) == page


def test_the_script_is_the_figures_and_the_pages_own():
    script = pages.script()
    assert "import {" not in script
    names = re.findall(r"^(?:export )?(?:async )?(?:function|class|const|let) (\w+)", script, re.M)
    assert {"Figure", "put", "unpack", "Lab"} <= set(names)
    assert len(names) == len(set(names))


def test_a_chapter_opens_on_binder_where_an_address_is_set():
    address = "https://github.com/a/b"
    link = addresses.binder(address, "notebooks/02_chain_rule.ipynb")
    assert f'href="{link}"' in live.line("02_chain_rule", address)
    assert live.start(address).splitlines()[0] == f"git clone {address}"


def test_without_an_address_there_is_no_link(monkeypatch):
    monkeypatch.setattr(live, "repository", lambda: "https://github.com/OWNER/a")
    assert "href" not in live.line("02_chain_rule")
    assert "make lab CHAPTER=02" in live.line("02_chain_rule")
    assert live.start() == "make lab"
