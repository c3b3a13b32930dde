"""Networks without some of their rows: trained on from where they are, or their responses.

A network is where its training has stopped, which need not be an optimum, and there may be many of
these. So two answers are kept apart.

*Retrained* (order "retrain"): what further training without the rows G leads to, in full batches,
by what the network itself minimised::

    J_G(theta) = (1/S_G) [ sum_{i not in G} s_i loss(y_i, f(x_i; theta))
                           + (1 - l_G) / 2 theta^T Lambda theta ],

where ``S_G`` is the weight of the rows that are left, and ``l_G`` the share of the penalty that
leaves with the others, if it counts rows. The model that it is compared with is trained on in the
same way with all rows, and that of each removal starts there.

*The proximal Bregman response* (order "pbrf"; Bae, Ng, Lo, Ghassemi & Grosse, 2022): what best
undoes the rows while all predictions stay near what they are. From the fitted parameters
``theta*`` it minimises::

    (1/S) [ sum_i s_i D_i(theta) + 1/2 (theta - theta*)^T Lambda (theta - theta*)
            - sum_{i in G} s_i loss(y_i, f(x_i; theta)) - l_G / 2 theta^T Lambda theta ]
    + damping / 2 |theta - theta*|^2

with the Bregman divergence of the loss between the predictions, and of the penalty likewise::

    D_i(theta) = loss(y_i, f_i) - loss(y_i, f*_i) - r*_i . (f_i - f*_i).

The gradient of all but the removed rows is zero at ``theta*``, and its Hessian there is the damped
Gauss-Newton matrix H, whatever the network has learned. So to first order in the weight of the
rows, the response is ``theta* + (1/S) H^-1 (sum_{i in G} s_i g_i + l_G Lambda theta*)``: influence
by ``curvature="gauss_newton"`` of the same damping is its derivative, exactly.

Both are minimised by L-BFGS in double precision.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from joblib import effective_n_jobs
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.parallel import Parallel, delayed

from ..losses import of_models
from ..objectives import NetworkObjective
from ..utils._blocks import block_budget, row_blocks
from ._base import ModelsWithout, Remover
from ._batches import counted_rows

#: A model counts as trained when its gradient is at most this share of what a typical row pulls.
TOLERANCE = 1e-3
#: Shares of that pull, and of what a removal pulls if this is less, at which training ends.
POLISHED, CLOSE = 1e-6, 1e-5
#: Steps of L-BFGS to the optimum of all rows, and from there without some of them. Each takes the
#: predictor and its adjoint about once.
MAX_STEPS_OF_ALL, MAX_STEPS = 3000, 1000
#: Steps that L-BFGS remembers. On digits, networks of tanh take half as many steps as with 10.
MEMORY = 50
#: Length of the first step that is tried, as a share of the length of the parameters: by default
#: that of SciPy is 1, which may lead to another optimum.
FIRST_STEP = 1e-3
#: Lengths of the parameters at the start, and at least as many units, that no search goes away by
#: which has a minimum to arrive at.
OUT_OF_REACH = 100.0
#: Rows that tell what a typical one pulls.
N_TYPICAL = 256
NO_ROWS = np.empty(0, np.intp)


class Found(NamedTuple):
    """Where a search has ended.

    Attributes
    ----------
    weights : ndarray of shape (n_params,)
    left : float
        Norm of the gradient there. Infinite, and the parameters NaN, where there is no minimum
        within reach.
    """

    weights: np.ndarray
    left: float

    @property
    def is_lost(self) -> bool:
        return bool(np.isinf(self.left))


class _RunsAway(Exception):
    """A search that leaves everything behind."""


@dataclass(frozen=True)
class Start:
    """Where searches start, and what the network gives there.

    Attributes
    ----------
    objective : NetworkObjective
        In double precision.
    weights : ndarray of shape (n_params,)
    predictor : ndarray of shape (n_rows, n_outputs)
    losses : ndarray of shape (n_rows,)
    """

    objective: NetworkObjective
    weights: np.ndarray
    predictor: np.ndarray
    losses: np.ndarray

    @classmethod
    def at(cls, objective: NetworkObjective, weights: np.ndarray) -> Start:
        each = [objective.jacobian.predictor(weights, rows) for rows in _blocks(objective)]
        predictor = np.concatenate(each)
        return cls(objective, weights, predictor, objective.loss.value(objective.y, predictor))

    def retrained(self, rows: np.ndarray) -> Training:
        """The network's own objective without some rows."""
        objective = self.objective
        weight = _zero_at(objective.sample_weight, rows)
        total, penalty = weight.sum(), objective.penalty[0]
        ridge, lost = penalty / total, _share(objective, rows)
        return Training(self, weight, total, None, ridge, lost * ridge, np.zeros_like(penalty))

    def response(self, rows: np.ndarray, damping: float) -> Training:
        """The proximal Bregman objective without some rows, of which this is the anchor."""
        objective, weight = self.objective, self.objective.sample_weight.astype(np.float64)
        total, ridge = objective.total_weight, objective.penalty[0] / objective.total_weight
        tangent = objective.loss.residual(objective.y, self.predictor) * weight[:, None]
        spared, left = _share(objective, rows) * ridge, _zero_at(weight, rows)
        return Training(self, left, total, tangent, ridge + damping, spared, self.weights)


@dataclass(frozen=True)
class Training:
    """What is minimised, as a function of the parameters::

        (1/total) sum_i [ weight_i loss(y_i, f_i) - tangent_i . f_i ]
        + 1/2 sum_j [ ridge_j (theta_j - anchor_j)^2 - spared_j theta_j^2 ].

    Its value is told as what it exceeds that at the start by, because little of it changes: beside
    the whole, the little would be rounding.

    Attributes
    ----------
    start : Start
    weight : ndarray of shape (n_rows,)
    total : float
    tangent : ndarray of shape (n_rows, n_outputs) or None
        None: zero.
    ridge, spared, anchor : ndarray of shape (n_params,)
    """

    start: Start
    weight: np.ndarray
    total: float
    tangent: np.ndarray | None
    ridge: np.ndarray
    spared: np.ndarray
    anchor: np.ndarray

    def at(self, weights: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and gradient at some parameters."""
        start, objective = self.start, self.start.objective
        moved, loss = objective.jacobian.moved(weights), objective.loss
        value, pull = 0.0, np.zeros(len(weights))
        for rows in _blocks(objective):
            y, weight = objective.y[rows], self.weight[rows]
            predictor = objective.jacobian.predictor(weights, rows)
            residual = loss.residual(y, predictor) * weight[:, None]
            value += weight @ (loss.value(y, predictor) - start.losses[rows])
            if self.tangent is not None:
                value -= np.vdot(self.tangent[rows], predictor - start.predictor[rows])
                residual -= self.tangent[rows]
            pull += moved.adjoint(residual[:, None], rows)[0]
        way, both = weights - start.weights, weights + start.weights
        value /= self.total
        value += (self.ridge * way) @ (both / 2 - self.anchor) - (self.spared * way) @ both / 2
        pull /= self.total
        return value, pull + self.ridge * (weights - self.anchor) - self.spared * weights

    def minimised(self, typical: float, share: float, max_steps: int) -> Found:
        """Parameters to which L-BFGS leads.

        Parameters
        ----------
        typical : float
            Norm of what a typical row pulls.
        share : float
            Of that, or of the gradient at the start if it is less, at which the search ends. It
            ends as well where rounding hides whether it still descends.
        max_steps : int
        """
        start = self.start.weights
        goal = share * min(typical, float(np.linalg.norm(self.at(start)[1])))
        scale = FIRST_STEP * max(float(np.linalg.norm(start)), 1.0)

        def scaled(way: np.ndarray) -> tuple[float, np.ndarray]:
            # The loss of what is removed may fall faster than what holds the parameters rises.
            if not np.linalg.norm(way) <= OUT_OF_REACH / FIRST_STEP:
                raise _RunsAway
            value, gradient = self.at(start + scale * way)
            return value / scale, gradient

        options = {
            "maxcor": MEMORY,
            "maxiter": max_steps,
            "maxfun": 2 * max_steps,
            "ftol": 0,
            "gtol": goal / np.sqrt(len(start)),
        }
        try:
            found = minimize(
                scaled, np.zeros_like(start), jac=True, method="L-BFGS-B", options=options
            )
        except _RunsAway:
            return Found(np.full_like(start, np.nan), np.inf)
        return Found(start + scale * found.x, float(np.linalg.norm(found.jac)))


@dataclass(frozen=True)
class TrainedModels(ModelsWithout):
    """Networks by their parameters.

    Attributes
    ----------
    positions : ndarray of int, shape (n_models,)
    objective : NetworkObjective
    before : ndarray of shape (n_params,)
        Parameters of the model that they are compared with.
    weights : ndarray of shape (n_models, n_params)
    """

    objective: NetworkObjective
    before: np.ndarray
    weights: np.ndarray

    def predictor_before(self, query):
        return query.jacobian.predictor(self.before)

    def predictors(self, query):
        return np.stack([query.jacobian.predictor(own) for own in self.weights], axis=1)

    def parameter_change(self):
        return np.linalg.norm(self.weights - self.before, axis=1)

    def training_change(self):
        objective, jacobian = self.objective, self.objective.jacobian
        square = np.zeros(len(self.positions))
        for rows in _blocks(objective):
            y, both = objective.y[rows], [self.before, *self.weights]
            predictors = np.stack([jacobian.predictor(own, rows) for own in both], axis=1)
            values = of_models(objective.loss.value, y, predictors)
            square += objective.sample_weight[rows] @ (values[:, 1:] - values[:, :1]) ** 2
        return np.sqrt(square)

    def tables(self):
        return self.weights[:, None]


class NetworkRemover(Remover):
    """Trains networks on without some of their rows, or finds their responses to that.

    Parameters
    ----------
    objective : NetworkObjective
        At the parameters where its training has stopped.
    n_jobs : int or None
        How many models are trained at a time.
    damping : float
        Of the response.
    """

    objective: NetworkObjective
    trains_each = True

    def __init__(self, objective: NetworkObjective, n_jobs: int | None, damping: float):
        self.objective = objective.astype(np.float64)
        self.n_jobs = n_jobs
        self.damping = damping

    def obstacle(self, order):
        if order in ("pbrf", "retrain"):
            return None
        if order == "structure":
            return super().obstacle(order)
        return (
            "Newton steps lead to the models without rows of what is linear in its parameters; a "
            "network is not. Use order='first' (influence), order='pbrf' (the proximal Bregman "
            "response, which influence approximates) or order='retrain' (trained on without the "
            "rows); or explain its last layer, of which all is exact, by "
            "sklearn_relatif.networks.LastLayer or parameters='last_layer'."
        )

    def at_optimum(self, query):
        jacobian = self.objective.query_jacobian(query.features)
        return query._replace(jacobian=jacobian.astype(np.float64))

    def models_without(self, removals, order) -> Iterator[TrainedModels]:
        obstacle = self.obstacle(order)
        if obstacle is not None:
            raise ValueError(obstacle)
        groups = counted_rows(self.objective, removals)
        find = self._responses if order == "pbrf" else self._retrained
        ends: list[Found] = []
        for some in row_blocks(len(groups), 1, effective_n_jobs(self.n_jobs)):
            before, found = find(groups[some])
            ends += found
            positions = np.arange(some.start, some.stop)
            weights = np.stack([own.weights for own in found])
            yield TrainedModels(positions, self.objective, before.weights, weights)
        self._warn_of_lost(ends)
        self._warn_of_far([end for end in ends if not end.is_lost], order)

    @property
    def loo_obstacle(self):
        return (
            "Leave-one-out predictions of a network would take a training a row; "
            "sklearn.model_selection.cross_val_predict takes one a fold. Those of its last layer "
            "take one step each: explain that by sklearn_relatif.networks.LastLayer or "
            "parameters='last_layer'."
        )

    def loo_predictor(self):
        raise ValueError(self.loo_obstacle)

    def _responses(self, groups: Sequence[np.ndarray]) -> tuple[Found, list[Found]]:
        anchor = Found(self._fitted.weights, 0.0)
        without = [self._fitted.response(rows, self.damping) for rows in groups]
        return anchor, self._searched(groups, without, anchor)

    def _retrained(self, groups: Sequence[np.ndarray]) -> tuple[Found, list[Found]]:
        without = [self._trained.retrained(rows) for rows in groups]
        return self.before, self._searched(groups, without, self.before)

    def _searched(
        self, groups: Sequence[np.ndarray], without: list[Training], unchanged: Found
    ) -> list[Found]:
        """Where the searches without groups of rows end; without any row nothing changes."""
        some = [index for index, rows in enumerate(groups) if len(rows)]
        ends = Parallel(n_jobs=self.n_jobs)(
            delayed(without[index].minimised)(self.typical, CLOSE, MAX_STEPS) for index in some
        )
        found = [unchanged] * len(groups)
        for index, end in zip(some, ends, strict=True):
            found[index] = end
        return found

    @cached_property
    def _fitted(self) -> Start:
        return Start.at(self.objective, self.objective.weights[0])

    @cached_property
    def _trained(self) -> Start:
        return Start.at(self.objective, self.trained.weights)

    @cached_property
    def trained(self) -> Found:
        """The model of all rows, trained on from where its fit has stopped."""
        return self._fitted.retrained(NO_ROWS).minimised(self.typical, POLISHED, MAX_STEPS_OF_ALL)

    @cached_property
    def before(self) -> Found:
        """What models without rows are compared with, which have been trained for as long.

        Of a model that has not arrived, to train on changes what no removal does.
        """
        if self._is_close(self.trained.left):
            return self.trained
        return self._trained.retrained(NO_ROWS).minimised(self.typical, CLOSE, MAX_STEPS)

    @cached_property
    def typical(self) -> float:
        """Root mean square norm of what a row adds to the gradient of J."""
        objective = self.objective
        counted = np.flatnonzero(objective.sample_weight > 0)
        places = np.linspace(0, len(counted) - 1, min(N_TYPICAL, len(counted))).astype(np.intp)
        rows, square = counted[places], 0.0
        for some in row_blocks(len(rows), objective.weights.size * 8, block_budget()):
            own = rows[some]
            block = objective.jacobian.gradients(objective.rows.unit[own], own)
            length = objective.jacobian.lengths(block, own) * objective.rows.norm[own]
            square += np.sum((objective.sample_weight[own] * length) ** 2)
        return float(np.sqrt(square / len(rows)) / objective.total_weight)

    def _is_close(self, left: float) -> bool:
        return left <= TOLERANCE * self.typical

    def _warn_of_lost(self, ends: list[Found]) -> None:
        """Say once of how many models there is no minimum."""
        n_lost = sum(end.is_lost for end in ends)
        if n_lost:
            warnings.warn(
                f"{n_lost} of {len(ends)} networks without rows have no minimum within reach: the "
                "loss of the rows that go falls faster than what holds the parameters rises. Their "
                "numbers are NaN. Set a larger damping, or remove fewer rows at a time.",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _warn_of_far(self, ends: list[Found], order: str) -> None:
        """Say once how many models have not arrived."""
        n_far = sum(not self._is_close(end.left) for end in ends)
        of_all = order == "retrain" and not self._is_close(self.before.left)
        if not (n_far or of_all):
            return
        advice = (
            "order='pbrf', which no drift disturbs, "
            if order == "retrain"
            else "a larger damping, "
        )
        warnings.warn(
            f"{n_far} of {len(ends)} networks without rows"
            + (", and that of all rows," if of_all else "")
            + f" have not arrived at a minimum in {MAX_STEPS} steps: more is left of their "
            f"gradients than {TOLERANCE:g} of what a typical row adds. What is told is of where "
            f"the search has ended. Use {advice}a smooth activation (the losses of relu have "
            "kinks, at which gradients do not vanish), or a stronger penalty.",
            ConvergenceWarning,
            stacklevel=3,
        )


def _blocks(objective: NetworkObjective) -> Iterator[slice]:
    """Rows whose activations take no more than a block may."""
    size = objective.jacobian.n_between * objective.dtype.itemsize
    return row_blocks(objective.n_rows, size, block_budget())


def _zero_at(weight: np.ndarray, rows: np.ndarray) -> np.ndarray:
    weight = weight.astype(np.float64)
    weight[rows] = 0
    return weight


def _share(objective: NetworkObjective, rows: np.ndarray) -> float:
    """The share of the penalty that leaves with some rows."""
    shares = objective.penalty_share
    return 0.0 if shares is None else float(shares[rows].sum())
