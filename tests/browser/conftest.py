"""A browser and a JupyterLab server for the tests that need them."""

import base64
import os
from contextlib import contextmanager

import nbformat
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.driver import FLAGS, ROOT, LabPage, LecturePage, Server, project
from tools import launch
from tools.browser import find_browser, skip_reason


@pytest.fixture(scope="session")
def browser():
    path = find_browser()
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail(skip_reason())
        pytest.skip(skip_reason())
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(path), args=FLAGS)
        yield chromium
        chromium.close()


def open_page(browser: Browser, height: int = 900) -> Page:
    """Open a page with an empty profile."""
    page = browser.new_context(viewport={"width": 1280, "height": height}).new_page()
    page.set_default_timeout(30_000)
    return page


@pytest.fixture
def page(browser):
    page = open_page(browser)
    yield page
    page.context.close()


@pytest.fixture(scope="session")
def kept():
    """The learner's page, waiting for the next test: to load one takes seven seconds."""
    return []


@contextmanager
def one_page(request, kept, open_first):
    """Open notebooks one after the other on a page, which a test that fails does not hand on."""
    failed = request.session.testsfailed

    def open_notebook(name: str) -> LabPage:
        if kept:
            kept[0].turn_to(name)
        else:
            kept.append(open_first(name))
        return kept[0]

    yield open_notebook
    if request.session.testsfailed > failed and kept:
        kept.pop().page.context.close()


@contextmanager
def learner_page(request, kept, browser, server):
    def open_first(name: str) -> LabPage:
        server.end_kernels()
        return LabPage(open_page(browser), server, name)

    with one_page(request, kept, open_first) as open_notebook:
        yield open_notebook


@pytest.fixture
def learner(request, kept, browser, running_server):
    with learner_page(request, kept, browser, running_server) as open_notebook:
        yield open_notebook


@pytest.fixture(scope="session")
def running_server(tmp_path_factory, browser):
    # A path as learners have them, with spaces and letters that a URL must escape.
    folder = project(
        tmp_path_factory.mktemp("Kurs für alle 第一"), *sorted((ROOT / "notebooks").glob("*.ipynb"))
    )
    server = Server(folder)
    yield server
    server.stop()


# A picture of one dot.
DOT = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c020000000b4944415478da6364"
        "600000000600023081d02f0000000049454e44ae426082"
    )
).decode()
TALK = "talk.ipynb"


def _cell(kind: str, source: str, *, lab: bool = False):
    new = nbformat.v4.new_markdown_cell if source[0] in "#*" else nbformat.v4.new_code_cell
    made = new(source, metadata={"slideshow": {"slide_type": kind}})
    if lab:
        made.metadata |= {"tags": ["lab"], "jupyter": {"source_hidden": True}}
        made.outputs = [nbformat.v4.new_output("display_data", {"image/png": DOT})]
    return made


def short_talk():
    """Return a notebook for a lecture of six steps: two labs that live, and one that cannot."""
    cells = [
        _cell("slide", "# First"),
        _cell("skip", "from vglib.start_here import labs"),
        _cell("subslide", "labs.gradient_flow_lab()", lab=True),
        _cell("notes", "*Ask before the second preset.*"),
        _cell("skip", "B"),
        _cell("slide", "## Second"),
        _cell("fragment", "*More.*"),
        _cell("subslide", "labs.gradient_flow_lab()", lab=True),
        _cell("subslide", "labs.no_such_lab(0)", lab=True),
        _cell("skip", "last = True"),
    ]
    kernel = {"name": "python3", "display_name": "Python 3"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


@pytest.fixture(scope="session")
def lecture(tmp_path_factory, browser):
    chapters = sorted((ROOT / "notebooks").glob("*.ipynb"))
    folder = project(tmp_path_factory.mktemp("lecture"), *chapters)
    nbformat.write(short_talk(), folder / "my_notebooks" / TALK)
    server = Server(folder, "lecture")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def kept_deck():
    """The lecturer's page, waiting for the next chapter."""
    return []


@contextmanager
def lecturers_page(request, kept_deck, browser, lecture):
    """Open notebooks in the lecturer's JupyterLab, as slides."""

    def open_first(name: str) -> LecturePage:
        launch.prepare_lecture(lecture.folder)
        lecture.end_kernels()
        # What is opened by its address becomes slides and runs, without a key.
        deck = LecturePage(open_page(browser, height=720), lecture, TALK)
        deck.wait_until_ready()
        if name != TALK:
            deck.stop()
            deck.turn_to(name)
        return deck

    with one_page(request, kept_deck, open_first) as open_notebook:
        yield open_notebook
