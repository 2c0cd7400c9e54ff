"""A browser and a JupyterLab server for the tests that need them."""

import os
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.driver import FLAGS, ROOT, LabPage, Server, project
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
