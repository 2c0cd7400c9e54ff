"""Where the course can be had in the network: links made of the address in pyproject.toml.

`python -m tools.addresses` puts them into README.md, after the address was changed there.
"""

import re
import sys
import tomllib
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

ROOT = Path(__file__).resolve().parents[1]
FIRST = "notebooks/00_start_here.ipynb"
# In README.md a link to each service stands once; its old address ends where Markdown's link does.
BINDER = r"https://mybinder\.org/v2/[^)\s]+"
HUB = r"https://YOUR\.HUB/[^)\s]+"


def repository(root: Path = ROOT) -> str:
    """Return the address of the repository, without a slash or ".git" at its end."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    address: str = tomllib.loads(text)["project"]["urls"]["Repository"]
    return address.rstrip("/").removesuffix(".git")


def binder(address: str, notebook: str = FIRST) -> str:
    """Return the link that opens a notebook of the repository on mybinder.org."""
    parts = urlsplit(address)
    hosts = {"github.com": "gh", "gitlab.com": "gl"}
    path = parts.path.strip("/")
    if parts.netloc == "gitlab.com":
        path = quote(path, safe="")  # its projects may lie in groups of groups
    if parts.netloc not in hosts:
        path = quote(address, safe="")
    where = f"{hosts.get(parts.netloc, 'git')}/{path}"
    return f"https://mybinder.org/v2/{where}/HEAD?urlpath=lab/tree/{notebook}"


def hub(address: str, notebook: str = FIRST, server: str = "https://YOUR.HUB") -> str:
    """Return the link by which nbgitpuller brings the repository to a hub and opens a notebook."""
    folder = address.rsplit("/", 1)[-1]
    asked = {"repo": address, "branch": "main", "urlpath": f"lab/tree/{folder}/{notebook}"}
    return f"{server}/hub/user-redirect/git-pull?{urlencode(asked)}"


def with_links(page: str, address: str) -> str:
    """Return a page with its links to Binder and to a hub made of this address."""
    page = re.sub(BINDER, lambda _: binder(address), page)
    return re.sub(HUB, lambda _: hub(address), page)


def main(root: Path = ROOT) -> int:
    """Put the links into README.md; return the exit status."""
    readme = root / "README.md"
    readme.write_text(
        with_links(readme.read_text(encoding="utf-8"), repository(root)), encoding="utf-8"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
