"""The direction of the imports, and that an import does nothing but import."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "vglib"
MODULES = sorted(PACKAGE.rglob("*.py"))
STANDARD = sys.stdlib_module_names

# What each core module may import beside the standard library: "vglib.x" is a core module.
CORE: dict[str, set[str]] = {
    "__init__": set(),
    "__main__": {"vglib.course.copies"},
    "checks": set(),
    "words": {"numpy"},
    "results": {"numpy"},
    "theory": {"numpy", "scipy", "vglib.checks", "vglib.results"},
    "activations": {"numpy", "torch", "vglib.checks"},
    "scaled": {"numpy", "torch"},
    "weather": {"numpy", "torch"},
    "losses": {"torch"},
    "data": {"numpy", "torch", "sklearn"},
    "networks": {"torch", "vglib.activations", "vglib.checks"},
    "learn": {"numpy", "vglib.scaled"},
    "probe": {
        *("numpy", "torch"),
        *("vglib.networks", "vglib.results", "vglib.scaled"),
    },
    "backprop": {
        *("numpy", "scipy", "torch"),
        *("vglib.activations", "vglib.losses", "vglib.networks", "vglib.probe"),
    },
    "training": {
        *("numpy", "torch", "tqdm"),
        *("vglib.backprop", "vglib.checks", "vglib.data", "vglib.networks", "vglib.probe"),
        "vglib.results",
    },
    "claim": {"numpy", "vglib.weather", "vglib.words", "vglib.docket.command"},
    "exercise": {"numpy", "torch"},
    "figures": {"numpy", "plotly"},
    "lab.__init__": {
        *("numpy", "plotly", "ipywidgets"),
        *("vglib.checks", "vglib.figures", "vglib.lab", "vglib.results", "vglib.weather"),
        *("vglib.jupyter.kernel", "vglib.still.captioned", "vglib.still.png"),
    },
    "lab.controls": {"numpy", "ipywidgets", "vglib.checks"},
    "lab.live": {
        *("numpy", "plotly", "ipywidgets", "anywidget", "comm", "traitlets"),
        *("vglib.figures", "vglib.jupyter.kernel"),
    },
}

# An author's tool, imported where it is used: the package must import without it.
OPTIONAL: dict[str, set[str]] = {
    "still.png": {"kaleido", "PIL"},
    "jupyter.mathml": {"latex2mathml"},
}

# Beside the core: stills of its figures, and what runs in Jupyter's processes, not in the kernel.
BESIDE: dict[str, set[str]] = {
    "still": {"numpy", "plotly", "vglib.figures"},
    "jupyter": {"jupyter_server", "nbconvert", "jinja2", "traitlets", "IPython"},
    "docket": {"vglib.checks", "vglib.claim", "vglib.words", "vglib.course.copies"},
}
# The court is a chapter about all claims, so it alone may ask for them.
ASKS_FOR_ALL = {"court": "vglib.docket"}

# The doctor stands on the core, and only its pictures draw.
DOCTOR = {"numpy", "torch", "vglib.activations", "vglib.checks", "vglib.words"}
DOCTOR_DRAWS = {"pictures": {"vglib.figures"}, "report": {"vglib.still.image"}}

# A chapter's own code: pure compute below, drawing in labs.py alone.
BELOW = {f"vglib.{name}" for name in CORE if not name.startswith(("lab", "figures", "__"))}
COMPUTE = {"numpy", "scipy", "torch", "sklearn", "pooch", "tqdm", *BELOW}
LABS = {*COMPUTE, "vglib.figures", "vglib.lab", "vglib.lab.controls"}
CHAPTER: dict[str, set[str]] = {
    "labs": LABS,
    "labs_today": LABS,
    "drawings": {*COMPUTE, "vglib.figures"},
}


def imports(source: str, package: str = "vglib") -> set[str]:
    """Return what is imported anywhere in the source: top-level names, or vglib.x[.y]."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            # A folder hands out modules, a module hands out what it defines.
            top, *below = base.split(".")
            core = {name.split(".")[0] for name in CORE}
            folder = top == "vglib" and (not below or (len(below) == 1 and below[0] not in core))
            found |= {f"{base}.{a.name}" for a in node.names} if folder else {base}
    return {name if name.startswith("vglib") else name.split(".")[0] for name in found}


def bare_imports(node: ast.stmt) -> set[str]:
    """Return the top-level names that a statement of a module's body imports itself."""
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    return {(node.module or "").split(".")[0]} if isinstance(node, ast.ImportFrom) else set()


def refused(path: Path, source: str) -> set[str]:
    """Return the imports in a module of vglib that the tables do not allow."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    package = ".".join(["vglib", *parts[:-1]])
    asked = {name for name in imports(source, package) if name.split(".")[0] not in STANDARD}
    if len(parts) == 1 or parts[0] == "lab":
        name = ".".join(parts)
        assert name in CORE, f"vglib/{'/'.join(parts)}.py is not in this test's table of the core"
        if name == "lab.__init__":
            asked = {asked_for for asked_for in asked if not asked_for.startswith("vglib.lab.")}
        return asked - CORE[name]
    if parts[0] in BESIDE:
        at_the_top = {found for node in ast.parse(source).body for found in bare_imports(node)}
        own = {name for name in asked if name.startswith(f"vglib.{parts[0]}")}
        return asked - own - BESIDE[parts[0]] - (OPTIONAL.get(".".join(parts), set()) - at_the_top)
    if parts[0] == "doctor":
        allowed = DOCTOR | DOCTOR_DRAWS.get(parts[-1], set())
    else:
        allowed = CHAPTER.get(parts[-1], COMPUTE)
        above = ("vglib.doctor", ASKS_FOR_ALL.get(parts[0], "vglib.doctor"))
        asked = {name for name in asked if not name.startswith(above)}
    own = {name for name in asked if name == package or name.startswith(package + ".")}
    if parts[-1] != "labs":
        own = {name for name in own if not name.startswith(f"{package}.labs")}
    return asked - allowed - own


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_flow_downwards(path: Path) -> None:
    assert refused(path, path.read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_wildcards(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [a.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names]
    assert "*" not in names


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("theory.py", "import torch"),
        ("theory.py", "def f():\n    import torch.nn.functional as F"),
        ("networks.py", "from vglib import probe"),
        ("networks.py", "from .probe import trace"),
        ("networks.py", "from . import probe"),
        ("probe.py", "import plotly.graph_objects as go"),
        ("figures.py", "import ipywidgets"),
        ("figures.py", "from vglib.lab import Lab"),
        ("training.py", "from vglib.concept.experiments import run"),
        ("lab/__init__.py", "import matplotlib.pyplot as plt"),
        ("lab/__init__.py", "import anywidget"),
        ("lab/controls.py", "from vglib.lab import Lab"),
        ("still/png.py", "import kaleido"),
        ("still/png.py", "import ipywidgets"),
        ("jupyter/server.py", "import torch"),
        ("jupyter/server.py", "from vglib.lab import Lab"),
        ("theory.py", "from vglib.jupyter import server"),
        ("concept/experiments.py", "import plotly"),
        ("concept/experiments.py", "from vglib.figures import curve"),
        ("concept/experiments.py", "from vglib import lab"),
        ("concept/experiments.py", "from vglib.concept import labs"),
        ("concept/experiments.py", "from . import labs"),
        ("concept/check.py", "from vglib.sigmoid.experiments import run"),
        ("concept/claims.py", "import plotly"),
        ("concept/labs.py", "import ipywidgets"),
        ("concept/labs.py", "import anywidget"),
        ("concept/labs.py", "import plotly.graph_objects as go"),
        ("concept/drawings.py", "from vglib.lab import Lab"),
        ("concept/surface.py", "from vglib.figures import Curve"),
        ("concept/labs.py", "from vglib.sigmoid import experiments"),
        ("concept/labs.py", "from vglib.docket import registry"),
        ("court/labs.py", "from vglib.sigmoid import experiments"),
    ],
)
def test_the_test_refuses(module: str, source: str) -> None:
    assert len(refused(PACKAGE / module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("theory.py", "import math, numpy as np\nfrom scipy.special import erf"),
        ("networks.py", "from vglib.activations import get_activation"),
        ("networks.py", "from . import activations"),
        ("lab/__init__.py", "from vglib import figures\nfrom vglib.lab import controls, live"),
        ("lab/__init__.py", "from vglib.still import png"),
        ("still/png.py", "def picture():\n    import kaleido"),
        ("concept/drawings.py", "from vglib import figures\nfrom vglib.concept import surface"),
        ("concept/labs.py", "from vglib.concept import experiments\nfrom vglib.lab import Lab"),
        ("concept/check.py", "from vglib.concept.experiments import run\nimport vglib.exercise"),
        ("concept/labs.py", "from . import experiments"),
        ("court/page.py", "from vglib.docket import registry"),
    ],
)
def test_the_test_allows(module: str, source: str) -> None:
    assert refused(PACKAGE / module, source) == set()


def in_a_new_process(code: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_importing_the_package_imports_nothing_heavy() -> None:
    found = in_a_new_process(
        "import json, sys, vglib\n"
        "heavy = ('torch', 'numpy', 'scipy', 'plotly', 'matplotlib', 'ipywidgets', 'sklearn')\n"
        "print(json.dumps({'loaded': [name for name in heavy if name in sys.modules]}))"
    )
    assert found == {"loaded": []}


def test_importing_a_module_changes_nothing() -> None:
    """No default dtype, no random state, no thread count, no theme, no warnings filter of ours."""
    names = [f"vglib.{name}".removesuffix(".__init__") for name in CORE]
    found = in_a_new_process(
        "import importlib, json, os, random, sys\n"
        "import numpy as np, torch, plotly.io as pio\n"
        "state = lambda: repr([torch.get_default_dtype(), torch.get_rng_state().tolist(),\n"
        "    np.random.get_state(), random.getstate(), torch.get_num_threads(),\n"
        "    torch.is_grad_enabled(), np.geterr(), np.get_printoptions(),\n"
        "    torch.are_deterministic_algorithms_enabled(), pio.templates.default,\n"
        "    sorted(pio.templates), os.getcwd()])\n"
        "before = state()\n"
        f"for name in {sorted(names)!r}:\n"
        "    importlib.import_module(name)\n"
        "print(json.dumps({'same': state() == before, 'pyplot': 'matplotlib' in sys.modules}))"
    )
    assert found == {"same": True, "pyplot": False}


def private(source: str) -> set[str]:
    """Return the private names that a source asks of other objects than its own."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Attribute) and re.match(r"_[a-z]", node.attr)):
            continue
        owner = node.value
        own = isinstance(owner, ast.Name) and owner.id in ("self", "cls", "other")
        # A lab's figure and box are parts of the lab.
        parts = isinstance(owner, ast.Attribute) and owner.attr in ("_view", "_box")
        if not own and not parts:
            found.add(node.attr)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nobody_asks_for_what_is_private_to_others(path: Path) -> None:
    """Of plotly, anywidget, ipywidgets and traitlets above all, which change it as they please."""
    # `_repr_mimebundle_` is IPython's way to ask for a display, and public by its underscores.
    found = {name for name in private(path.read_text(encoding="utf-8")) if not name.endswith("_")}
    assert found == set()


def test_the_page_is_drawn_by_no_figure_widget() -> None:
    for path in MODULES:
        assert "FigureWidget" not in path.read_text(encoding="utf-8"), path
