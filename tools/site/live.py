"""Where a chapter can be had live: on the reader's machine, and on Binder."""

import tomllib
from html import escape
from pathlib import Path
from urllib.parse import quote, urlsplit

ROOT = Path(__file__).resolve().parents[2]
# What stands in pyproject.toml for as long as nobody has set an address.
UNSET = "OWNER"


def repository(root: Path = ROOT) -> str:
    """Return the address of the repository that pyproject.toml names; empty where none is set."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    address: str = tomllib.loads(text)["project"].get("urls", {}).get("Repository", "")
    return "" if UNSET in address else address.rstrip("/").removesuffix(".git")


def binder(address: str, notebook: str) -> str:
    """Return the link that opens a published notebook of the repository on mybinder.org."""
    parts = urlsplit(address)
    kind = {"github.com": "gh", "gitlab.com": "gl"}.get(parts.netloc, "git")
    where = quote(address, safe="") if kind == "git" else parts.path.strip("/")
    return (
        f"https://mybinder.org/v2/{kind}/{where}/HEAD?urlpath=lab/tree/notebooks/{notebook}.ipynb"
    )


def line(notebook: str, address: str | None = None) -> str:
    """Return the line that says how to open a chapter where its labs compute."""
    ways = [f"<code>make lab CHAPTER={notebook[:2]}</code>", on_binder(notebook, address)]
    return f'<p class="live">Live, with labs that compute: {" or ".join(filter(None, ways))}</p>'


def on_binder(notebook: str, address: str | None = None) -> str:
    """Return a link that opens a chapter on Binder; empty where no address is set."""
    address = repository() if address is None else address
    return f'<a href="{escape(binder(address, notebook))}">on Binder</a>' if address else ""


def start(address: str | None = None) -> str:
    """Return what one types to start the course."""
    address = repository() if address is None else address
    if not address:
        return "make lab"
    return f"git clone {escape(address)}\ncd {escape(address.rpartition('/')[2])}\nmake lab"
