"""Does an objective have an optimum at all?"""

from __future__ import annotations

import reprlib

import numpy as np
from scipy import optimize

#: Numbers of the linear program up to which it is solved, which takes seconds.
MOST_NUMBERS = 10_000_000
#: How far below zero a margin may be, of features of size 1, to count as none.
MARGIN_ROUNDING = 1e-9
#: The same as the program is told it: what is 0 for most rows is so to the rounding of its terms.
SLACK = 1e-13
#: Margin above which classes count as told apart: more than that leaves room for.
APART = 1e-4
#: Change of a predictor by a Newton step from which on there may be no optimum to step towards.
STRIDE = 0.1


def runs_away(objective, curvature) -> bool:
    """Whether a fitted model has no optimum, however small its gradient has become.

    Towards infinity the gradient of a log loss shrinks as its curvature does, so that Newton steps
    keep their length: about 1 in the predictor of some row.

    Parameters
    ----------
    objective : LinearObjective
    curvature : curvature object
        Its Hessian without damping, in the same coordinates.
    """
    step = curvature.solve(objective.gradient().reshape(1, -1).astype(curvature.dtype))
    change = objective.jacobian.predictor(step.reshape(objective.shape))
    return not np.abs(change).max(initial=0) <= STRIDE and lacks_optimum(objective.on_host)


def lacks_optimum(objective) -> bool:
    """Whether a loss falls forever, along a direction that bears no penalty.

    That is so if some such direction tells classes apart: no row's own class loses by it, and
    some row's wins (Albert & Anderson, 1984). Of counts in a log link, it is a direction that
    lowers means of rows of target 0 and changes no other. Losses without such margins are taken to
    have an optimum.

    Parameters
    ----------
    objective : LinearObjective
        At any parameters; if they tell all rows apart, the answer is quick.

    Returns
    -------
    bool
        True if it is proved. Where the proof would take too long, False.
    """
    free = _unpenalised(objective)
    counted = np.flatnonzero(objective.sample_weight > 0)
    return any(
        _tells_apart(objective, counted, outputs, margins, free)
        for outputs, margins in objective.loss.endless_margins()
    )


def may_lack_optimum(objective) -> bool:
    """Whether some loss falls forever and coefficients bear no penalty."""
    n_features = objective.jacobian.n_features
    is_free = _unpenalised(objective)[:, :n_features].any()
    return bool(is_free and objective.loss.endless_margins())


def takes_program(objective) -> bool:
    """Whether :func:`lacks_optimum` may have to solve a linear program, which takes a second."""
    n_rows = np.count_nonzero(objective.sample_weight)
    return may_lack_optimum(objective) and any(
        _n_numbers(objective, n_rows, leads) <= MOST_NUMBERS
        for _, leads in objective.loss.endless_margins()
    )


def _n_numbers(objective, n_rows, leads):
    """Size of the linear program."""
    return n_rows * leads[0].size * objective.shape[1]


def _unpenalised(objective):
    free = (objective.penalty == 0) & np.broadcast_to(objective.slope == 0, objective.shape)
    return free if objective.mask is None else free & (objective.mask > 0)


def _tells_apart(objective, rows, outputs, leads, free):
    n_features = objective.jacobian.n_features
    classes = objective.loss.margin_classes(objective.y[rows])
    if not free[outputs, :n_features].any():
        # Intercepts alone move all rows alike: for ever only where these are of one class.
        if np.ptp(classes) or not free[outputs].any():
            return False
        rows, classes = rows[:1], classes[:1]
    free, own = free[outputs].ravel(), leads[classes]
    eta = objective.training_predictor[rows][:, outputs]
    if free.all() and np.einsum("nmk,nk->nm", own, eta).min() > APART:
        return True
    if _n_numbers(objective, len(rows), leads) > MOST_NUMBERS:
        return False
    x = objective.jacobian.dense_block(rows).astype(np.float64, copy=False)
    x /= np.where(x.any(axis=0), np.abs(x).max(axis=0), 1)
    margins = own[:, :, :, None] * x[:, None, None, :]
    margins = margins.reshape(-1, len(free))[:, free]
    margins = margins[margins.any(axis=1)]
    if not len(margins):
        return False
    slack = np.full(len(margins), SLACK)
    found = optimize.linprog(-margins.sum(axis=0), A_ub=-margins, b_ub=slack, bounds=(-1, 1))
    if found.x is None:
        return False
    apart = margins @ found.x
    return bool(apart.min() >= -MARGIN_ROUNDING and apart.max() > APART)


def no_optimum(groups) -> str:
    """What to say of training without some groups of rows that has no end.

    Parameters
    ----------
    groups : list of array of int
        Empty: training with all rows has none.
    """
    if groups:
        # In the order of the rows, whatever the order in which removals were drawn.
        in_order = sorted(np.asarray(rows).tolist() for rows in groups)
        named = ", ".join(reprlib.repr(rows) for rows in in_order[:3])
        others = f" (and {len(groups) - 3} other removals)" if len(groups) > 3 else ""
        removal, which = f"Without the rows {named}{others} training", "the rows that are left"
    else:
        removal, which = "Training", "the rows"
    return (
        f"{removal} has no optimum: a direction without penalty tells classes of {which} apart (of "
        "counts: rows of target 0), so that coefficients grow for as long as the solver runs. What "
        "it returns, and every effect computed from that, says where it stopped and no more. Fit "
        "the model with a penalty (a finite C, a positive alpha)."
    )
