"""What JupyterLab reads of a notebook: the file, without views of widgets that are gone."""

from typing import Any, cast

from jupyter_server.serverapp import ServerApp
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


class CourseContents(AsyncLargeFileManager):
    """The usual contents manager, for a notebook that is opened after its kernel has ended.

    JupyterLab would write "Error displaying widget" over a saved lab, though the lab's text stands
    beside the view. The file on disk is not touched; with its kernel alive a notebook is read as
    it is, so that a reloaded page finds its labs.
    """

    async def get(self, path: str, content: bool = True, *args: Any, **kwargs: Any) -> Any:
        """Read a file or folder; of a notebook without a session drop the widget views."""
        model = await super().get(path, content, *args, **kwargs)
        if content and model["type"] == "notebook" and not await self._has_session(path):
            drop_views(model["content"])
        return model

    async def _has_session(self, path: str) -> bool:
        server = cast(ServerApp, self.parent)
        sessions = await server.session_manager.list_sessions()
        return any(s["path"].strip("/") == path.strip("/") for s in sessions)


def drop_views(notebook: Any) -> None:
    """Remove the widget views from a notebook's outputs where text stands beside them."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if len(data) > 1:
                data.pop(WIDGET_VIEW, None)
