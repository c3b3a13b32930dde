"""The head of the page: what was audited, how good the model is, and where the rows come from."""

from __future__ import annotations

import re
from html import escape
from pathlib import PurePath

from ...utils._text import text_of
from ..views import is_off_optimum
from ._pieces import listed, more_of

#: Classes that a sentence names.
N_CLASSES = 3


def header(report):
    """The head of the page.

    Parameters
    ----------
    report : AuditReport
    """
    warning = _warning(report) if is_off_optimum(report.model) else ""
    return (
        '<p class="eyebrow">Audit of training data</p>'
        f"<h1>{_name(report)}</h1>"
        f'<p class="lead">{escape(in_words(report))}</p>{warning}'
        f"{_figures(report)}{_origin(report)}"
    )


def explained_header(report):
    """The head of a page of explained predictions alone.

    Parameters
    ----------
    report : AuditReport
    """
    return (
        '<p class="eyebrow">Predictions and the rows that explain them</p>'
        f'<h1>{_name(report)}</h1><p class="lead">{escape(in_words(report))}</p>{_origin(report)}'
    )


def title(report):
    """What a window or a tab is called."""
    name = PurePath(report.source.name or report.model["model"]).name
    return f"Audit of {name}, {report.model['n_rows']:,} rows"


def _name(report):
    source = report.source
    name = f"{report.model['model']} and its training rows"
    if source.name is not None:
        name = PurePath(source.name).name
    name = escape(name)
    if source.target is None:
        return name
    return f'{name} <span class="to">→</span> {escape(source.target)}'


def in_words(report):
    """The model in plain words.

    Parameters
    ----------
    report : AuditReport
    """
    model, source = report.model, report.source
    target = source.target or ("a label" if "classes" in model else "a number")
    line = f"{_plain(model['model'])} predicts {target}{_classes(model)} from {_columns(report)}."
    line += f" It was trained on {_count(model['n_rows'], 'row')}"
    if "n_test" not in model:
        return f"{line}; no rows were put aside to test it."
    return f"{line} and tested on {_count(model['n_test'], 'row')} that it has not seen."


def _plain(name):
    """The name of a class in words: LogisticRegression, logistic regression."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)
    words = [word if len(word) > 1 and word.isupper() else word.lower() for word in words]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def _classes(model):
    if "classes" not in model:
        return ""
    names = [text_of(label) for label in model["classes"]]
    if len(names) > N_CLASSES:
        return f" ({len(names):,} classes)"
    return f" ({', '.join(names[:-1])} or {names[-1]})"


def _columns(report):
    n_features, n_columns = report.model["n_features"], _n_used(report)
    features = _count(n_features, "feature")
    if n_columns is None or n_columns == n_features:
        return features
    make = "makes" if n_columns == 1 else "make"
    return f"{_count(n_columns, 'column')}, which {make} {features}"


def _n_used(report):
    """Columns that are predicted from, where it is known."""
    source = report.source
    if source.n_columns_read is None:
        return None
    return source.n_columns_read - len(source.columns_left_out) - (source.target is not None)


def _count(number, noun):
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _warning(report):
    return f'<p class="card serious"><b>{escape(report.verdict())}</b></p>'


def _figures(report):
    boxes = "".join(
        f'<div{" class=bad" if is_bad else ""}><span class="value">{escape(value)}</span>'
        f'<span class="name">{escape(name)}</span><span class="note">{escape(note)}</span></div>'
        for value, name, note, is_bad in report.view.key_figures(report.model)
    )
    return f'<div class="figures">{boxes}</div>'


def _origin(report):
    """When and from what the page was made, in a line, and all that is known of it below."""
    source = report.source
    parts = [f"{source.date:%d %B %Y}".removeprefix("0"), f"sklearn_relatif {source.version}"]
    if source.n_rows_read is not None:
        n_left_out = sum(source.rows_left_out.values())
        parts.append(f"{_count(source.n_rows_read, 'row')} read, {n_left_out:,} left out")
    if source.n_columns_read is not None:
        n_left_out = len(source.columns_left_out)
        parts.append(f"{_count(source.n_columns_read, 'column')} read, {n_left_out:,} left out")
    line = escape(" · ".join(parts))
    listing = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in _details(report))
    opened = more_of(
        "Data, settings, and how to make this page again", f'<dl class="origin">{listing}</dl>'
    )
    return f'<div class="made"><p>{line}</p>{opened}</div>'


def _details(report):
    """What there is to know of where the page comes from, as headings and HTML."""
    source = report.source
    lines = [] if source.name is None else [("Data", escape(source.name))]
    lines += [
        ("Rows", _rows_line(report)),
        ("Columns", _columns_line(report)),
        ("Rows are named by", escape(source.row_names)),
        ("Model", escape(_settings(report.model))),
        ("Made", f"{source.date:%d %B %Y, %H:%M}, by sklearn_relatif {escape(source.version)}"),
    ]
    if source.command is not None:
        command = f"<code>{escape(source.command)}</code>"
        lines.append(("Made again by", f'<div class="command">{command}</div>'))
    notes = [*source.notes, *report.notes]
    if notes:
        items = "".join(f"<li>{escape(note)}</li>" for note in notes)
        lines.append(("Assumed and left out", f"<ul>{items}</ul>"))
    return lines


def _settings(model):
    if model["settings"] == "defaults":
        return f"{model['model']} at scikit-learn's defaults"
    return f"{model['model']} ({model['settings']})"


def _rows_line(report):
    model, source = report.model, report.source
    parts = [f"{model['n_rows']:,} trained on"]
    if "n_test" in model:
        parts.append(f"{model['n_test']:,} tested on")
    if source.n_rows_read is not None:
        parts.insert(0, f"{source.n_rows_read:,} read")
    line = escape(" · ".join(parts))
    if not source.rows_left_out:
        return line
    why = [f"{count:,} {reason}" for reason, count in source.rows_left_out.items()]
    return f"{line} · left out: {listed(why)}"


def _columns_line(report):
    source, n_used = report.source, _n_used(report)
    if n_used is None:
        return f"{report.model['n_features']:,} features reach the model"
    line = f"{source.n_columns_read:,} read · {n_used:,} predicted from"
    if not source.columns_left_out:
        return line
    why = [f"{name} ({reason})" for name, reason in source.columns_left_out.items()]
    return f"{line} · {len(why):,} left out: {listed(why)}"
