"""How far from the optimum can a model without some rows be? Bounds that hold.

With the rows R that are left, a model minimises the sum

    F(w) = sum_{i in R} s_i loss(y_i, W x~_i) + 1/2 w^T Lambda w.

At some parameters w its gradient g is known, and near the optimum of all rows a matrix Q = L L^T
that its Hessian there is (the stored factor, downdated). Losses are *self-concordant in the
generalised sense* (Bach 2010; Sun & Tran-Dinh 2019, with nu = 2): after a step that changes the
predictor by t, no second derivative is more than ``exp(M t)`` times what it was, nor less than
``exp(-M t)`` times that. M is 1 for the log loss, the softmax (t being the range of the changes of
the scores) and the deviances in a log link, and 0 for squared error. So with ``c = M max_i t_i`` of
the way to w, which is measured, and ``p = M max_i |x~_i|`` in the norm of ``Q^-1``, the mean
Hessian B along the way from w to any w + d with ``|d|_Q = r`` has

    a Q <= B <= b Q,    a = exp(-c) (1 - exp(-p r)) / (p r),    b = exp(c) (exp(p r) - 1) / (p r).

Where ``a r`` exceeds ``lambda = |g|_{Q^-1}`` (the Newton decrement), F rises on the sphere of the
radius r about w, so that an optimum w* lies inside, without any penalty too. Solved for r,

    r = -log(1 - p lambda exp(c)) / p        if p lambda exp(c) < 1, otherwise nothing is known.

The gradient vanishes at w*, hence ``w* = w - B^-1 g``, and the step ``-Q^-1 g``, which the Newton
decrement costs anyway, leads to within

    |w* - (w - Q^-1 g)|_Q  <=  max(1/a - 1, 1 - 1/b) lambda  =:  R,

which is of the third order in what a removal changes. A predictor ``x~_t^T w*`` is off by no more
than ``|x~_t|_{Q^-1} R``, and a loss by its slope there and what its second derivative adds, as the
loss tells. For least squares a = b = 1: the bound is 0.

Where second derivatives jump (squared hinge, Huber), they are constant but for rows that a kink
reaches between both ends of the way, or within r = 2 lambda of w. With ``l_i = s_i A_i
|x~_i|^2_{Q^-1}`` of what these may lose, or gain, ``a = 1 - sum l_i`` and ``b = 1 + sum l_i``.

Numbers are rounded, and bounds count that. With the unit u of rounding, n rows, d columns,
``D_j^2 = sum_i s_i A_i x_ij^2 + Lambda_j`` and ``omega = tr(D Q^-1 D)``, by Higham (2002, sections
3.1, 3.5 and 10.1): a predictor is off by ``u (d + 4) |D^-1 x~_i| |D w|``; a sum over rows by ``u
(n + 20)`` of the sum of its absolute terms, of which ``|v|_{Q^-1} <= omega^1/2 |D^-1 v|`` makes a
norm; the factor by ``u p omega (n + p)`` of Q, for p parameters. All of these go into lambda, c and
R. They assume any order of the additions, so that they are larger than what rounding does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from ..curvature import has_room_for_factor
from ..utils._blocks import row_blocks
from ._batches import batches, counted_rows
from ._descent import solve_with
from ._downdate import Downdate, closed_form, pad, without
from ._models import LOSS_BLOCK_BYTES, Models, dot
from ._surroundings import Surroundings, U

#: Share of a matrix that its rounding may be, for a bound to be told.
MOST_ROUNDING = 0.1


class Enclosures(NamedTuple):
    """Balls that the optima of some models lie in.

    Attributes
    ----------
    models : ndarray of int, shape (n_models,)
        Their positions among those that were asked for.
    centres : ndarray of shape (n_models, n_outputs, n_columns)
    radii : ndarray of shape (n_models,)
        Infinite where nothing is known.
    norm : Surroundings
        Whose norm the radii are measured in; None: that of no radius.
    """

    models: np.ndarray
    centres: np.ndarray
    radii: np.ndarray
    norm: Surroundings | None


class Near(NamedTuple):
    """What is known of models at the parameters that their balls are looked for from.

    Attributes
    ----------
    gradient : ndarray of shape (n_models, n_outputs, n_columns)
    total : ndarray of shape (n_models,)
        Weight of the rows that are left.
    moved : ndarray of shape (n_models,) or float
        How far the predictor of any of these is from that at the optimum of all rows.
    error : float
        What the gradient leaves out, in the norm of ``Q^-1``.
    by_kinks : callable or None
        From decrements, and the least shares of Q that are left, to a and b of losses with kinks.
    """

    gradient: np.ndarray
    total: np.ndarray
    moved: Any
    error: float
    by_kinks: Callable | None


class Whole:
    """A Hessian that nothing is taken from, in the form of a :class:`Downdate` of one model."""

    sound, penalty_lost = np.zeros(1, np.intp), np.zeros(1)

    def __init__(self, curvature):
        self.curvature = curvature

    def least_left(self):
        return np.ones(1)

    def solve(self, gradient, models):
        return solve_with(self.curvature, gradient)


def enclose_from_here(around, removed):
    """Centres, one Newton step on, and radii of the balls of models without rows.

    Without a pass over the rows, which kinks ask for: with them nothing is known.

    Parameters
    ----------
    around : Surroundings
    removed : Downdate
    """
    gradient = removed.gradient()[removed.sound]
    tables = np.repeat(around.objective.weights[None].astype(np.float64), len(gradient), axis=0)
    total = around.objective.total_weight * removed.share_left[removed.sound]
    near = Near(gradient, total, 0.0, around.decrement, None)
    return _ball(around, near, tables, removed)


def enclose(around, models, members, tables, removed):
    """Centres and radii of the balls of models about other parameters, in the norm of Q.

    Parameters
    ----------
    around : Surroundings
    models : Models
    members : ndarray of int
    tables : ndarray of shape (n_members, n_outputs, n_columns)
    removed : Downdate or Whole
    """
    way = Way(around, len(members))
    gradient = models.at(tables, members, way).gradient

    def by_kinks(decrement, left):
        return _by_kinks(around, models, members, tables, decrement, left)

    near = Near(gradient, models.total[members], way.moved, 0.0, by_kinks)
    return _ball(around, near, tables, removed)


def _ball(around, near, tables, removed):
    gradient = near.gradient
    step = removed.solve(gradient, np.arange(len(gradient)))
    left = removed.least_left()[removed.sound]
    kept = 1 - removed.penalty_lost[removed.sound]
    squares = dot(step, gradient) * near.total
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        rounding = around.factor_rounding / left**2
        moved = near.moved + 2 * around.row_rounding(tables)
        distance = around.loss.concordance * moved + rounding - np.log(kept)
        error = around.gradient_rounding(tables, np.exp(distance)) + near.error
        error /= np.sqrt(left)
        decrement = np.sqrt(np.maximum(squares, 0)) * (1 + rounding) + error
        if not around.loss.steepest:
            reach = around.loss.concordance * around.row_reach.max() / np.sqrt(left)
            low, high = _mean_curvature(distance, reach, decrement)
        elif near.by_kinks is None:
            low, high = np.zeros(len(left)), np.full(len(left), np.inf)
        else:
            low, high = near.by_kinks(decrement, left)
            low, high = low * np.exp(-distance), high * np.exp(distance)
            # Within twice the decrement, F rises on the sphere where more than half is left.
            low = np.where(low > 0.5, low, 0)
        radius = np.maximum(1 / low - 1, 1 - 1 / high) * decrement + error / low
        radius /= np.sqrt(left)
        radius += np.sqrt(tables[0].size) * U * around.scaled(tables)
        widest = around.largest + near.moved + around.row_reach.max() * radius / np.sqrt(left)
    is_known = (
        (widest <= around.loss.furthest)
        & np.isfinite(radius)
        & (low > 0)
        & (rounding < MOST_ROUNDING)
        & (left > 0)
    )
    centres = np.where(is_known[:, None, None], tables - step, tables)
    return centres, np.where(is_known, radius, np.inf)


def _by_kinks(around, models, members, tables, decrement, left):
    """Bounds of the mean Hessian, with what the rows that a kink may reach lose and gain."""
    objective, loss = around.objective, around.loss
    lost, gained = np.zeros(len(members)), np.zeros(len(members))
    reach = 2 * decrement / np.sqrt(left)

    def watch(rows, eta, gone):
        forms = around.row_forms[rows]
        start = objective.training_predictor[rows].astype(np.float64)
        kinks = loss.kinks(objective.y[rows])
        slack = np.multiply.outer(around.row_reach[rows], reach)
        slack += 2 * around.predictor_rounding(around.lengths[rows], tables)
        low = np.minimum(start[:, None], eta - slack[:, :, None])
        high = np.maximum(start[:, None], eta + slack[:, :, None])
        met = ((kinks[:, :, None] >= low) & (kinks[:, :, None] <= high)).any(axis=0)
        met[gone] = False
        weight = objective.sample_weight[rows, None].astype(np.float64)
        if objective.output_weight is not None:
            weight = weight * objective.output_weight[rows]
        bend = weight * loss.second_derivative(objective.y[rows], start)
        most = weight * loss.steepest
        lost[:] += np.einsum("nmk,nk->m", met, bend * forms)
        gained[:] += np.einsum("nmk,nk->m", met, (most - bend) * forms)

    models.watch(tables, members, watch)
    return 1 - lost / left, 1 + gained / left


class Way:
    """How far models have moved from the optimum of all rows: the most of any row that is left."""

    def __init__(self, surroundings, n_models):
        self.start = surroundings.objective.training_predictor
        self.has_weight = surroundings.objective.sample_weight > 0
        self.loss = surroundings.loss
        self.moved, self._lock = np.zeros(n_models), Lock()

    def __call__(self, rows, eta, gone):
        moved = np.empty(eta.shape[:2])
        for part in row_blocks(len(eta), eta[0].nbytes, LOSS_BLOCK_BYTES):
            moved[part] = self.loss.moved(eta[part] - self.start[rows][part, None])
        moved[gone] = 0
        moved[~self.has_weight[rows]] = 0
        largest = moved.max(axis=0, initial=0)
        with self._lock:
            np.maximum(self.moved, largest, out=self.moved)


def _mean_curvature(distance, reach, decrement):
    """a and b for the radius that follows from them; a is 0 where there is none."""
    share = reach * decrement * np.exp(distance)
    length = -np.log1p(-np.minimum(share, 1))  # The radius times the reach.
    small = length < 1e-8
    safe = np.where(small, 1, length)
    low = np.where(small, 1 - length, -np.expm1(-safe) / safe)
    high = np.where(small, 1 + length, np.expm1(safe) / safe)
    is_known = share < 1
    return (
        np.where(is_known, np.exp(-distance) * low, 0),
        np.where(is_known, np.exp(distance) * high, np.inf),
    )


def obstacle(objective) -> str | None:
    """Why there are no bounds; None if there are."""
    if not np.isfinite(objective.loss.concordance):
        return f"{type(objective.loss).__name__} has no bounds on how its second derivative changes"
    if objective.has_l1 or objective.mask is not None:
        return "a penalty or a bound holds parameters at zero, and others may be held without rows"
    if not has_room_for_factor(objective):
        return "the Hessian is too large for a factor"
    return None


def enclosures(around, groups, tables):
    """Balls that the optima of models without some rows lie in, about given parameters, in batches.

    Where a group leaves too little of the Hessian, or leads too far away for it to tell anything,
    the model's own Hessian tells.

    Parameters
    ----------
    around : Surroundings
        Of the objective of all rows, at its optimum.
    groups : list of ndarray of int
    tables : ndarray of shape (n_groups, n_outputs, n_columns)
        Parameters of each model, near its optimum.

    Yields
    ------
    Enclosures
    """
    objective, groups = around.objective, counted_rows(around.objective, groups)
    models, alone = Models(objective, groups), set(range(len(groups)))
    for sound, removed in _downdates(around, groups):
        centres, radii = enclose(around, models, sound, tables[sound], removed)
        known = np.isfinite(radii)
        if known.any():
            yield Enclosures(sound[known], centres[known], radii[known], around)
        alone -= set(sound[known].tolist())
    for model in sorted(alone):
        yield own_enclosure(objective, groups[model], tables[model], model)


def stepped_enclosures(around, groups, n_steps):
    """The same about a number of steps with the downdated factor, where that tells anything.

    After one step, which is Newton's, no pass over the rows is needed, and after two a single one.

    Yields
    ------
    Enclosures
    """
    objective, groups = around.objective, counted_rows(around.objective, groups)
    models = Models(objective, groups) if n_steps > 1 else None
    for sound, removed in _downdates(around, groups):
        if models is None:
            centres, radii = enclose_from_here(around, removed)
        else:
            tables = objective.weights + removed.newton_step()[removed.sound]
            centres, radii = enclose(around, models, sound, tables, removed)
        yield Enclosures(sound, centres, radii, around)


def _downdates(around, groups):
    """Groups whose removal a downdated factor tells, in batches, each with its downdate."""
    objective, curvature = around.objective, around.curvature
    form = closed_form(objective, curvature, len(groups))
    for batch, is_small in batches(objective, groups):
        if is_small:
            removed = Downdate(objective, curvature, form, *pad([groups[g] for g in batch]))
            if removed.sound.size:
                yield batch[removed.sound], removed


def own_enclosure(objective, rows, table, model) -> Enclosures:
    """The same of one model, by its own Hessian where it is."""
    reduced = replace(without(objective, rows), weights=table)
    position = np.array([model])
    try:
        around = Surroundings(reduced)
    except ValueError:
        return Enclosures(position, table[None], np.full(1, np.inf), None)
    models, alone = Models(reduced, [np.empty(0, np.intp)]), np.zeros(1, np.intp)
    removed = Whole(around.curvature)
    centres, radii = enclose(around, models, alone, reduced.weights[None], removed)
    return Enclosures(position, centres, radii, around)
