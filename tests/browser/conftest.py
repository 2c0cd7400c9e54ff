"""A browser and a JupyterLab server for the tests that need them."""

import os

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.driver import FLAGS, ROOT, Server, project
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


@pytest.fixture
def server(running_server):
    yield running_server
    running_server.end_kernels()


@pytest.fixture(scope="session")
def running_server(tmp_path_factory, browser):
    folder = project(
        tmp_path_factory.mktemp("project"), *sorted((ROOT / "notebooks").glob("*.ipynb"))
    )
    server = Server(folder)
    yield server
    server.stop()
