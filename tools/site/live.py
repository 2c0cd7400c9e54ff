"""Where a chapter can be had live: on the reader's machine, and on Binder."""

from html import escape

from tools.addresses import binder, repository

# What stands in pyproject.toml for as long as nobody has set an address.
UNSET = "OWNER"


def known() -> str:
    """Return the repository's address; empty where none is set."""
    address = repository()
    return "" if UNSET in address else address


def line(notebook: str, address: str | None = None) -> str:
    """Return the line that says how to open a chapter where its labs compute."""
    ways = [f"<code>make lab CHAPTER={notebook[:2]}</code>", on_binder(notebook, address)]
    return f'<p class="live">Live, with labs that compute: {" or ".join(filter(None, ways))}</p>'


def on_binder(notebook: str, address: str | None = None) -> str:
    """Return a link that opens a chapter on Binder; empty where no address is set."""
    address = known() if address is None else address
    if not address:
        return ""
    return f'<a href="{escape(binder(address, f"notebooks/{notebook}.ipynb"))}">on Binder</a>'


def start(address: str | None = None) -> str:
    """Return what one types to start the course."""
    address = known() if address is None else address
    if not address:
        return "make lab"
    return f"git clone {escape(address)}\ncd {escape(address.rpartition('/')[2])}\nmake lab"
