"""A notebook as one HTML file that asks the network for nothing: `jupyter nbconvert --to vglib`."""

from pathlib import Path
from typing import Any

from jinja2 import pass_context
from nbconvert.exporters import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from traitlets import default
from traitlets.config import Config

from vglib.jupyter.mathml import formula

# What a page without scripts can show, the best first.
SHOWN = ("text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/plain")


class Renderer(IPythonRenderer):
    """nbconvert's own, with formulas as MathML; where none can be made they stay as written."""

    def block_math(self, body: str) -> str:
        """Return a formula on lines of its own."""
        return self._formula(body, True) or super().block_math(body)

    def inline_math(self, body: str) -> str:
        """Return a formula in a line."""
        return self._formula(body, False) or super().inline_math(body)

    def _formula(self, latex: str, display: bool) -> str:
        try:
            return formula(latex, display)
        except (ImportError, ValueError):
            return ""


class PageExporter(HTMLExporter):
    """nbconvert's HTML without scripts, its pictures with the words that stand beside them."""

    export_from_notebook = "HTML (needs no network)"

    @default("template_name")
    def _template_name_default(self) -> str:
        return "vglib"

    @default("extra_template_basedirs")
    def _default_extra_template_basedirs(self) -> list[str]:
        return [str(Path(__file__).parent / "templates")]

    @property
    def default_config(self) -> Config:
        """nbconvert's, but that widgets and scripts are passed over for what stands beside them."""
        config = super().default_config
        config.NbConvertBase.display_data_priority = list(SHOWN)
        return config

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        """Return markdown as HTML, its formulas as MathML."""
        attachments = context.get("cell", {}).get("attachments", {})
        renderer = Renderer(escape=False, attachments=attachments, anchor_link_text="")
        return str(MarkdownWithMath(renderer=renderer).render(source))
