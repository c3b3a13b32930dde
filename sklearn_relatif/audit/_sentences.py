"""Why a row is worth a look, in one sentence of plain words."""

from __future__ import annotations

import numpy as np

from .views import percent, view_of

#: Share of the rows that stand out in a column.
OUTSTANDING = 0.01
#: Share of the rows that is nearly all.
NEARLY_ALL = 0.999
#: Share of the test rows for which a row must come first to be called a hub.
HUB_SHARE = 0.01


def why(columns, row, n_test=None):
    """One sentence on a training row.

    Parameters
    ----------
    columns : dict of str to ndarray of shape (n_rows,)
    row : int
        Its position.
    n_test : int, default=None
        Number of test rows that were explained.

    Returns
    -------
    str
    """
    clauses = [view_of(columns).about(columns, row)]
    more = (_unusual(columns, row), _pull(columns, row), _hub(columns, row, n_test))
    clauses += filter(None, [*more, _harm(columns, row)])
    return "; ".join(clauses) + "."


def _unusual(columns, row):
    if "leverage" not in columns:
        return None
    share = share_below(columns["leverage"], row)
    if share < 1 - OUTSTANDING:
        return None
    return f"its features are unusual, with more leverage than {_share_of_others(share, columns)}"


def _share_of_others(share, columns):
    n_above = round((1 - share) * (len(columns["loss"]) - 1))
    others = {0: "any other row", 1: "all other rows but one"}
    most = "nearly all other rows" if share > NEARLY_ALL else f"{percent(share)} of the other rows"
    return others.get(n_above, most)


def _pull(columns, row):
    share = share_below(columns["self_influence"], row)
    if share < 1 - OUTSTANDING:
        return None
    rows = _share_of_others(share, columns)
    return f"it pulls the model towards itself harder than {rows}"


def _hub(columns, row, n_test):
    if n_test is None or columns["hub_if"][row] < max(2, HUB_SHARE * n_test):
        return None
    return f"it is the most influential row for {columns['hub_if'][row]:,} of {n_test:,} test rows"


def _harm(columns, row):
    if "test_influence" not in columns:
        return None
    change = columns["test_influence"]
    if change[row] >= 0 or share_below(-change, row) < 1 - OUTSTANDING:
        return None
    return "by estimate, the model would do better on the test rows without it"


def about_conditioning(curvature):
    """What damping and rounding do to the numbers, in plain words.

    Parameters
    ----------
    curvature : dict of str to object
        The facts of an audit.

    Returns
    -------
    str
    """
    damping = curvature["damping"]
    if "condition_number" not in curvature:
        added = f"The damping is {damping:.3g}" if damping else "There is no damping"
        return f"{added}; the eigenvalues of the curvature were not computed."
    n_lost = max(0, round(np.log10(curvature["condition_number"])))
    rounding = f"rounding loses about {n_lost} digits of the influence in the flattest direction"
    if damping == 0:
        return f"There is no damping: the curvature is that of the model. At most, {rounding}."
    share = damping / curvature["smallest_eigenvalue"]
    return (
        f"Of the curvature in the flattest direction, {percent(min(1.0, share))} is damping, which "
        f"shrinks influence in that direction by as much. At most, {rounding}."
    )


def share_below(values, row):
    """Share of the other rows whose value is smaller."""
    return float(np.sum(values < values[row]) / max(1, len(values) - 1))
