"""Groups of training rows."""

from __future__ import annotations

import numpy as np

from ._pieces import HIGH, LOW, cell, table_of


def groups_of(report):
    view, groups = report.view, report.groups
    names = [name for name in groups if not name.endswith((LOW, HIGH))]

    def interval(name, place):
        if name + LOW not in groups:
            return None
        return np.array([groups[name + LOW][place], groups[name + HIGH][place]])

    records = [
        [cell(view, name, groups[name][place], interval(name, place)) for name in names]
        for place in range(len(groups["group"]))
    ]
    headings = [(name, view.group[name]) for name in names]
    return table_of(view, headings, records, title="Groups")
