"""The layout's rules, read from the source: who may import whom, and what only one file may do.

Each check takes the sources as text and returns the lines that break it, so that made-up sources
can show that it would notice.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement

REPO = Path(__file__).resolve().parents[2]

# ---- the rules -----------------------------------------------------------------------------

# app -> pages -> components -> explain_core: each may import what stands to its right.
LAYERS = ("app", "pages", "components", "explain_core")

# Not part of the product: no product code may lean on them.
OUTSIDE = frozenset({"tests", "benchmarks"})

# What draws is no business of the core.
DRAWING = frozenset({"streamlit", "plotly", "matplotlib"})

# Inside the core each tier may import the ones before it.
TIERS = (
    frozenset({"errors", "types", "truth", "regions", "parameters", "maps", "memory"}),
    frozenset({"images", "models", "references"}),
    frozenset({"methods", "metrics", "exports"}),
    frozenset({"honesty"}),
    frozenset({"datasets"}),
    frozenset({"evaluation"}),
    frozenset({"__init__", "__main__", "commands"}),
)

# Inside a tier: these parts may import those.
SAME_TIER = {
    **{part: TIERS[0] for part in TIERS[0]},
    "models": frozenset({"images"}),
    "references": frozenset({"images", "models"}),
    "commands": frozenset({"__init__"}),
    "__main__": frozenset({"__init__", "commands"}),
}

# Methods never import each other, except these modules of `explain_core.methods`, on which
# several methods are built.
METHOD_BASES = frozenset(
    {
        *("method", "settings", "evidence", "derivatives", "masking", "sampling"),
        *("modifications", "guided_relu"),
        *("store", "rendering", "cam", "table", "preparing"),
    }
)

# These list the methods, and so may import them all.
METHOD_TABLES = frozenset({"explain_core.methods", "explain_core.methods.table"})

# Not loaded by `import explain_core`: dashboards, drawing, and all that is optional.
NOT_LOADED = (
    *("streamlit", "plotly", "matplotlib", "reportlab", "pypdfium2", "contourpy"),
    *(
        "faiss",
        "pydicom",
        "highdicom",
        "timm",
        "open_clip",
        "huggingface_hub",
        "captum",
        "ray",
        "pyarrow",
    ),
)

PICKLES = frozenset({"pickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"})
# What `torch.load(weights_only=True)` raises for a file that it refuses: needed to catch it.
PICKLE_ERRORS = frozenset({"UnpicklingError"})

CACHING = "components/caching/"
STATE = "components/state.py"

Sources = Mapping[str, str]


# ---- reading sources -----------------------------------------------------------------------


def module_name(path: str) -> str:
    """`pages/explain.py` -> `pages.explain`; a package goes by the name of its folder."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def parsed(source: str) -> ast.Module:
    return ast.parse(source)


def imported_modules(path: str, sources: Sources) -> Iterator[tuple[int, str]]:
    """Yield (line, module) for each import, at any depth of the file, relative ones resolved."""
    modules = {module_name(other) for other in sources}
    modules |= {module.rpartition(".")[0] for module in modules}
    package = module_name(path).split(".")
    if not path.endswith("/__init__.py"):
        package = package[:-1]
    for node in ast.walk(parsed(sources[path])):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            stem = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*stem, *([node.module] if node.module else [])])
            submodules = [f"{module}.{alias.name}" for alias in node.names]
            for target in dict.fromkeys(s if s in modules else module for s in submodules):
                yield node.lineno, target
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else None
            name = function.id if isinstance(function, ast.Name) else name
            if name in {"import_module", "__import__"} and isinstance(node.args[0].value, str):
                yield node.lineno, node.args[0].value


def dotted_names(source: str) -> Iterator[tuple[ast.expr, str]]:
    """Yield each name and attribute chain, `t.manual_seed` as `torch.manual_seed` where it is."""
    tree = parsed(source)
    meaning: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.split(".")[0]
                meaning[alias.asname or root] = alias.name if alias.asname else root
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                meaning[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            parts = []
            chain: ast.expr = node
            while isinstance(chain, ast.Attribute):
                parts.append(chain.attr)
                chain = chain.value
            # A chain that begins with a call or the like keeps its attributes only.
            parts.append(meaning.get(chain.id, chain.id) if isinstance(chain, ast.Name) else "")
            yield node, ".".join(reversed(parts))


def core_part(module: str) -> str:
    """`explain_core.methods.basis` -> `methods`; the package itself -> `__init__`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def tier_of(part: str) -> int | None:
    return next((i for i, tier in enumerate(TIERS) if part in tier), None)


# ---- the checks ----------------------------------------------------------------------------


def check_layers(sources: Sources) -> list[str]:
    """app -> pages -> components -> explain_core, never back; pages know nothing of each other."""
    broken = []
    for path in sources:
        here = module_name(path)
        layer = here.split(".")[0]
        for line, module in imported_modules(path, sources):
            root = module.split(".")[0]
            where = f"{path}:{line}: "
            if root in OUTSIDE:
                broken.append(f"{where}product code must not import {module}")
            elif root in LAYERS and LAYERS.index(root) < LAYERS.index(layer):
                broken.append(f"{where}{layer} must not import {module}")
            elif layer == root == "pages" and module != here:
                broken.append(f"{where}pages must not import each other: {module}")
            elif layer == "explain_core" and root in DRAWING:
                broken.append(f"{where}explain_core must not import {module}")
    return broken


def check_core_tiers(sources: Sources) -> list[str]:
    """Inside the core, imports go down the tiers, and sideways only where a table says so."""
    broken = []
    for path in sources:
        here = module_name(path)
        if here.split(".")[0] != "explain_core":
            continue
        part = core_part(here)
        tier = tier_of(part)
        if tier is None:
            broken.append(f"{path}: explain_core.{part} has no place in TIERS")
            continue
        for line, module in imported_modules(path, sources):
            if module.split(".")[0] != "explain_core":
                continue
            other = core_part(module)
            other_tier = tier_of(other)
            where = f"{path}:{line}: "
            if other_tier is None:
                broken.append(f"{where}explain_core.{other} has no place in TIERS")
            elif other_tier > tier:
                broken.append(f"{where}{part} must not import {module}")
            elif other == part:
                if part == "methods" and not may_share_a_method(here, module):
                    broken.append(f"{where}methods must not import each other: {module}")
            elif other_tier == tier and other not in SAME_TIER.get(part, ()):
                broken.append(f"{where}{part} must not import {module}")
    return broken


def may_share_a_method(here: str, module: str) -> bool:
    """A table of methods names every method; a method imports only the named bases."""
    return here in METHOD_TABLES or "".join(module.split(".")[2:3]) in METHOD_BASES


def check_caching(sources: Sources) -> list[str]:
    """Only the modules in `components/caching/` use st.cache_*."""
    return [
        f"{path}:{node.lineno}: only modules in {CACHING} may use {name}"
        for path, source in sources.items()
        if not path.startswith(CACHING)
        for node, name in dotted_names(source)
        if name.startswith("streamlit.") and name.split(".")[-1].startswith("cache_")
    ] + [
        f"{path}:{node.lineno}: only modules in {CACHING} may import {alias.name}"
        for path, source in sources.items()
        if not path.startswith(CACHING)
        for node in ast.walk(parsed(source))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("streamlit")
        for alias in node.names
        if alias.name.startswith("cache_")
    ]


def check_state(sources: Sources) -> list[str]:
    """Only `components/state.py` names session_state."""
    broken = []
    for path, source in sources.items():
        if path == STATE:
            continue
        for node in ast.walk(parsed(source)):
            named = {
                ast.Attribute: lambda n: n.attr,
                ast.Name: lambda n: n.id,
                ast.Constant: lambda n: n.value,
                ast.alias: lambda n: n.name,
            }.get(type(node))
            if named and named(node) == "session_state":
                broken.append(f"{path}:{node.lineno}: only {STATE} may name session_state")
    return broken


def check_core_calls(sources: Sources) -> list[str]:
    """The core seeds nothing globally, never calls backward, and neither freezes nor pickles."""
    broken = []
    for path, source in sources.items():
        if not path.startswith("explain_core/"):
            continue
        errors_only = {
            node.lineno
            for node in ast.walk(parsed(source))
            if isinstance(node, ast.ImportFrom) and {a.name for a in node.names} <= PICKLE_ERRORS
        }
        for line, module in imported_modules(path, sources):
            if module.split(".")[0] in PICKLES and line not in errors_only:
                broken.append(f"{path}:{line}: explain_core must not import {module}")
        names = dict(dotted_names(source))
        # inference_mode(False) is the way out of a caller's inference mode.
        ways_out = {
            node.func
            for node in ast.walk(parsed(source))
            if isinstance(node, ast.Call)
            and [getattr(argument, "value", None) for argument in node.args] == [False]
        }
        for node, name in names.items():
            where = f"{path}:{node.lineno}: explain_core must not use "
            last = name.split(".")[-1]
            # A generator's own manual_seed is fine: it does not begin with `torch`.
            if name.startswith("torch.") and last in {"manual_seed", "manual_seed_all"}:
                broken.append(f"{where}{name}; pass a torch.Generator in")
            elif last == "inference_mode" and node not in ways_out:
                broken.append(f"{where}inference_mode; a gradient may follow: no_grad")
        for node in ast.walk(parsed(source)):
            if not isinstance(node, ast.Call):
                continue
            where = f"{path}:{node.lineno}: explain_core must not "
            keywords = {k.arg: getattr(k.value, "value", None) for k in node.keywords}
            if isinstance(node.func, ast.Attribute) and node.func.attr == "backward":
                broken.append(f"{where}call backward; use torch.autograd.grad")
            if keywords.get("allow_pickle", False) is not False:
                broken.append(f"{where}allow pickle")
            if names.get(node.func) == "torch.load" and keywords.get("weights_only") is not True:
                broken.append(f"{where}call torch.load without weights_only=True")
    return broken


CHECKS = (check_layers, check_core_tiers, check_caching, check_state, check_core_calls)


# ---- the tree obeys ------------------------------------------------------------------------


def read_tree() -> dict[str, str]:
    files = [REPO / "app.py"] if (REPO / "app.py").exists() else []
    for folder in LAYERS[1:]:
        files += (REPO / folder).rglob("*.py")
    return {p.relative_to(REPO).as_posix(): p.read_text("utf-8") for p in sorted(files)}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_tree_obeys(check: Callable[[Sources], list[str]]) -> None:
    sources = read_tree()
    assert "explain_core/types.py" in sources
    broken = check(sources)
    assert not broken, "\n".join(broken)


def test_import_of_the_core_loads_nothing_optional() -> None:
    code = (
        "import sys, explain_core\n"
        f"loaded = [name for name in {NOT_LOADED!r} if name in sys.modules]\n"
        "sys.exit(f'import explain_core loads {loaded}' if loaded else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr


def test_requirements_cover_the_package() -> None:
    lines = (REPO / "requirements.txt").read_text("utf-8").splitlines()
    installed = {Requirement(s).name for line in lines if (s := line.split("#")[0].strip())}
    project = tomllib.loads((REPO / "pyproject.toml").read_text("utf-8"))["project"]
    needed = project["dependencies"] + project["optional-dependencies"]["app"]
    assert {Requirement(line).name for line in needed} <= installed


# ---- each check can fail -------------------------------------------------------------------

FORBIDDEN = [
    (check_layers, "components/a.py", "import pages.explain", "components must not import"),
    (check_layers, "components/a.py", "import app", "components must not import app"),
    (check_layers, "pages/a.py", "from app import main", "pages must not import app"),
    (check_layers, "pages/a.py", "from pages import b", "each other: pages.b"),
    (check_layers, "pages/a.py", "from . import b", "each other: pages.b"),
    (check_layers, "pages/a.py", "from .b import draw", "each other: pages.b"),
    (check_layers, "pages/a.py", "import benchmarks.speed", "must not import benchmarks.speed"),
    (check_layers, "explain_core/maps.py", "import streamlit as st", "import streamlit"),
    (check_layers, "explain_core/maps.py", "def f():\n    import plotly.express", "import plotly"),
    (check_layers, "explain_core/maps.py", "from matplotlib import cm", "import matplotlib"),
    (check_layers, "explain_core/maps.py", "from components import state", "import components"),
    (
        check_layers,
        "explain_core/maps.py",
        "import importlib\nimportlib.import_module('streamlit')",
        "import streamlit",
    ),
    (check_core_tiers, "explain_core/maps.py", "import explain_core.models", "maps must not"),
    (check_core_tiers, "explain_core/maps.py", "from .images import read", "maps must not"),
    (check_core_tiers, "explain_core/types.py", "import explain_core", "types must not"),
    (check_core_tiers, "explain_core/types.py", "from explain_core import VERSION", "types must"),
    (check_core_tiers, "explain_core/types.py", "from . import explain", "types must not"),
    (check_core_tiers, "explain_core/images/a.py", "from explain_core import models", "images"),
    (check_core_tiers, "explain_core/images/a.py", "from ..references import b", "images must not"),
    (check_core_tiers, "explain_core/models/a.py", "import explain_core.references", "models must"),
    (check_core_tiers, "explain_core/models/a.py", "import explain_core.methods.b", "models must"),
    (check_core_tiers, "explain_core/metrics/a.py", "import explain_core.methods", "metrics must"),
    (check_core_tiers, "explain_core/methods/a.py", "import explain_core.metrics.b", "methods mus"),
    (check_core_tiers, "explain_core/methods/a.py", "from explain_core.methods import b", "each o"),
    (check_core_tiers, "explain_core/methods/a.py", "from . import METHODS", "each other"),
    (check_core_tiers, "explain_core/methods/a.py", "from .b import f", "each other"),
    (check_core_tiers, "explain_core/methods/a.py", "import explain_core.datasets", "methods must"),
    (check_core_tiers, "explain_core/datasets/a.py", "import explain_core.__main__", "datasets"),
    (check_core_tiers, "explain_core/__init__.py", "from . import __main__", "__init__ must not"),
    (check_core_tiers, "explain_core/plots.py", "x = 1", "no place in TIERS"),
    (check_caching, "pages/a.py", "import streamlit as st\n@st.cache_data\ndef f(): ...", "only"),
    (check_caching, "app.py", "import streamlit\nstreamlit.cache_resource.clear()", "only"),
    (check_caching, "components/a.py", "from streamlit import cache_data", "only"),
    (check_caching, "components/caching_too.py", "from streamlit import cache_data", "only"),
    (check_state, "pages/a.py", "import streamlit as st\nst.session_state['x'] = 1", "only"),
    (check_state, "app.py", "from streamlit import session_state as s", "only"),
    (check_state, "components/a.py", "getattr(st, 'session_state')", "only"),
    (check_core_calls, "explain_core/maps.py", "import torch\ntorch.manual_seed(0)", "Generator"),
    (check_core_calls, "explain_core/maps.py", "from torch import manual_seed as s\ns(0)", "Gen"),
    (check_core_calls, "explain_core/maps.py", "import torch as t\nt.cuda.manual_seed_all(0)", "G"),
    (check_core_calls, "explain_core/maps.py", "y.sum().backward()", "autograd.grad"),
    (check_core_calls, "explain_core/maps.py", "@torch.inference_mode()\ndef f(): ...", "no_grad"),
    (check_core_calls, "explain_core/maps.py", "import torch\ntorch.inference_mode(True)", "no_g"),
    (check_core_calls, "explain_core/maps.py", "import pickle", "must not import pickle"),
    (check_core_calls, "explain_core/maps.py", "from pickle import loads", "must not import pick"),
    (check_core_calls, "explain_core/maps.py", "from pickle import UnpicklingError, load", "pickl"),
    (check_core_calls, "explain_core/maps.py", "np.load(f, allow_pickle=True)", "allow pickle"),
    (check_core_calls, "explain_core/maps.py", "import torch as t\nt.load(f)", "weights_only"),
    (check_core_calls, "explain_core/maps.py", "from torch import load\nload(f)", "weights_only"),
]

ALLOWED = [
    ("app.py", "import pages.explain, components.state, explain_core"),
    ("pages/a.py", "from components import caching\nfrom explain_core.types import Contrast"),
    ("components/a.py", "import streamlit as st\nimport explain_core as xc\nfrom . import b"),
    (f"{CACHING}models.py", "import streamlit as st\n@st.cache_data(max_entries=4)\ndef f(): ..."),
    (STATE, "import streamlit as st\nst.session_state.setdefault('x', 1)"),
    ("explain_core/types.py", "from explain_core.maps import relu"),
    ("explain_core/models/a.py", "from explain_core.images import read\nfrom .b import c"),
    ("explain_core/references/a.py", "import explain_core.models.b, explain_core.images"),
    ("explain_core/methods/__init__.py", "from explain_core.methods import a, b"),
    ("explain_core/methods/table.py", "from explain_core.methods import a, b"),
    (
        "explain_core/methods/a.py",
        "from explain_core.methods.evidence import f\nfrom . import evidence",
    ),
    ("explain_core/metrics/a.py", "from explain_core.metrics.b import curve"),
    ("explain_core/datasets/a.py", "import explain_core.metrics, explain_core.methods.b"),
    ("explain_core/__init__.py", "from explain_core.methods import METHODS"),
    ("explain_core/__main__.py", "import explain_core as xc\nfrom explain_core import METHODS"),
    ("explain_core/maps.py", "import torch\nrng = torch.Generator()\nrng.manual_seed(0)"),
    ("explain_core/maps.py", "import torch\nrng = torch.Generator().manual_seed(0)"),
    ("explain_core/maps.py", "from pickle import UnpicklingError"),
    ("explain_core/maps.py", "import torch\nwith torch.inference_mode(False): ..."),
    ("explain_core/maps.py", "class F:\n    def backward(ctx): ..."),
    ("explain_core/maps.py", "torch.load(f, weights_only=True)\nnp.load(f, allow_pickle=False)"),
]

# So that `from pages import b` is seen as the import of a module.
OTHERS = {
    f"{folder}/{name}.py": ""
    for folder in ("pages", "components", "explain_core/models", "explain_core/methods")
    for name in ("__init__", "b")
} | {"explain_core/methods/evidence.py": "", "explain_core/__main__.py": ""}


@pytest.mark.parametrize(("check", "path", "source", "message"), FORBIDDEN)
def test_check_notices(
    check: Callable[[Sources], list[str]], path: str, source: str, message: str
) -> None:
    (broken,) = check({**OTHERS, path: source})
    assert broken.startswith(path)
    assert message in broken


@pytest.mark.parametrize(("path", "source"), ALLOWED)
def test_check_allows(path: str, source: str) -> None:
    assert [line for check in CHECKS for line in check({**OTHERS, path: source})] == []
