"""What an audit looks for, and what it found."""

from __future__ import annotations

from ._duplicates import CONFLICTS, DUPLICATES, LEAKS_OF_ROWS, conflicting_rows
from ._extremes import EXTREMES
from ._finding import Check, Evidence, Finding
from ._fit import FIT
from ._held import GROUPS, SINGLE_ROWS
from ._hubs import HUBS
from ._identifiers import IDENTIFIERS
from ._labels import LABELS, ONE_CLASS, TARGETS
from ._leakage import LEAKAGE
from ._near import NEAR_COPIES
from ._skill import SKILL

__all__ = [
    "CHECKS", "NOTHING", "N_FINDINGS", "Check", "Evidence", "Finding", "conflicting_rows", "look",
    "not_checked",
]  # fmt: skip

#: Findings that are told at once, and what is told without any.
N_FINDINGS, NOTHING = 5, "Nothing was found that needs a look."

#: All that is looked for.
CHECKS: tuple[Check, ...] = (
    FIT,
    LEAKAGE,
    SKILL,
    CONFLICTS,
    LABELS,
    TARGETS,
    LEAKS_OF_ROWS,
    IDENTIFIERS,
    EXTREMES,
    SINGLE_ROWS,
    GROUPS,
    HUBS,
    ONE_CLASS,
    NEAR_COPIES,
    DUPLICATES,
)


def look(evidence: Evidence) -> tuple[tuple[Finding, ...], dict[str, str]]:
    """What was found, the most important first, and what came of each check.

    Parameters
    ----------
    evidence : Evidence

    Returns
    -------
    findings : tuple of Finding
    checked : dict of str to str
        For each subject that there can be: ``"found"``, ``"nothing found"``, or why it could not
        be looked for.
    """
    findings: list[Finding] = []
    checked = {}
    for check in CHECKS:
        if not check.applies(evidence):
            continue
        obstacle = check.obstacle(evidence)
        if obstacle is not None:
            checked[check.subject] = f"not checked: {obstacle}"
            continue
        found = check.find(evidence)
        findings += found
        checked[check.subject] = "found" if found else "nothing found"
    return tuple(sorted(findings, key=lambda finding: -finding.weight)), checked


def not_checked(checked: dict[str, str]) -> list[str]:
    """What could not be looked for.

    Parameters
    ----------
    checked : dict of str to str
        What came of each check, by its subject.
    """
    return [subject for subject, outcome in checked.items() if outcome.startswith("not checked")]
