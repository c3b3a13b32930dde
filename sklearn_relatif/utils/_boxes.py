"""Boxes that notebooks show, in the style of scikit-learn's for estimators.

Each brings its own style, for itself alone, and loads nothing. It is light or dark as the notebook
is, where that says so, or else as the browser is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import count
from string import Template

from ._colors import OPPOSING, OPPOSING_ON_DARK, SUPPORTING, SUPPORTING_ON_DARK

_LIGHT = (
    "--paper: #ffffff; --wash: #f0f8ff; --head: #d4ebff; --ink: #1b1f24; --soft: #57606a; "
    f"--line: #c3ccd5; --supports: {SUPPORTING}; --opposes: {OPPOSING};"
)
_DARK = (
    "--paper: #14181d; --wash: #1a2530; --head: #21405a; --ink: #e8ebee; --soft: #a3acb6; "
    f"--line: #3a424b; --supports: {SUPPORTING_ON_DARK}; --opposes: {OPPOSING_ON_DARK};"
)
#: What JupyterLab, VS Code, Colab and Sphinx write around what they show.
_SAYS_LIGHT = (
    '[data-jp-theme-light="true"]', ".vscode-light", 'html[theme="light"]', '[data-theme="light"]',
)  # fmt: skip
_SAYS_DARK = (
    '[data-jp-theme-light="false"]', ".vscode-dark", 'html[theme="dark"]', '[data-theme="dark"]',
)  # fmt: skip
_STYLE = Template("""
#$id { $light }
@media (prefers-color-scheme: dark) { #$id { $dark } }
$says_light { $light }
$says_dark { $dark }
@media print { #$id { $light } }
#$id { display: inline-block; box-sizing: border-box; max-width: 100%; color: var(--ink);
  background: var(--paper); border: 1px dotted var(--ink); border-radius: .25em; overflow: hidden;
  font: 13px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  text-align: left; overflow-wrap: anywhere; }
#$id .head { background: var(--head); padding: .4em .8em; text-align: center; }
#$id .head b { font-family: monospace; }
#$id .head span, #$id .soft { color: var(--soft); }
#$id .head span { color: var(--ink); font-size: .85em; margin-left: .6em; }
#$id .body { padding: .2em .8em .5em; }
#$id p { margin: .45em 0; max-width: 60em; }
#$id ol, #$id ul { margin: .3em 0; padding-left: 1.6em; max-width: 58em; }
#$id .strong { border-left: .25em solid var(--opposes); padding-left: .6em; }
#$id details, #$id details + p { border-top: 1px solid var(--line); margin: 0 -.8em; }
#$id details { padding: 0 .8em; }
#$id details + p { padding: .4em .8em 0; max-width: none; }
#$id details:nth-of-type(odd) { background: var(--wash); }
#$id summary { cursor: pointer; padding: .3em 0; }
#$id .scroll { overflow-x: auto; max-width: 100%; margin: .3em 0; }
#$id table { border-collapse: collapse; margin: 0; font-size: 1em; color: inherit;
  border: none; font-variant-numeric: tabular-nums; overflow-wrap: normal; width: auto; }
#$id tr { background: none; }
#$id th, #$id td { padding: .15em .7em; text-align: right; vertical-align: top; border: none;
  max-width: 22em; white-space: normal; }
#$id thead th { border-bottom: 1px solid var(--line); font-weight: 600; }
#$id th.text, #$id td.text, #$id .across { text-align: left; }
#$id .across { max-width: none; padding-top: .5em; }
#$id td.more { text-align: left; max-width: 60em; padding: 0 .7em .4em; color: var(--soft); }
#$id td.more b { color: var(--ink); font-weight: 600; }
#$id .supports > :first-child { border-left: .35em solid var(--supports); }
#$id .opposes > :first-child { border-left: .35em solid var(--opposes); }
#$id .neither > :first-child { border-left: .35em solid transparent; }
#$id .key { display: inline-block; margin-right: 1.2em; padding-left: .4em; }
#$id .key.supports { border-left: .35em solid var(--supports); }
#$id .key.opposes { border-left: .35em solid var(--opposes); }
#$id code { font-family: monospace; background: none; color: inherit; padding: 0; }
""")
_ids = count(1)


def box(title: str, caption: str, content: str) -> str:
    """A box with a head.

    Parameters
    ----------
    title : str
        The name of a class.
    caption : str
        What it is of, in a few words.
    content : str
        HTML: all text in it is escaped.
    """
    name = f"sk-relatif-{next(_ids)}"
    style = _STYLE.substitute(
        id=name,
        light=_LIGHT,
        dark=_DARK,
        says_light=", ".join(f"{place} #{name}" for place in _SAYS_LIGHT),
        says_dark=", ".join(f"{place} #{name}" for place in _SAYS_DARK),
    )
    head = f"<b>{escape(title)}</b> <span>{escape(caption)}</span>"
    return (
        f'<div id="{name}"><style>{style}</style><div class="head">{head}</div>'
        f'<div class="body">{content}</div></div>'
    )


def paragraph(text: str, style: str = "") -> str:
    """A paragraph of text, of a class of the style if need be."""
    return f"<p{_class(style)}>{escape(text)}</p>"


def listed(texts: Iterable[str]) -> str:
    """A numbered list of texts."""
    return f"<ol>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ol>"


def folded(summary: str, content: str) -> str:
    """HTML that opens on a click on its summary, which is text."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def code_line(code: str, text: str) -> str:
    """What to call, and what it does."""
    return f'<p class="soft"><code>{escape(code)}</code> {escape(text)}</p>'


def named_cells(cells: Iterable[tuple[str, str]]) -> str:
    """Names and texts of cells in a line, as HTML."""
    return " · ".join(f"<b>{escape(name)}</b> {escape(text)}" for name, text in cells)


def table(headings: Sequence[str], bodies: Iterable[str], words: Iterable[int] = ()) -> str:
    """A table that scrolls where it is too wide.

    Parameters
    ----------
    headings : sequence of str
        Empty for a table without.
    bodies : iterable of str
        Of :func:`line` and :func:`across`.
    words : iterable of int
        Places of the columns that hold text.
    """
    words = set(words)
    cells = "".join(
        f'<th scope="col"{_class("text" if place in words else "")}>{escape(heading)}</th>'
        for place, heading in enumerate(headings)
    )
    head = f"<thead><tr>{cells}</tr></thead>" if cells else ""
    return (
        f'<div class="scroll" tabindex="0"><table>{head}<tbody>{"".join(bodies)}</tbody></table>'
        "</div>"
    )


def line(texts: Sequence[str], style: str = "", words: Iterable[int] = ()) -> str:
    """A line of a table, of a class of the style if need be."""
    words = set(words)
    cells = "".join(
        f"<td{_class('text' if place in words else '')}>{escape(text)}</td>"
        for place, text in enumerate(texts)
    )
    return f"<tr{_class(style)}>{cells}</tr>"


def across(content: str, n_columns: int, *, is_heading: bool = False, style: str = "across") -> str:
    """A line of a table with one cell, of HTML, as wide as the table."""
    tag = "th" if is_heading else "td"
    return f'<tr><{tag} class="{style}" colspan="{n_columns}">{content}</{tag}></tr>'


def _class(style: str) -> str:
    return f' class="{style}"' if style else ""
