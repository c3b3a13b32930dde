"""The house is as docs/architecture.md says: imports lead down, and nobody reaches into others."""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SPEC = importlib.util.spec_from_file_location("house", ROOT / "docs" / "house.py")
house = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(house)

#: Private attributes of named tuples, and of what scikit-learn asks to be implemented.
OF_OTHERS = {"_replace", "_asdict", "_fields", "_init_callback_context"}
#: What has no public form in scikit-learn, and the one module that reads it, which says why.
OF_SCIKIT_LEARN = {
    "adapters._hist_leaves": {
        "_baseline_prediction",
        "_predictors",
        "_random_seed",
        "_staged_raw_predict",
    }
}
#: What is called after our own nouns is ours.
OWN_NOUNS = re.compile(
    r"(curvature|inverse|solver|norms|rows|queries|gradients|objective|loss|jacobian|kernel|adapter"
    r"|explainer|study|machine|remover|models)$"
)
#: Types that arguments of users may have.
BUILT_IN = {"slice", "str", "(str, bytes)"}


def test_every_room_has_its_floor():
    rooms = {house.room(name) for name in house.modules()} - {"", "__main__", "_version"}
    assert rooms == set(house.floors())


def test_imports_lead_down():
    order = house.floors()
    up = {
        arrow
        for arrow in house.room_arrows()
        if arrow.imported != "_version" and arrow.importer != "__main__"
        if order.index(arrow.importer) >= order.index(arrow.imported)
    }
    assert not up


def test_no_modules_import_each_other_in_a_circle():
    faces = {name for name, path in house.modules().items() if path.name == "__init__.py"}
    arrows = {a for a in house.arrows() if not {a.importer, a.imported} & faces}
    left = {name for arrow in arrows for name in arrow}
    while left:
        free = left - {a.importer for a in arrows if a.imported in left}
        assert free, f"a circle among {sorted(left)}"
        left -= free


def test_the_picture_is_of_this_house():
    assert house.PICTURE.read_text("utf-8") == house.picture(), "run python docs/house.py"


def trees():
    return [
        pytest.param(path.read_text("utf-8"), id=name or "the face")
        for name, path in house.modules().items()
    ]


@pytest.mark.parametrize("code", trees())
def test_no_private_attribute_of_another_module_is_read(code, request):
    tree = ast.parse(code)
    allowed = OF_OTHERS | OF_SCIKIT_LEARN.get(request.node.callspec.id, set())
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    own = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    own |= {
        name.attr if isinstance(name, ast.Attribute) else name.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in getattr(node, "targets", None) or [node.target]
        for name in ast.walk(target)
        if isinstance(name, ast.Attribute | ast.Name)
    }
    read = {
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and re.match(r"_[^_]", node.attr)
        if node.attr not in allowed | own
        if not (isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"} | imported)
    }
    assert not read


@pytest.mark.parametrize("code", trees())
def test_no_object_of_ours_is_probed(code):
    probes = {
        ast.unparse(node)
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if node.func.id in ("hasattr", "getattr", "isinstance")
        if OWN_NOUNS.search(ast.unparse(node.args[0]))
        if ast.unparse(node.args[1]) not in BUILT_IN
    }
    assert not probes


@pytest.mark.parametrize("code", trees())
def test_what_is_optional_is_imported_where_it_is_used(code):
    """Without it, the module can still be imported: by doctests, or tests that are left out."""
    needed = {"sklearn", "numpy", "scipy", "joblib", "threadpoolctl", "narwhals"}
    tops = ast.parse(code).body
    imported = {alias.name for node in tops if isinstance(node, ast.Import) for alias in node.names}
    imported |= {
        node.module for node in tops if isinstance(node, ast.ImportFrom) and not node.level
    }
    roots = {name.partition(".")[0] for name in imported}
    assert not roots - needed - sys.stdlib_module_names


def test_the_import_is_light():
    heavy = ["matplotlib", "torch", "sphinx", "pytest", "distributed"]
    code = f"import sys, sklearn_relatif; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert found.stdout.strip() == "[]", found.stdout + found.stderr
