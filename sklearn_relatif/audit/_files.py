"""An audit as data for other programs: CSV and JSON."""

from __future__ import annotations

import csv
import json
from io import StringIO
from typing import Any

from ..results import Explanation
from ..utils._json import plain, plain_values
from .explained import ExplainedPrediction
from .findings import Finding


def as_csv(report: Any) -> str:
    """One line a training row, below the names of the columns.

    Parameters
    ----------
    report : AuditReport
    """
    file = StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["row", *report.columns])
    columns = (plain_values(column) for column in (report.index, *report.columns.values()))
    # Of what is missing, csv writes nothing. (Numbers it writes with all their digits.)
    writer.writerows(zip(*columns, strict=True))
    # Files hold no halves of characters, as texts of Python may.
    return file.getvalue().encode("utf-8", "backslashreplace").decode("utf-8")


def as_json(report: Any) -> str:
    """All that a report holds, in JSON's own types.

    Parameters
    ----------
    report : AuditReport
    """
    held = {
        "source": vars(report.source),
        "model": report.model,
        "curvature": report.curvature,
        "findings": [_finding(found, report) for found in report.findings],
        "checked": report.checked,
        "notes": report.notes,
        "explained": [_explained(one) for one in report.explained],
        "contributions": [
            {"row": report.index[position], "position": position, "columns": columns}
            for position, columns in report.contributions.items()
        ],
        "groups": report.groups,
        "predictions": report.predictions,
        "rows": {"row": report.index, **report.columns},
    }
    return json.dumps(plain(held), allow_nan=False, indent=1)


def _finding(finding: Finding, report: Any) -> dict[str, Any]:
    held = dict(vars(finding))
    positions, test_positions = held.pop("rows"), held.pop("test_rows")
    tests = report.predictions.get("query")
    return held | {
        "rows": report.index[positions],
        "positions": positions,
        "test_rows": [] if tests is None else tests[test_positions],
        "test_positions": test_positions,
    }


def _explained(one: ExplainedPrediction) -> dict[str, Any]:
    flip_set = None if one.flip_set is None else vars(one.flip_set)
    held = dict(vars(one))
    del held["cells"], held["own_cells"]
    return held | {
        "supporting": _lines(one.supporting),
        "opposing": _lines(one.opposing),
        "flip_set": flip_set,
    }


def _lines(explanation: Explanation) -> dict[str, Any]:
    kept = ("rank", "row", "position", "score", "label", "prediction", "probability", "stability")
    columns = explanation.columns()
    return {name: columns[name] for name in kept if name in columns}
