"""Draw the house: the rooms of the package and their imports, from the code itself.

``python docs/house.py`` writes ``docs/images/house.svg``. The order of the rooms is the one that
``docs/architecture.md`` states; tests/test_house.py holds the code to it.
"""

from __future__ import annotations

import ast
import re
from html import escape
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "sklearn_relatif"
PAGE, PICTURE = ROOT / "docs" / "architecture.md", ROOT / "docs" / "images" / "house.svg"
#: Rooms inside rooms, which are floors of their own.
INNER = ("removal.active_set",)

WIDTH, FLOOR, BOX, LEFT, TOP = 860, 44, 34, 300, 16


class Arrow(NamedTuple):
    """One module imports another, at the top of it or anywhere else."""

    importer: str
    imported: str


def modules() -> dict[str, Path]:
    """Files of the package by their dotted names, without that of the package."""
    return {_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def _name(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def arrows() -> set[Arrow]:
    """All imports of modules of the package by each other, those inside functions included."""
    known = modules()
    return {arrow for name, path in known.items() for arrow in _arrows_of(name, path, known)}


def _arrows_of(name, path, known):
    here = name.split(".") if name else []
    folder = here if path.name == "__init__.py" else here[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = folder[: len(folder) - node.level + 1]
        source = ".".join([*base, *(node.module.split(".") if node.module else [])])
        for alias in node.names:
            inner = f"{source}.{alias.name}".lstrip(".")
            yield Arrow(name, inner if inner in known else source)


def room(module: str) -> str:
    """The room of a module; a file at the top of the package is one of its own."""
    inner = next((place for place in INNER if f"{module}.".startswith(f"{place}.")), None)
    return inner or module.partition(".")[0]


def room_arrows() -> set[Arrow]:
    """Imports between rooms. The face of the package imports what it shows, and is no room."""
    between = {Arrow(room(a), room(b)) for a, b in arrows()}
    return {arrow for arrow in between if arrow.importer != arrow.imported and all(arrow)}


def floors() -> list[str]:
    """The rooms as ``docs/architecture.md`` orders them, the ground floor last."""
    text = PAGE.read_text(encoding="utf-8")
    block = re.search(r"<!-- floors -->\n(.*?)\n\n", text, re.DOTALL)
    assert block, "docs/architecture.md has no list of floors"
    return re.findall(r"^\d+\. `([\w.]+)`", block[1], re.MULTILINE)


def picture() -> str:
    """The house as SVG: a floor a room, and an arc from each room to those that it imports."""
    order = floors()
    height = {name: TOP + place * FLOOR + BOX / 2 for place, name in enumerate(order)}
    arcs = sorted(room_arrows() & {Arrow(a, b) for a in order for b in order})
    size = f"0 0 {WIDTH} {2 * TOP + FLOOR * len(order)}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}" font-family="sans-serif"'
        ' role="img" aria-label="Rooms of the package and their imports">',
        '<rect width="100%" height="100%" fill="white"/>',
        *(_arc(height[a], height[b]) for a, b in arcs),
        *(_box(name, height[name]) for name in order),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _arc(start, end):
    reach = LEFT - 20 - 0.85 * (end - start) / 2.4
    path = f"M {LEFT} {start:g} C {reach:.0f} {start:g} {reach:.0f} {end:g} {LEFT} {end:g}"
    return f'<path d="{path}" fill="none" stroke="#0072B2" stroke-opacity="0.45"/>'


def _box(name, middle):
    files = [m.rpartition(".")[2].lstrip("_") for m in modules() if room(m) == name and m != name]
    files = [file for file in files if file not in INNER]
    words = ", ".join(files)
    words = words if len(words) <= 72 else f"{words[:70].rpartition(', ')[0]}, …"
    top, small = middle - BOX / 2, 'font-size="10" fill="#555"'
    return (
        f'<rect x="{LEFT}" y="{top:g}" width="{WIDTH - LEFT - 12}" height="{BOX}" rx="5" '
        'fill="#f4f6f8" stroke="#808080"/>'
        f'<text x="{LEFT + 10}" y="{middle - 2:g}" font-size="13" font-weight="bold">'
        f"{escape(name)}</text>"
        f'<text x="{LEFT + 10}" y="{middle + 12:g}" {small}>{escape(words)}</text>'
    )


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
