"""The links by which the course opens elsewhere are those of the address in pyproject.toml."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from tools import addresses

README = (addresses.ROOT / "README.md").read_text(encoding="utf-8")


def test_readme_links_to_the_address_that_one_line_sets():
    assert addresses.with_links(README, addresses.repository()) == README
    for link in (addresses.BINDER, addresses.HUB):
        assert len(re.findall(link, README)) == 1


def test_another_address_changes_both_links_and_nothing_else():
    there = addresses.with_links(README, "https://gitlab.com/a/b/gradients")
    assert addresses.binder("https://gitlab.com/a/b/gradients") in there
    assert addresses.hub("https://gitlab.com/a/b/gradients") in there
    assert addresses.with_links(there, addresses.repository()) == README


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("https://github.com/me/gradients", "/v2/gh/me/gradients/HEAD"),
        ("https://gitlab.com/a/b/gradients", "/v2/gl/a%2Fb%2Fgradients/HEAD"),
        ("https://git.school.edu/me/x", "/v2/git/https%3A%2F%2Fgit.school.edu%2Fme%2Fx/HEAD"),
    ],
)
def test_binder_is_told_where_the_repository_lies(address, place):
    link = urlsplit(addresses.binder(address, "notebooks/02_chain_rule.ipynb"))
    assert link.path == place
    assert parse_qs(link.query) == {"urlpath": ["lab/tree/notebooks/02_chain_rule.ipynb"]}


def test_a_hub_opens_the_notebook_in_the_folder_that_nbgitpuller_makes():
    link = urlsplit(addresses.hub("https://github.com/me/gradients"))
    assert parse_qs(link.query) == {
        "repo": ["https://github.com/me/gradients"],
        "branch": ["main"],
        "urlpath": ["lab/tree/gradients/notebooks/00_start_here.ipynb"],
    }


def test_the_notebook_that_the_links_open_is_there():
    assert (addresses.ROOT / addresses.FIRST).is_file()


def test_an_address_is_cleaned(tmp_path):
    text = '[project.urls]\nRepository = "https://github.com/me/x.git/"\n'
    (tmp_path / "pyproject.toml").write_text(text)
    assert addresses.repository(tmp_path) == "https://github.com/me/x"
