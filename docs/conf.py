"""Sphinx: ``python -m sphinx -W -b html docs docs/_build``, from the top of a checkout.

The pages are written to be read on a repository as well, and link to Markdown outside of this
folder. Such files are copied into the site, and links to them led to the copies.
"""

import os
import re
import sys
from pathlib import Path

import sklearn_relatif

project = "sklearn_relatif"
author = "The sklearn_relatif developers"
copyright = author
release = version = sklearn_relatif.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
html_theme = "furo"
html_title = f"sklearn_relatif {release}"
html_copy_source = False

# Links to headings look as they do on a repository.
myst_heading_anchors = 3

# Docstrings tell the types; the template of a class lists its members.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
# Sections in order and known, parameters that exist, in the order of the signature, with types.
numpydoc_validation_checks = {"GL06", "GL07", "PR02", "PR03", "PR04", "PR05", "PR10"}

DOCS = Path(__file__).parent.resolve()
# For the gallery to find the names that are given as text.
sys.path.insert(0, str(DOCS))

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "generated/gallery",
    "filename_pattern": r"\.py$",
    "reset_argv": "gallery.arguments",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "plot_gallery": "True",
}

COPIES = {
    DOCS.parent / "README.md": DOCS / "generated" / "front_page.md",
    DOCS.parent / "CONTRIBUTING.md": DOCS / "generated" / "contributing.md",
    DOCS.parent / "benchmarks" / "README.md": DOCS / "generated" / "benchmarks.md",
    DOCS.parent / "benchmarks" / "paper" / "RESULTS.md": DOCS / "generated" / "paper.md",
}


def relink(text, source, page):
    """Let the relative links of a page lead from its place in the site to copies where they exist.

    Parameters
    ----------
    text : str
    source, page : Path
        The folder that the links are relative to, and the one that they will be relative to.
    """

    def place(link):
        path, hash_sign, anchor = link[1].partition("#")
        if not path or ":" in path:
            return link[0]
        target = (source / path).resolve()
        return f"]({os.path.relpath(COPIES.get(target, target), page)}{hash_sign}{anchor})"

    return re.sub(r"\]\(([^)\s]+)\)", place, text)


def copy_pages(app, config):
    for source, copy in COPIES.items():
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(relink(source.read_text("utf-8"), source.parent, copy.parent), "utf-8")


def relink_guide(app, name, content):
    if (DOCS / f"{name}.md").parent == DOCS:
        content[0] = relink(content[0], DOCS, DOCS)


def setup(app):
    app.connect("config-inited", copy_pages)
    app.connect("source-read", relink_guide)
