"""Groups of training rows."""

from __future__ import annotations

from ._pieces import cell, table_of


def groups_table(report):
    view, groups = report.view, report.groups
    records = [
        [cell(view, name, values[place]) for name, values in groups.items()]
        for place in range(len(groups["group"]))
    ]
    return table_of(view, [(name, view.group[name]) for name in groups], records)
