"""Predictions beside the training rows that speak for them and against them."""

from __future__ import annotations

import re
from html import escape

from ...utils._text import text_of
from ..explained import NAMED_AGAIN, PROBABILITY, Ranges, sides
from ._pieces import N_CELLS, more_of

#: Predictions that stand open.
N_OPEN = 1
#: Characters of a cell that are shown at once, and in all.
MAX_SHOWN, MAX_TEXT = 90, 20_000
#: Words that are in more than this share of the texts are shared by chance.
COMMON = 0.05
#: Texts by which that is told.
N_COMPARED = 2000
WORD = re.compile(r"\w+")
STYLES = "for", "against"
#: The least shade of a cell that differs.
MIN_FAR = 0.15


def explained_of(report, cells, test_cells, pictures):
    """The section of the predictions that are explained.

    Parameters
    ----------
    report : AuditReport
    cells, test_cells : Cells or None
    pictures : Pictures or None
    """
    blocks, ranges, has_tables = [], Ranges(cells), False
    for place, one in enumerate(report.explained):
        own_cells = test_cells if one.is_test else cells
        both = sides(one, cells, own_cells, ranges)
        if pictures is not None:
            content = _pictures(one, both, pictures)
        elif _is_text(cells, own_cells, one):
            content = _texts(one, both, _common(cells))
        else:
            content, has_tables = _tables(one, both), True
        blocks.append(_block(one, content, is_open=place < N_OPEN))
    return f"<p>{_introduction(report, cells, has_tables)}</p>{''.join(blocks)}"


def _introduction(report, cells, has_tables):
    rows = "test rows, which the model has not seen" if report.n_test else "training rows"
    verbs = "support or oppose" if report.view.sign == "positive" else "raise or lower"
    said = (
        f"Predictions for {rows}, each beside the training rows that {verbs} it more than they do "
        "others."
    )
    if has_tables and cells is not None:
        said += " The darker a cell, the more it differs from that of the row that is explained."
    if has_tables and report.contributions:
        said += (
            " The columns that add most to the prediction stand first; the bar below a name says "
            "how much, blue for the prediction and red against it."
        )
    if any(one.supporting.shares is not None for one in report.explained):
        said += (
            f" “{NAMED_AGAIN[:1].upper()}{NAMED_AGAIN[1:]}” is the share of resamples of the "
            "training rows whose model would name the row too."
        )
    if cells is None:
        said += " The cells of the training rows were not given: to_html(path, X) shows them."
    return said


def _block(one, content, *, is_open):
    is_wrong = one.has_classes and one.label is not None and one.label != one.prediction
    reason = f"{one.reason[:1].upper()}{one.reason[1:]}"
    style = ' class="reason wrong"' if is_wrong else ' class="reason"'
    flip = f'<p class="flip">{escape(one.flip_sentence())}</p>' if one.flip_sentence() else ""
    return (
        f'<details class="card explained"{" open" if is_open else ""}><summary>'
        f"<span{style}>{escape(reason)}</span> "
        f'<span class="told">{escape(one.sentence())}</span></summary>{content}{flip}</details>\n'
    )


# --- cells in a table ---------------------------------------------------------------------------


def _tables(one, both):
    return "".join(
        _table(side, style, f"{side.heading}: {one.reason}, row {text_of(one.name)}")
        for side, style in zip(both, STYLES, strict=True)
    )


def _table(side, style, label):
    if not side.rows:
        return f'<p class="soft">{escape(side.heading)}: there are none.</p>'
    facts = "".join(_fact(name, texts) for name, texts in side.facts.items())
    n_shown = len(side.columns) if len(side.columns) <= N_CELLS + 2 else N_CELLS
    largest = max((abs(column.share or 0.0) for column in side.columns), default=0.0)
    lines = [_line(column, largest) for column in side.columns]
    head = _head(side)
    tables = _scrolled(label, style, head, f"<tbody>{facts}</tbody>", lines[:n_shown])
    if lines[n_shown:]:
        rest = _scrolled(f"{label}, more columns", style, head, "", lines[n_shown:])
        tables += more_of(f"{len(lines) - n_shown:,} more columns", rest, "more-columns no-print")
    return tables


def _head(side):
    names = "".join(f'<th scope="col">row {_shown(name)}</th>' for name in side.rows)
    heading = escape(side.heading)
    return (
        f'<tr><th scope="col">{heading}</th><th scope="col" class="own">this row</th>{names}</tr>'
    )


def _scrolled(label, style, head, facts, lines):
    body = f"<thead>{head}</thead>{facts}<tbody>{''.join(lines)}</tbody>"
    region = f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(label)}">'
    return f'{region}<table class="beside {style}">{body}</table></div>'


def _fact(name, texts):
    own, *others = map(_shown, texts)
    cells = "".join(f"<td>{text}</td>" for text in others)
    return f'<tr><th scope="row">{escape(name)}</th><td class="own">{own}</td>{cells}</tr>'


def _line(column, largest):
    cells = "".join(map(_cell, column.others, column.far))
    return (
        f'<tr><th scope="row">{_broken(column.name)}{_share(column, largest)}</th>'
        f'<td class="own">{_shown(column.own)}</td>{cells}</tr>'
    )


def _broken(name):
    """A name that may go on in another line after each part."""
    return escape(name).replace("_", "_<wbr>")


def _share(column, largest):
    """A bar as long as what the column adds to the prediction."""
    if not column.share:
        return ""
    towards = "for" if column.share > 0 else "against"
    width = max(2, round(100 * abs(column.share) / largest))
    title = f"adds {column.share:+.3g} to the score of the prediction"
    return f'<i class="share {towards}" style="width:{width}%" title="{title}"></i>'


def _cell(text, far):
    if not far:
        return f'<td class="same">{_shown(text)}</td>'
    return f'<td><mark style="--far:{max(MIN_FAR, far):.2f}">{_shown(text)}</mark></td>'


def _shown(text):
    """A text, of which the end opens where it is long."""
    if len(text) <= MAX_SHOWN:
        return escape(text)
    kept = text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]} … ({len(text):,} characters)"
    return f"{escape(kept[:MAX_SHOWN])}…" + more_of("all of it", f"<p>{escape(kept)}</p>")


# --- texts --------------------------------------------------------------------------------------


def _is_text(cells, own_cells, one):
    """Whether rows are texts, and no more."""
    if cells is None or own_cells is None or cells.names is None or len(cells.names) != 1:
        return False
    if own_cells.names != cells.names:
        return False
    return isinstance(own_cells.value(one.position, cells.names[0]), str)


def _common(cells):
    """Words that many texts have."""
    texts = cells.values(cells.names[0])[:N_COMPARED]
    counts: dict[str, int] = {}
    for text in texts:
        for word in set(WORD.findall(text_of(text).casefold())):
            counts[word] = counts.get(word, 0) + 1
    return {word for word, count in counts.items() if count > COMMON * len(texts)}


def _texts(one, both, common):
    own = both[0].columns[0].own if both[0].columns else both[1].columns[0].own
    words = {word for word in WORD.findall(own.casefold()) if word not in common and len(word) > 1}
    lists = "".join(
        _text_list(side, style, words) for side, style in zip(both, STYLES, strict=True)
    )
    marks = ""
    if "<mark" in lists:
        marks = '<p class="soft">Words that it shares with a row are marked, but for those of '
        marks += "more than 5% of the texts.</p>"
    return (
        f'<blockquote class="own">{_shown_text(own, set())}</blockquote>'
        f'{marks}<div class="text-sides">{lists}</div>'
    )


def _text_list(side, style, words):
    items = []
    for place, name in enumerate(side.rows):
        facts = _facts_of(side, place)
        text = _shown_text(side.columns[0].others[place], words)
        items.append(
            f'<li><p class="facts-in-line"><b>row {escape(name)}</b> {escape(facts)}</p>'
            f"<p>{text}</p></li>"
        )
    listed = f"<ol>{''.join(items)}</ol>" if items else '<p class="soft">none</p>'
    return f'<div class="{style}"><h3>{escape(side.heading)}</h3>{listed}</div>'


def _facts_of(side, place):
    """What is known of a row that explains, in a few words."""
    of = {name: texts[place + 1] for name, texts in side.facts.items()}
    again = f", {NAMED_AGAIN} in {of[NAMED_AGAIN]}" if NAMED_AGAIN in of else ""
    if "target" in of:
        return f"target {of['target']}, predicted {of['predicted']}{again}"
    told = f"label {of['label']}"
    if of["label"] != of["predicted"]:
        told += f", predicted {of['predicted']}"
    return (f"{told} ({of[PROBABILITY]})" if PROBABILITY in of else told) + again


def _shown_text(text, words):
    kept = text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]} … ({len(text):,} characters)"
    if len(kept) <= 4 * MAX_SHOWN:
        return _marked(kept, words)
    return f"{_marked(kept[: 4 * MAX_SHOWN], words)}…" + more_of(
        "all of it", f"<p>{_marked(kept, words)}</p>"
    )


def _marked(text, words):
    """A text with the words marked that another one has too."""
    parts, end = [], 0
    for found in WORD.finditer(text):
        parts.append(escape(text[end : found.start()]))
        word = escape(found[0])
        is_shared = found[0].casefold() in words
        parts.append(f'<mark class="shared">{word}</mark>' if is_shared else word)
        end = found.end()
    return "".join([*parts, escape(text[end:])])


# --- images -------------------------------------------------------------------------------------


def _pictures(one, both, pictures):
    own = f"<div>{_picture('this row', '', pictures.of_query(one))}</div>"
    rows = []
    for side, style, explanation in zip(both, STYLES, (one.supporting, one.opposing), strict=True):
        positions = explanation.columns()["position"]
        shown = "".join(
            _picture(f"row {name}", _facts_of(side, place), pictures.of_row(position))
            for place, (name, position) in enumerate(zip(side.rows, positions, strict=True))
        )
        rows.append(
            f'<div class="{style}"><h3>{escape(side.heading)}</h3>'
            f'<div class="images">{shown or "none"}</div></div>'
        )
    return f'<div class="image-sides">{own}<div>{"".join(rows)}</div></div>'


def _picture(name, facts, source):
    image = "not given" if source is None else f'<img src="{source}" alt="{escape(name)}">'
    return f'<div class="image">{image}<p><b>{escape(name)}</b><br>{escape(facts)}</p></div>'
