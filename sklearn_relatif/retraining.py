"""Noun 4: the truth, which is the model that training without some of its rows would have given.

Without the rows of a group G, and at the same penalties, training minimises

    J_G(W) = (1/S_G) [ sum_{i not in G} s_i loss(y_i, W x~_i)
                       + 1/2 sum_j Lambda_j w_j^2 + sum_j q_j w_j ]

where ``S_G`` is the weight of the rows that are left. Many such models are solved for at once.
Each starts at the optimum of all rows, with the Newton step of its own objective. The Hessian of
that is the full one less the group's part,

    H_G = (S/S_G) [ H - (1/S) sum_{i in G} s_i A_i ⊗ x~_i x~_i^T ],

which downdates the stored factor of H by a matrix of low rank (for one row and one output, it
divides by ``1 - h_i``). Quasi-Newton steps follow, in which the changes of the gradient that were
met on the way correct the downdated factor (L-BFGS). All models share each product with the data,
in double precision. A model that has not arrived after some steps is finished alone, with Hessians
of its own.

The weight of each row stays as it is: ``class_weight="balanced"`` is not computed anew without
the group, and a class that loses all of its rows keeps its place. The active set of an L1 penalty
stays as it is too; where it would not, the result says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy import sparse

from .curvature import CholeskyCurvature, build_curvature
from .objectives import Design, LinearObjective, block_budget, row_blocks
from .objectives._rows import DENSE_ABOVE

#: Norm of the gradient, over the root mean square norm of the rows' gradients, at which a model
#: counts as retrained.
TOLERANCE = 1e-10
#: What a removal changes the gradient by must shrink by this factor, however little it is.
REDUCTION = 1e-5
#: The next Newton step must not change the predictor of any row by more than this, measured in
#: units of 1/sqrt(s_i A_i): it has ``sum_i s_i A_i (change of eta_i)^2 <= PRECISION^2``.
PRECISION = 1e-10
#: Relative gradients that may consist of nothing but rounding.
ROUNDING = 1e-14
#: Quasi-Newton steps with one factor, and how many of them it remembers.
MAX_STEPS = 15
MEMORY = 8
#: Hessians of its own that a model is given.
MAX_HESSIANS = 20
#: With more parameters than this, the factor to retrain with is of single precision.
SINGLE_PRECISION_ABOVE = 1024
#: Columns of the products that models share: enough for BLAS to run at its full rate.
BATCH_COLUMNS = 1024
#: Bytes that the vectors of a batch of models may take.
BATCH_BYTES = 256 * 2**20
#: Bytes of the predictors that a loss is applied to at once. They should stay in cache, and be too
#: few for BLAS to start its threads on products with the few columns of a loss.
LOSS_BLOCK_BYTES = 2**17


@dataclass(frozen=True)
class Retraining:
    """Models trained without some of the rows.

    Attributes
    ----------
    objective : LinearObjective
        The objective of all rows, at its optimum.
    weights : ndarray of shape (n_models, n_outputs, n_columns), float64
        Parameters of the models, in the coordinates of the objective.
    relative_gradient : ndarray of shape (n_models,)
        Norm of the gradient of each model's own objective, over the root mean square norm of the
        gradients of its rows.
    active_set_changed : ndarray of bool, shape (n_models,)
        Whether an L1 penalty would have chosen other active parameters, or other signs, for the
        model. The weights are then not its optimum.
    """

    objective: LinearObjective
    weights: np.ndarray
    relative_gradient: np.ndarray
    active_set_changed: np.ndarray

    @property
    def converged(self) -> np.ndarray:
        """Whether each relative gradient is at most 1e-10, shape (n_models,)."""
        return self.relative_gradient <= TOLERANCE


def retraining_curvature(objective: LinearObjective) -> CholeskyCurvature:
    """Factor of the Hessian, without damping, that :func:`retrain` starts from.

    It only sets the pace, since the gradients are of double precision. A large one, or one of
    features in single precision, is computed in single precision where that suffices.

    Parameters
    ----------
    objective : LinearObjective

    Returns
    -------
    CholeskyCurvature

    Raises
    ------
    TypeError
        If the loss has no second derivative.
    ValueError
        If the Hessian is not positive definite.
    """
    if not objective.is_smooth:
        raise TypeError(
            f"{type(objective.loss).__name__} has no second derivative to retrain with; fit the "
            "model again without the rows."
        )
    if objective.weights.size > SINGLE_PRECISION_ABOVE or objective.dtype == np.float32:
        try:
            return build_curvature(objective.astype(np.float32), "hessian", 0.0)
        except ValueError:
            pass
    return build_curvature(objective.astype(np.float64), "hessian", 0.0)


def polish(objective: LinearObjective, curvature=None) -> np.ndarray:
    """Parameters at the optimum of an objective, where the gradient is at the level of rounding.

    Parameters
    ----------
    objective : LinearObjective
        At parameters near the optimum, such as scikit-learn's.
    curvature : curvature object, optional
        The Hessian near the optimum. None: computed.

    Returns
    -------
    ndarray of shape (n_outputs, n_columns), float64

    Raises
    ------
    ValueError
        If the Hessian is not positive definite.

    Examples
    --------
    >>> from dataclasses import replace
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_relatif.objectives import reduce_estimator
    >>> from sklearn_relatif.retraining import polish
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=1000).fit(X, y)
    >>> objective = reduce_estimator(model, X, y, np.ones(150))
    >>> bool(objective.relative_gradient() < 1e-13)
    False
    >>> bool(replace(objective, weights=polish(objective)).relative_gradient() < 1e-13)
    True
    """
    if curvature is None:
        curvature = retraining_curvature(objective)
    return _minimise(objective, curvature, goal=0.0).weights[0]


def retrain(objective: LinearObjective, groups: Sequence, curvature=None) -> Retraining:
    """Models trained without each of several groups of rows.

    Parameters
    ----------
    objective : LinearObjective
        Of all rows, at parameters near its optimum; the loss must have a second derivative.
    groups : sequence of array-like of int
        Positions of the rows that each model has to do without.
    curvature : curvature object, optional
        The Hessian of the objective, without damping. None: computed.

    Returns
    -------
    Retraining

    Raises
    ------
    TypeError
        If the loss has no second derivative.
    ValueError
        If the Hessian of the objective is not positive definite, or a group leaves no rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_relatif.objectives import reduce_estimator
    >>> from sklearn_relatif.retraining import parameter_changes, retrain
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=1000).fit(X, y)
    >>> objective = reduce_estimator(model, X, y, np.ones(150))
    >>> retraining = retrain(objective, [[0], [70], range(100, 110)])
    >>> retraining.converged
    array([ True,  True,  True])
    >>> parameter_changes(retraining.objective, retraining.weights).round(3)
    array([0.005, 0.174, 1.377])
    """
    curvature = retraining_curvature(objective) if curvature is None else curvature
    optimum = _minimise(objective, curvature, goal=0.0)
    objective = replace(objective, weights=optimum.weights[0])
    groups = _counted_rows(objective, groups)
    models = _Models(objective, groups)
    weights = np.empty((len(groups), *objective.shape))
    relative = np.empty(len(groups))
    arrived = np.empty(len(groups), bool)
    form = curvature.quadratic_form(objective.shape[0])
    for batch, is_small in _batches(objective, groups):
        weights[batch] = objective.weights
        if is_small:
            removed = _Downdate(objective, curvature, form, *_pad([groups[g] for g in batch]))
            solve, start = removed.solve, models.start(weights[batch], removed.gradient(), batch)
        else:
            solve, start = _solver(curvature), models.at(weights[batch], batch)
        goal = np.clip(REDUCTION * start.relative, 10 * optimum.relative, TOLERANCE)
        end, arrived[batch] = _descend(models, batch, start, solve, goal)
        weights[batch], relative[batch] = end.weights, end.relative
    for model in np.flatnonzero(~arrived):
        reduced = _without(objective, groups[model])
        end = _minimise(replace(reduced, weights=weights[model]))
        weights[model], relative[model] = end.weights[0], end.relative[0]
    return Retraining(objective, weights, relative, models.active_set_changed(weights))


def newton_step(objective: LinearObjective, curvature, groups: Sequence) -> np.ndarray:
    """One Newton step of each model without a group of rows; see :func:`newton_steps`.

    Returns
    -------
    ndarray of shape (n_groups, n_outputs, n_columns), float64
    """
    weights = np.empty((len(groups), *objective.shape))
    for batch, stepped in newton_steps(objective, curvature, groups):
        weights[batch] = stepped
    return weights


def newton_steps(
    objective: LinearObjective, curvature, groups: Sequence
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Parameters after one Newton step of each model without a group of rows, in batches.

    The step starts at the parameters of the objective, which are taken for its optimum, and has
    the Hessian of the model without the group. For one row i and one output it is
    ``(s_i/S) H^-1 g_i / (1 - h_i)``, with the leverage ``h_i``.

    Parameters
    ----------
    objective : LinearObjective
    curvature : curvature object
        The Hessian of the objective, without damping.
    groups : sequence of array-like of int
        Positions of the rows that each model has to do without.

    Yields
    ------
    batch : ndarray of int, shape (n_models,)
        Positions in ``groups``.
    weights : ndarray of shape (n_models, n_outputs, n_columns), float64

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_relatif.curvature import build_curvature
    >>> from sklearn_relatif.objectives import reduce_estimator
    >>> from sklearn_relatif.retraining import newton_step, parameter_changes
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=1000).fit(X, y)
    >>> objective = reduce_estimator(model, X, y, np.ones(150))
    >>> curvature = build_curvature(objective, "hessian", 0.0)
    >>> weights = newton_step(objective, curvature, [[0], [70], range(100, 110)])
    >>> parameter_changes(objective, weights).round(3)
    array([0.006, 0.179, 1.348])
    """
    groups = _counted_rows(objective, groups)
    form = curvature.quadratic_form(objective.shape[0])
    hessian = None
    for batch, is_small in _batches(objective, groups):
        if is_small:
            removed = _Downdate(objective, curvature, form, *_pad([groups[g] for g in batch]))
            yield batch, objective.weights + removed.newton_step()
            continue
        hessian = objective.hessian() if hessian is None else hessian
        for model in batch:
            step = _newton_step_without(objective, hessian, groups[model])
            yield np.array([model]), objective.weights + step


def loo_predictor(objective: LinearObjective, curvature) -> np.ndarray:
    """Linear predictor of each training row under the model without it, one Newton step on.

    For one output, with ``q_i = x~_i^T H^-1 x~_i`` and the leverage
    ``h_i = (s_i/S) A_i q_i``, it is ``eta_i + (s_i/S) r_i q_i / (1 - h_i)``; for several outputs
    ``eta_i + M_i (I - (s_i/S) A_i M_i)^-1 (s_i/S) r_i``, where ``M_i`` holds the forms
    ``x~_i^T [H^-1]_kl x~_i``. All rows together cost one pass over them.

    Parameters
    ----------
    objective : LinearObjective
    curvature : curvature object
        The Hessian of the objective, without damping.

    Returns
    -------
    ndarray of shape (n_rows, n_outputs), float64
    """
    form = curvature.quadratic_form(objective.shape[0])
    predictor = np.empty((objective.design.n_rows, objective.shape[0]))
    for block in objective.blocks(4 * objective.weights.size):
        rows = np.arange(block.start, block.stop)[:, None]
        removed = _Downdate(objective, curvature, form, rows, np.ones(rows.shape))
        predictor[block] = removed.predictor_after_step()
    return predictor


# --- what a removal changed ----------------------------------------------------------------


def parameter_changes(objective: LinearObjective, weights: np.ndarray) -> np.ndarray:
    """Norm of the change of the parameters in each model, shape (n_models,).

    It is that of the coefficients, since the coordinates of the objective are orthonormal.

    Parameters
    ----------
    objective : LinearObjective
        At the parameters of the model before the removal.
    weights : ndarray of shape (n_models, n_outputs, n_columns)
        Parameters after it, from :func:`retrain` or :func:`newton_steps`.
    """
    return np.linalg.norm((weights - objective.weights).reshape(len(weights), -1), axis=1)


def loss_changes(
    objective: LinearObjective, weights: np.ndarray, design: Design, y: np.ndarray
) -> np.ndarray:
    """Change of the loss of each of some rows in each model, shape (n_rows, n_models).

    Parameters
    ----------
    objective, weights
        As for :func:`parameter_changes`.
    design : Design
        Features of the rows, from ``objective.query_design``.
    y : ndarray of shape (n_rows,)
        Their targets, as the loss takes them.
    """
    changes = np.empty((design.n_rows, len(weights)))
    for rows, block in _loss_change_blocks(objective, weights, design, y):
        changes[rows] = block
    return changes


def training_effects(objective: LinearObjective, weights: np.ndarray) -> np.ndarray:
    """Root of the summed squared changes of the training rows' losses, shape (n_models,).

    All training rows count, the removed ones included, each by its weight ``s_i``. With the norm
    of :func:`parameter_changes` it is the effect of a removal on the whole model, in Tables 2 and
    4 of Barshan, Brunet & Dziugaite (2020).

    Parameters
    ----------
    objective, weights
        As for :func:`parameter_changes`.
    """
    square = np.zeros(len(weights))
    for rows, block in _loss_change_blocks(objective, weights, objective.design, objective.y):
        square += objective.sample_weight[rows].astype(np.float64) @ block**2
    return np.sqrt(square)


def predictors(design: Design, weights: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Linear predictors of several models, in blocks of rows.

    Parameters
    ----------
    design : Design
    weights : ndarray of shape (n_models, n_outputs, n_columns)

    Yields
    ------
    rows : slice
    eta : ndarray of shape (n, n_models, n_outputs), float64
    """
    stacked = _stacked(weights)
    for rows in _blocks(design, stacked.shape[1]):
        eta = np.asarray(_features(design, rows) @ stacked)
        yield rows, eta.reshape(-1, *weights.shape[:2])


def _loss_change_blocks(objective, weights, design, y):
    loss, both = objective.loss, np.concatenate([objective.weights[None], weights])
    for rows, eta in predictors(design, both):
        values = np.empty(eta.shape[:2])
        for part in row_blocks(len(eta), eta[0].nbytes, LOSS_BLOCK_BYTES):
            target = np.repeat(y[rows][part], len(both))
            values[part] = loss.value(target, _merge_models(eta[part])).reshape(-1, len(both))
        yield rows, values[:, 1:] - values[:, :1]


# --- many models at once -------------------------------------------------------------------


class _Points(NamedTuple):
    """Parameters of several models, their gradients, and the relative norms of these."""

    weights: np.ndarray
    gradient: np.ndarray
    relative: np.ndarray

    def take(self, models):
        return _Points(*(part[models] for part in self))

    def put(self, models, points):
        for part, values in zip(self, points, strict=True):
            part[models] = values


class _Models:
    """The objectives without each group of rows, evaluated together.

    Parameters
    ----------
    objective : LinearObjective
    groups : list of ndarray of int
        Rows that each model does without, each at most once.
    """

    def __init__(self, objective, groups):
        self.objective = objective
        self.weight = objective.sample_weight.astype(np.float64)
        self.n_models = len(groups)
        removed = np.concatenate([*groups, np.empty(0, np.intp)])
        model = np.repeat(np.arange(len(groups)), [len(rows) for rows in groups])
        lost = np.bincount(model, self.weight[removed], self.n_models)
        self.total = self.weight.sum() - lost
        order = np.argsort(removed, kind="stable")
        self.removed, self.model = removed[order], model[order]
        self.squared_lengths = self._squared_lengths()

    def at(self, weights, members) -> _Points:
        """The models ``members`` at some parameters (n_members, n_outputs, n_columns)."""
        objective, total = self.objective, self.total[members]
        gradient = np.zeros(weights.shape)
        square = np.zeros(len(members))
        for rows, residual in self._residuals(weights, members):
            _add_gradients(gradient, residual, _features(objective.design, rows))
            square += self.squared_lengths[rows] @ np.einsum("nbk,nbk->nb", residual, residual)
        gradient += objective.penalty * weights + objective.slope
        if objective.mask is not None:
            gradient *= objective.mask
        gradient /= total[:, None, None]
        norm = np.sqrt(_dot(gradient, gradient) * total)
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.where(norm == 0, 0, norm / np.sqrt(square))
        return _Points(weights, gradient, relative)

    def start(self, weights, gradient, members) -> _Points:
        """The models ``members`` at the optimum of all rows, where their gradient is known."""
        rows = self.objective.rows
        square = (self.weight * rows.norm) ** 2 @ self.squared_lengths / self.weight.sum()
        norm = np.sqrt(_dot(gradient, gradient))
        return _Points(weights, gradient, norm / np.sqrt(square) if square > 0 else norm)

    def active_set_changed(self, weights):
        """Whether the optimality conditions of an L1 penalty fail for each model."""
        objective = self.objective
        if objective.inactive_bound is None:
            return np.zeros(len(weights), bool)
        wrong_sign = weights * objective.slope < 0
        design, bound = objective.full_design, objective.inactive_bound
        gradient = np.zeros((len(weights), *bound.shape))
        for rows, residual in self._residuals(weights, np.arange(len(weights))):
            _add_gradients(gradient, residual, _features(design, rows))
        too_steep = np.abs(gradient) > bound * (1 + TOLERANCE)
        return (wrong_sign.any(axis=2) | too_steep.any(axis=2)).any(axis=1)

    def _residuals(self, weights, members):
        """Weighted residuals (n, n_members, n_outputs) in blocks, 0 for the removed rows."""
        objective = self.objective
        position = np.full(self.n_models, -1)
        position[members] = np.arange(len(members))
        for rows, eta in predictors(objective.design, weights):
            for part in row_blocks(len(eta), eta[0].nbytes, LOSS_BLOCK_BYTES):
                target = np.repeat(objective.y[rows][part], len(members))
                residual = objective.loss.residual(target, _merge_models(eta[part]))
                eta[part] = residual.reshape(eta[part].shape)
            if objective.output_weight is not None:
                eta *= objective.output_weight[rows, None]
            eta *= self.weight[rows, None, None]
            first, last = np.searchsorted(self.removed, [rows.start, rows.stop])
            member = position[self.model[first:last]]
            row = self.removed[first:last] - rows.start
            eta[row[member >= 0], member[member >= 0]] = 0
            yield rows, eta

    def _squared_lengths(self):
        """``norm(x~_i)^2 / s_i``, which times the squares of the weighted residuals sums up."""
        design = self.objective.design
        lengths = np.empty(design.n_rows)
        for rows in _blocks(design, 1):
            x = _features(design, rows)
            square = x.power(2) if sparse.issparse(x) else x**2
            lengths[rows] = np.asarray(square.sum(axis=1)).ravel()
        return np.divide(lengths, self.weight, out=np.zeros_like(lengths), where=self.weight > 0)


def _descend(models, members, start, solve, goal):
    """Quasi-Newton steps of several models, each until it has arrived.

    A step that leads so far uphill that the slope is reversed is shortened. Only slopes are
    looked at, because differences of values drown in rounding near the optimum.

    Parameters
    ----------
    models : _Models
    members : ndarray of int
        The models that take part.
    start : _Points
    solve : callable
        Takes gradients (n, n_outputs, n_columns) of those members whose positions (n,) are its
        second argument, and applies an approximate inverse Hessian to them.
    goal : ndarray of shape (n_members,)
        Relative gradient to arrive at, with a next step of no consequence (PRECISION). Below
        ROUNDING, a model has arrived as well when a step fails to halve its relative gradient;
        below TOLERANCE, it gives up then.

    Returns
    -------
    end : _Points
    has_arrived : ndarray of bool, shape (n_members,)
    """
    end = _Points(*(part.copy() for part in start))
    live, has_arrived = np.arange(len(members)), np.zeros(len(members), bool)
    here, pairs, length = start, _Pairs(), np.ones(len(live))
    step = -solve(here.gradient, live)
    for _ in range(MAX_STEPS):
        there = models.at(here.weights + length[:, None, None] * step, members[live])
        slope, slope_there = _dot(step, here.gradient), _dot(step, there.gradient)
        at_goal = there.relative <= goal[live]
        is_near = here.relative <= TOLERANCE
        is_better = ~is_near | (there.relative < here.relative)
        moves = at_goal | (is_better & (slope_there <= 0.5 * np.abs(slope)))
        stalls = is_near & (there.relative > 0.5 * here.relative)
        end.put(live[moves], there.take(moves))

        pairs.add(here, there, moves)
        length = np.where(moves, 1.0, length * _shortening(slope, slope_there))
        here = end.take(live)
        new = -pairs.solve(here.gradient, lambda gradient, live=live: solve(gradient, live))
        step = np.where(moves[:, None, None], new, step)
        decrement = -_dot(step, here.gradient) * models.total[members[live]]
        arrives = at_goal & (decrement <= PRECISION**2) | stalls & (here.relative <= ROUNDING)
        has_arrived[live] = arrives
        stays = ~(arrives | stalls)
        live, here, length, step = live[stays], here.take(stays), length[stays], step[stays]
        pairs.take(stays)
        if not live.size:
            break
    return end, has_arrived


def _shortening(slope, slope_there):
    """Where along a rejected step the slope vanishes if it is linear, within bounds."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(np.clip(slope / (slope - slope_there), 0.1, 0.5), nan=0.1)


class _Pairs:
    """Steps of several models and the changes of their gradients, for L-BFGS."""

    def __init__(self):
        self.pairs = []

    def add(self, here, there, moves):
        """Remember the steps of the models that move, and nothing for the others."""
        step, change = there.weights - here.weights, there.gradient - here.gradient
        bend = _dot(step, change)
        size = np.sqrt(_dot(step, step) * _dot(change, change))
        # Below this, the change of the gradient is the rounding of the two.
        known = moves & (bend > 1e-10 * size)
        inverse = np.divide(1, bend, out=np.zeros_like(bend), where=known)
        self.pairs = [*self.pairs[1 - MEMORY :], (step, change, inverse)]

    def take(self, models):
        self.pairs = [tuple(part[models] for part in pair) for pair in self.pairs]

    def solve(self, gradient, solve):
        """The approximate inverse Hessian ``solve``, corrected to fit the steps remembered."""
        rest, shares = gradient.copy(), []
        for step, change, inverse in reversed(self.pairs):
            shares.append(inverse * _dot(step, rest))
            rest -= shares[-1][:, None, None] * change
        solution = solve(rest)
        for step, change, inverse in self.pairs:
            share = shares.pop() - inverse * _dot(change, solution)
            solution += share[:, None, None] * step
        return solution


def _minimise(objective, curvature=None, goal=REDUCTION * TOLERANCE):
    """Optimum of one objective, by quasi-Newton steps on one Hessian after another."""
    models, alone = _Models(objective, [np.empty(0, np.intp)]), np.zeros(1, np.intp)
    point = models.at(objective.weights[None].astype(np.float64), alone)
    for _ in range(MAX_HESSIANS):
        if curvature is None:
            try:
                here = replace(objective, weights=point.weights[0]).astype(np.float64)
                curvature = build_curvature(here, "hessian", 0.0)
            except ValueError:
                break
        before = point.relative[0]
        point, arrived = _descend(models, alone, point, _solver(curvature), np.full(1, goal))
        if arrived[0] or (before <= TOLERANCE and point.relative[0] > 0.5 * before):
            break
        curvature = None
    return point


# --- Newton steps without some rows --------------------------------------------------------


class _Downdate:
    """The part that a few rows have in the Hessian, for a batch of models that lose them.

    With ``E`` the columns ``I ⊗ x~_i`` of a model's rows and ``A`` the blocks ``(s_i/S) A_i``,

        (H - E A E^T)^-1 = H^-1 + H^-1 E (I - A M)^-1 A E^T H^-1,    M = E^T H^-1 E.

    Arrays have the axes (model, block of H, row and output within the block); a Hessian that does
    not couple the outputs has a block for each of them.

    Parameters
    ----------
    objective : LinearObjective
    curvature : curvature object
        The Hessian of the objective.
    form : callable
        ``curvature.quadratic_form(n_outputs)``.
    rows, present : ndarray of shape (n_models, n_removed)
        Rows that each model loses; those with ``present`` 0 only fill up.
    """

    def __init__(self, objective, curvature, form, rows, present):
        self.curvature = curvature
        n_models, n_removed = rows.shape
        n_outputs, n_columns = objective.shape
        self.n_blocks = n_outputs if objective.loss.separable else 1
        self.n_within = n_outputs // self.n_blocks
        self.share_left = 1 - (objective.sample_weight[rows] * present).sum(axis=1) / (
            objective.total_weight
        )
        design, rows = objective.design, rows.ravel()
        x = design.dense_block(rows).astype(np.float64, copy=False)
        self.x = x.reshape(n_models, 1, n_removed, n_columns)

        share = present.ravel() / objective.total_weight
        self.eta = x @ objective.weights.T
        residual = objective.loss.residual(objective.y[rows], self.eta)
        if objective.output_weight is not None:
            residual = residual * objective.output_weight[rows]
        residual = residual * (objective.sample_weight[rows] * share)[:, None]
        self.residual = self._by_block(residual)[..., None]

        inner = objective.weighted_second_derivative(rows).astype(np.float64)
        inner *= share.reshape(-1, *[1] * (inner.ndim - 1))
        self.inner = self._block_diagonal(inner)
        self.forms = self._forms(form)
        self.remaining = np.eye(self.forms.shape[-1]) - self.inner @ self.forms
        self.correction = None

    def gradient(self):
        """Gradient of each model at the optimum of all rows."""
        return -self._spread(self.residual, self.x) / self.share_left[:, None, None]

    def newton_step(self):
        """Step from the optimum of all rows, shape (n_models, n_outputs, n_columns)."""
        coefficients = _solve_each(self.remaining, self.residual)
        return _solve(self.curvature, self._spread(coefficients, self.x))

    def predictor_after_step(self):
        """Predictor of the removed rows after that step, one row a model."""
        shift = self.forms @ _solve_each(self.remaining, self.residual)
        return self.eta + shift.reshape(self.eta.shape)

    def solve(self, gradient, models):
        """Inverse Hessian of the models without their rows, applied to a gradient of each."""
        if self.correction is None:
            self.correction = _solve_each(self.remaining, self.inner)
        x = self.x[models]
        solution = _solve(self.curvature, gradient)
        n_columns = x.shape[-1]
        blocks = solution.reshape(len(models), self.n_blocks, self.n_within, n_columns)
        inner = (x @ blocks.swapaxes(2, 3)).reshape(len(models), self.n_blocks, -1, 1)
        lost = self._spread(self.correction[models] @ inner, x)
        corrected = solution + _solve(self.curvature, lost)
        # In single precision a large leverage can make the downdated matrix indefinite.
        is_descent = _dot(corrected, gradient) > 0
        solution = np.where(is_descent[:, None, None], corrected, solution)
        return solution * self.share_left[models, None, None]

    def _spread(self, coefficients, x):
        """``E t``: parameters (n, n_outputs, n_columns) from coefficients of the rows."""
        shape = len(x), self.n_blocks, x.shape[2], self.n_within
        spread = coefficients.reshape(shape).swapaxes(2, 3) @ x
        return spread.reshape(len(x), -1, x.shape[-1])

    def _by_block(self, values):
        """(n_models * n_removed, n_outputs) to (n_models, n_blocks, n_removed * n_within)."""
        n_models, _, n_removed, _ = self.x.shape
        values = values.reshape(n_models, n_removed, self.n_blocks, self.n_within)
        return values.swapaxes(1, 2).reshape(n_models, self.n_blocks, -1)

    def _block_diagonal(self, inner):
        """Second derivatives of the rows, put together into one matrix a model and block."""
        n_models, _, n_removed, _ = self.x.shape
        k = self.n_within
        if inner.ndim == 2:
            inner = self._by_block(inner)[..., None, None]
        inner = inner.reshape(n_models, self.n_blocks, n_removed, k, k)
        whole = np.zeros((n_models, self.n_blocks, n_removed, k, n_removed, k))
        each = np.arange(n_removed)
        whole[:, :, each, :, each, :] = np.moveaxis(inner, 2, 0)
        return whole.reshape(n_models, self.n_blocks, n_removed * k, -1)

    def _forms(self, form):
        """``M = E^T H^-1 E``, in closed form for single rows."""
        n_models, _, m, n_columns = self.x.shape
        n_blocks, k = self.n_blocks, self.n_within
        x = self.x[:, 0]
        if m == 1:
            forms = form(x[:, 0].astype(self.curvature.dtype)).astype(np.float64)
            return forms.reshape(n_models, n_blocks, k, k)
        # Blocks are solved for together, so that each needs its own copy of the features.
        outputs = np.eye(k) if n_blocks == 1 else np.ones((1, n_blocks))
        columns = outputs[:, :, None] * x[:, :, None, None, :]
        solved = _solve(self.curvature, columns.reshape(-1, n_blocks * k, n_columns))
        products = x @ solved.reshape(n_models, -1, n_columns).swapaxes(1, 2)
        products = products.reshape(n_models, m, m, k, n_blocks, k)
        return products.transpose(0, 4, 1, 5, 2, 3).reshape(n_models, n_blocks, m * k, m * k)


def _newton_step_without(objective, hessian, rows):
    """Newton step without a group of many rows, whose part is subtracted from the Hessian."""
    total, weight = objective.total_weight, objective.sample_weight[rows]
    part = replace(
        objective,
        design=Design(objective.design.X[rows], objective.design.fit_intercept),
        y=objective.y[rows],
        sample_weight=weight,
        output_weight=None if objective.output_weight is None else objective.output_weight[rows],
        penalty=np.zeros(objective.shape),
        slope=0.0,
    )
    left = total - part.total_weight
    blocks = (total * hessian - part.total_weight * part.hessian()) / left
    reduced = _without(objective, rows)
    curvature = CholeskyCurvature(
        blocks,
        objective.design.dtype,
        lambda: reduced.null_space(blocks, unpenalised=False),
        None if objective.mask is None else objective.mask.ravel(),
    )
    own = _Models(part, [np.empty(0, np.intp)]).at(objective.weights[None], np.zeros(1, np.intp))
    return _solve(curvature, own.gradient * (part.total_weight / left))


def _counted_rows(objective, groups):
    """The groups as sorted arrays, without the rows that have no weight."""
    counted = objective.sample_weight > 0
    groups = [np.unique(np.asarray(rows, dtype=np.intp)) for rows in groups]
    groups = [rows[counted[rows]] for rows in groups]
    if any(len(rows) == np.count_nonzero(counted) for rows in groups):
        raise ValueError("A group holds all training rows, so that none is left to train with.")
    return groups


def _without(objective, rows):
    weight = objective.sample_weight.copy()
    weight[rows] = 0
    return replace(objective, sample_weight=weight)


def _pad(groups):
    """Groups as the rows of a rectangle, and a mask of what is not padding."""
    sizes = np.array([len(rows) for rows in groups])
    present = np.arange(max(1, sizes.max())) < sizes[:, None]
    rows = np.zeros(present.shape, np.intp)
    rows[present] = np.concatenate(groups)
    return rows, present.astype(np.float64)


def _batches(objective, groups) -> Iterator[tuple[np.ndarray, bool]]:
    """Groups of similar size, as many as share their products well, and whether they are small.

    A group is small if downdating a factor by it costs less than a new factor.
    """
    n_outputs = objective.shape[0]
    n_params = objective.weights.size
    n_blocks = n_outputs if objective.loss.separable else 1
    sizes = np.array([max(1, len(rows)) for rows in groups])
    ranks = sizes * (n_outputs // n_blocks)
    small = (sizes == 1) | (ranks <= n_params // n_blocks / 4)
    similar = np.where(small, np.ceil(np.log2(sizes)), np.inf)
    for kind in np.unique(similar):
        members = np.flatnonzero(similar == kind)
        is_small = bool(small[members[0]])
        vectors = 2 * MEMORY + 8 + (2 * ranks[members].max() if is_small else 0)
        most = min(BATCH_COLUMNS // n_outputs, int(BATCH_BYTES / (8 * vectors * n_params)))
        for batch in row_blocks(len(members), 1, max(1, most)):
            yield members[batch], is_small


# --- products ------------------------------------------------------------------------------


def _solver(curvature) -> Callable:
    return lambda gradient, _: _solve(curvature, gradient)


def _solve(curvature, gradients):
    """``H^-1 g`` of gradients of shape (n, n_outputs, n_columns), in double precision."""
    flat = gradients.reshape(len(gradients), -1).astype(curvature.dtype, order="C")
    return curvature.solve(flat).astype(np.float64, copy=False).reshape(gradients.shape)


def _solve_each(matrices, right):
    try:
        return np.linalg.solve(matrices, right)
    except np.linalg.LinAlgError:
        # Some direction is known from the removed rows alone: nothing moves along it.
        return np.linalg.pinv(matrices) @ right


def _add_gradients(gradient, residual, x):
    """Add ``sum_i r_i ⊗ x_i`` of each model; residuals have shape (n, n_models, n_outputs)."""
    residual = residual.reshape(len(residual), -1)
    product = (x.T @ residual).T if sparse.issparse(x) else residual.T @ x
    gradient += product.reshape(gradient.shape)


def _features(design, rows):
    return design.product_block(rows).astype(np.float64, copy=False)


def _blocks(design, n_columns):
    """Slices of rows whose features and ``n_columns`` products are neither small nor large."""
    X, width = design.X, design.n_columns
    if design.is_sparse and X.nnz <= DENSE_ABOVE * X.shape[0] * X.shape[1]:
        width = X.nnz / max(1, X.shape[0])
    return row_blocks(design.n_rows, 8 * max(width, n_columns), block_budget())


def _stacked(weights):
    """Weights of several models side by side, shape (n_columns, n_models * n_outputs)."""
    return np.ascontiguousarray(weights.reshape(-1, weights.shape[-1]).T)


def _merge_models(eta):
    return eta.reshape(-1, eta.shape[-1])


def _dot(a, b):
    return np.einsum("nkd,nkd->n", a, b)
