"""What a Jupyter server does for labs: a saved one is a picture, and lives while its kernel does.

JupyterLab and Notebook prefer a widget's view to the picture beside it; of a kernel that has ended
they then show "Error displaying widget". So in the file a lab's view is put aside, into the
metadata of its output, and a page that opens the notebook while that very kernel runs gets it back.
Nothing else is touched: an output is a lab's where its metadata say which kernel made it.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jupyter_server.serverapp import ServerApp
from jupyter_server.services.contents.handlers import ContentsHandler, default_handlers
from jupyter_server.utils import ensure_async, url_path_join

VIEW = "application/vnd.jupyter.widget-view+json"
MARK = "vglib"
# What a lab's picture ends with; copies of before there was a mark have it alone.
WORDS = "Run this cell to bring the lab to life."


def put_aside(notebook: Mapping[str, Any]) -> None:
    """Move the views of labs out of what a notebook shows."""
    for data, mark in _labs(notebook):
        if VIEW in data and len(data) > 1:
            mark["view"] = data.pop(VIEW)


def give_back(notebook: Mapping[str, Any], runs: Callable[[Mapping[str, Any]], bool]) -> None:
    """Move the views of labs back whose kernel still `runs`, a question about an output's mark."""
    for data, mark in _labs(notebook):
        if "view" in mark and runs(mark):
            data[VIEW] = mark.pop("view")


def _labs(notebook: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for cell in notebook.get("cells", ()):
        for output in cell.get("outputs", ()):
            data, metadata = output.get("data", {}), output.get("metadata", {})
            if MARK not in metadata and WORDS in str(data.get("text/html")):
                metadata[MARK] = {}
            if isinstance(mark := metadata.get(MARK), dict):
                yield data, mark


def runs(kernels: Any, mark: Mapping[str, Any]) -> bool:
    """Return whether the kernel that left the mark runs; not where it was started anew since."""
    provisioner = getattr(kernels.get_kernel(mark["kernel"]), "provisioner", None)
    process = getattr(provisioner, "pid", None)
    # A kernel elsewhere, behind a gateway, has no process here.
    return process is None or process in mark.get("processes", ())


class Shown:
    """A contents manager as a page sees it: a notebook has its labs while their kernel runs."""

    def __init__(self, manager: Any, server: Any) -> None:
        self._manager, self._server = manager, server

    def __getattr__(self, name: str) -> Any:
        return getattr(self._manager, name)

    async def get(self, path: str, **options: Any) -> dict[str, Any]:
        """Read a file or folder; raises what the contents manager raises."""
        model: dict[str, Any] = await ensure_async(self._manager.get(path=path, **options))
        if model["type"] != "notebook" or not model["content"]:
            return model
        sessions = await ensure_async(self._server.session_manager.list_sessions())
        wanted = path.strip("/")
        own = {s["kernel"]["id"] for s in sessions if s["path"].strip("/") == wanted}
        kernels = self._server.kernel_manager
        # What was saved where this extension is not still has its views.
        put_aside(model["content"])
        give_back(model["content"], lambda m: m.get("kernel") in own and runs(kernels, m))
        return model


class LabsHandler(ContentsHandler):
    """The server's answers about files, whichever contents manager keeps them."""

    @property
    def contents_manager(self) -> Any:
        """The server's, as a page sees it."""
        return Shown(super().contents_manager, self)


def before_saving(model: Mapping[str, Any], **_: Any) -> None:
    """Put the labs of a notebook aside, as a contents manager's hook."""
    if model["type"] == "notebook" and model.get("content"):
        put_aside(model["content"])


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    server.contents_manager.register_pre_save_hook(before_saving)
    base = server.web_app.settings["base_url"]
    ours = [
        (url_path_join(base, route), LabsHandler if handler is ContentsHandler else handler)
        for route, handler in default_handlers
    ]
    # Tornado asks the handlers that came last first.
    server.web_app.add_handlers(".*$", ours)
