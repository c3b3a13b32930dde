"""What was found, the most important first, and what was looked for."""

from __future__ import annotations

import re
from html import escape

from ...utils._text import text_of
from ..findings import N_FINDINGS, NOTHING, not_checked
from ._pieces import listed, more_of

#: From which weight on a finding is serious, and a warning.
SERIOUS, WARNING = 0.7, 0.4
#: Rows that a finding names at once.
N_ROWS = 8
#: Numbers of a sentence, and names in it that may hold some.
NUMBER, QUOTED = (
    re.compile(r"(?<![\w.])[<>]?\d+(?:,\d{3})*(?:\.\d+)?%?(?!\w)"),
    re.compile(r"(?<!\w)'[^']*'(?!\w)|“[^”]*”"),
)
ICONS = {
    "serious": '<path d="M12 4 L21 20 H3 Z"/><path d="M12 10 V14.5"/><path d="M12 17 V17.4"/>',
    "warning": '<circle cx="12" cy="12" r="9"/><path d="M12 7 V13"/><path d="M12 16.4 V16.8"/>',
    "note": '<circle cx="12" cy="12" r="9"/><path d="M12 11 V17"/><path d="M12 7.4 V7.8"/>',
    "fine": '<path d="M5 12.5 L10 17.5 L19 7"/>',
}
NAMES = {"serious": "Serious", "warning": "Worth a look", "note": "Note", "fine": "Fine"}


def findings(report, titles):
    """The section of the findings.

    Parameters
    ----------
    report : AuditReport
    titles : dict of str to str
        Of the sections of the page, to link to.
    """
    cards = [_card(report, finding, titles) for finding in report.findings]
    if not cards:
        told = f'<div class="words"><p class="told">{NOTHING}</p>{_looked_for(report)}</div>'
        cards = [f'<li class="card finding no-value fine">{_icon("fine")}{told}</li>']
    content = f'<ul class="findings">{"".join(cards[:N_FINDINGS])}</ul>'
    rest = cards[N_FINDINGS:]
    if rest:
        more = f'<ul class="findings">{"".join(rest)}</ul>'
        content += more_of(f"{len(rest)} more", more, "more-findings")
    return content + checks(report)


def _looked_for(report):
    """What was looked for where nothing was found, and what could not be."""
    subjects = [name for name, outcome in report.checked.items() if outcome == "nothing found"]
    told = {"Looked for": subjects, "Not checked:": not_checked(report.checked)}
    return "".join(
        f'<p class="soft">{beginning} {escape(", ".join(names))}.</p>'
        for beginning, names in told.items()
        if names
    )


def _card(report, finding, titles):
    value = _value(finding)
    shown = f'<span class="value">{escape(value)}</span>' if value else ""
    severity = severity_of(finding)
    below = []
    if finding.section in titles:
        title = titles[finding.section]
        below.append(f'<a href="#{escape(finding.section)}">See “{escape(title)}”</a>')
    below += _places(report, finding)
    below.append(more_of("How this was found", f"<p>{escape(finding.method)}</p>"))
    return (
        f'<li class="card finding {severity}{"" if value else " no-value"}">{_icon(severity)}'
        f'{shown}<div class="words"><p class="told">{escape(finding.sentence)}</p>'
        f'<div class="more-of-it">{"".join(below)}</div></div></li>'
    )


def severity_of(finding):
    """How serious a finding is, by its weight."""
    if finding.weight >= SERIOUS:
        return "serious"
    return "warning" if finding.weight >= WARNING else "note"


def _icon(severity):
    return (
        f'<svg class="icon" viewBox="0 0 24 24" role="img" aria-label="{NAMES[severity]}" '
        'fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" '
        f'stroke-linejoin="round">{ICONS[severity]}</svg>'
    )


def _value(finding):
    """The number of a finding as its sentence writes it, or else the first one that it has."""
    texts = NUMBER.findall(QUOTED.sub("", finding.sentence))
    fitting = [text for text in texts if _stands_for(text, finding.value)]
    return (fitting or texts or [""])[0]


def _stands_for(text, value):
    """Whether a number of a sentence is a value, but for its rounding."""
    digits = text.strip("<>%").replace(",", "")
    unit = 0.01 if text.endswith("%") else 1.0
    last = unit * 10.0 ** -len(digits.partition(".")[2])
    reach = last if text[0] in "<>" else last / 2
    return abs(unit * float(digits) - value) <= reach * (1 + 1e-9)


def _places(report, finding):
    """The rows and columns that a finding is about."""
    places = []
    if len(finding.rows):
        names = [text_of(report.index[row]) for row in finding.rows]
        places.append(f"<span>Training rows: {listed(names, N_ROWS)}</span>")
    if len(finding.test_rows) and report.predictions:
        names = [text_of(report.predictions["query"][row]) for row in finding.test_rows]
        places.append(f"<span>Test rows: {listed(names, N_ROWS)}</span>")
    if finding.columns:
        places.append(f"<span>Columns: {listed(finding.columns)}</span>")
    return places


# --- what was looked for --------------------------------------------------------------------


def checks(report):
    """All that was looked for, and what could not be and why.

    Parameters
    ----------
    report : AuditReport
    """
    if not report.checked:
        return ""
    content, missed = "", {}
    for subject, outcome in report.checked.items():
        if outcome in ("found", "nothing found"):
            style = ' class="found"' if outcome == "found" else ""
            content += f"<li{style}>{escape(subject)}: {outcome}</li>"
        else:
            missed[subject] = outcome
    n_done = len(report.checked) - len(missed)
    opener = f"{n_done} {'thing was' if n_done == 1 else 'things were'} looked for"
    if missed:
        opener += f", {len(missed)} could not be"
        content += "".join(
            f'<li class="not-checked">{escape(subject)}: {escape(why)}</li>'
            for subject, why in missed.items()
        )
    return more_of(opener, f'<ul class="checks">{content}</ul>', "unchecked")
