"""Classifiers that are fitted by sums over the rows of their classes.

Naive Bayes, discriminant analysis and nearest centroids have a solution in closed form: numbers
``theta`` of each class that add up weighted rows, at which the sum over the rows ::

    J(theta) = (1/S) [ sum_i s_i q(x_i, y_i; theta) + what smoothing adds ]

is least. For a likelihood ``q`` is ``-log p(x, y)``, that of a row and its label together, while
a query enters by ``-log p(y | x)``: two losses of the same parameters. With ``g_i`` the gradient
of q and H the Hessian of J the derivative of theta by the weight of a row is ``-H^-1 g_i / S``,
which the closed form confirms. In the parameters that are used here H is a diagonal matrix:
logarithms of probabilities, means, variances, and means and covariances in the basis in which the
latter are diagonal.

Models without some of the rows are made of the sums without them. They are exact, whatever the
order that is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from ..jacobians import ClassDensity, ClassJacobian, Gradients
from ..losses import Loss
from ..utils._blocks import block_budget
from ._base import Objective
from ._sizes import Sizes

#: What is left of a sum of squares, as a share of it, from which on it is summed anew.
LOST = 1e-4
#: Difference of a parameter that no row moves, of the largest one, that is rounding.
SAME = 1e-6
NO_LEVERAGE = (
    "it is fitted to features and labels together, in closed form, and no row's label is fitted "
    "by a predictor of which the row determines a share"
)


class Removals:
    """Groups of rows that models do without, as a matrix of the weights that leave.

    Parameters
    ----------
    groups : sequence of ndarray of int
    weight : ndarray of shape (n_rows,)

    Attributes
    ----------
    groups : list of ndarray of int
        Each row once.
    weights : CSR matrix of shape (n_groups, n_rows)
    """

    def __init__(self, groups: Sequence[np.ndarray], weight: np.ndarray) -> None:
        self.groups = [np.unique(np.asarray(rows, np.intp)) for rows in groups]
        columns = np.concatenate([*self.groups, np.empty(0, np.intp)])
        starts = np.cumsum([0, *map(len, self.groups)])
        shape = len(self.groups), len(weight)
        self.weights = sparse.csr_array((weight[columns], columns, starts), shape=shape)
        self.counts = sparse.csr_array((np.ones(len(columns)), columns, starts), shape=shape)

    def __len__(self) -> int:
        return len(self.groups)

    def weights_of(self, is_member: np.ndarray) -> Any:
        """Those that leave of some of the rows, given by a mask; a CSR matrix of the same shape."""
        weights = self.weights.copy()
        weights.data *= is_member[weights.indices]
        weights.eliminate_zeros()
        return weights

    def kept(self, position: Any, among: np.ndarray) -> np.ndarray:
        """Those of some rows that are left without a group."""
        return np.setdiff1d(among, self.groups[position], assume_unique=True)


class ClassMoments:
    """What the rows of each class add up to, and the model that is made of it.

    A subclass gives the densities, the diagonal of the curvature, and the models without rows.

    Attributes
    ----------
    X : ndarray or CSR matrix of shape (n_rows, n_features)
        As the model adds it up.
    y : ndarray of int, shape (n_rows,)
    weight : ndarray of shape (n_rows,)
    class_weight : ndarray of shape (n_classes,)
        What the rows of each class weigh.
    prior : ndarray of shape (n_classes,) or None
        Priors that are given. None: they are those of the rows.
    density : ClassDensity
        What classes say of queries, by the closed form of these rows.
    is_likelihood : bool
        Whether J is the likelihood of a model, but for what smoothing adds.
    """

    density: ClassDensity
    is_likelihood = True

    def __init__(
        self,
        X: Any,
        y: np.ndarray,
        weight: np.ndarray,
        n_classes: int,
        prior: np.ndarray | None,
    ) -> None:
        self.X, self.y, self.weight, self.prior = X, y, np.asarray(weight, np.float64), prior
        self.n_classes = n_classes
        self.class_weight = np.bincount(y, self.weight, minlength=n_classes)

    @property
    def total_weight(self) -> float:
        return float(self.class_weight.sum())

    def features(self, X: Any) -> Any:
        """Other rows, as the model adds them up."""
        return X

    def residual(self, y: np.ndarray) -> np.ndarray:
        """Gradient of q in the scores of the classes, shape (n, n_classes)."""
        return -np.eye(self.n_classes)[y]

    @property
    def row_density(self) -> ClassDensity:
        """What makes q of the rows."""
        return self.density

    def diagonal(self, kind: str) -> tuple[np.ndarray, np.ndarray]:
        """The "hessian" or the "fisher" of the classes' own parameters, and of the shared ones.

        0 for parameters along which no row differs from its class.
        """
        raise NotImplementedError

    def log_prior(self, class_weight: np.ndarray) -> np.ndarray:
        """By the weights of classes (..., n_classes)."""
        if self.prior is None:
            with np.errstate(divide="ignore"):
                share = class_weight / class_weight.sum(axis=-1, keepdims=True)
                return np.log(share)
        with np.errstate(divide="ignore"):
            return np.broadcast_to(np.log(self.prior), class_weight.shape)

    @property
    def counted(self) -> tuple[np.ndarray, np.ndarray] | None:
        """What depends on how many rows there are, whatever they weigh; None if nothing does.

        A number for each row, and what the classes' own parameters change by, for a number of 1,
        without the row.
        """
        return None

    def without(self, removals: Removals) -> MomentsWithout:
        """The models without groups of rows."""
        raise NotImplementedError

    def class_weight_without(self, removals: Removals) -> np.ndarray:
        """Shape (n_groups, n_classes)."""
        member = np.eye(self.n_classes)[self.y]
        left = self.class_weight - removals.weights @ member
        # Whole numbers of rows stay what they are, and of others only rounding may be below zero.
        return np.maximum(left, 0.0)

    def groups_at_a_time(self) -> int:
        """How many models may be held at once."""
        size = 8 * 6 * self.density.n_params
        return max(1, min(256, int(block_budget() // size)))


class MomentsWithout:
    """Models without some rows each, as their closed form.

    Attributes
    ----------
    class_weight, log_prior : ndarray of shape (n_models, n_classes)
    """

    class_weight: np.ndarray
    log_prior: np.ndarray

    def values(self, X: Any) -> np.ndarray:
        """The classes' scores of rows in each model, shape (n, n_models, n_classes)."""
        raise NotImplementedError

    def terms(self, X: Any) -> np.ndarray:
        """The same as they enter q, where that differs."""
        return self.values(X)

    def squared_change(self) -> np.ndarray:
        """Of the parameters, but for the priors, shape (n_models,)."""
        raise NotImplementedError


@dataclass(frozen=True)
class MomentsObjective(Objective):
    """A classifier with a solution in closed form, together with its rows.

    Attributes
    ----------
    loss : Loss
        Of queries.
    moments : ClassMoments
    y : ndarray of int, shape (n_rows,)
    sample_weight : ndarray of shape (n_rows,)
    outputs : ndarray of shape (n_classes, n_outputs)
        Predictors by the scores of classes.
    density : ClassDensity
        At the fitted parameters.
    further : tuple of float and int, default=(0.0, 0)
        The squared distance, in the metric of the Hessian, of what a fit exposes beyond its
        parameters from what these make of it, and how many numbers that are.
    """

    loss: Loss
    moments: ClassMoments
    y: np.ndarray
    sample_weight: np.ndarray
    outputs: np.ndarray
    density: ClassDensity
    further: tuple[float, int] = (0.0, 0)

    removal_kind = "moments"
    is_linear = False
    has_tables = False
    minimises_loss = False
    has_first_order = True
    has_closed_form = True
    leverage_obstacle = NO_LEVERAGE
    slope = 0.0
    mask = None

    @property
    def dtype(self):
        return np.dtype(np.float64)

    @property
    def n_rows(self):
        return len(self.y)

    @property
    def shape(self):
        """(1, n_params): there is no table with a row an output."""
        return self.weights.shape

    @cached_property
    def weights(self) -> np.ndarray:
        """The fitted parameters, shape (1, n_params)."""
        return self.density.vector()[None]

    @cached_property
    def penalty_share(self):
        """What is lost with each row beside its term, as the share of a penalty is elsewhere."""
        return None if self.moments.counted is None else self.moments.counted[0]

    def penalty_steps(self, curvature):
        """What that changes in the parameters, whatever the curvature."""
        if self.moments.counted is None:
            return []
        share, step = self.moments.counted
        vector = np.zeros_like(self.weights)
        _, own, _ = self.density.parts(vector)
        own += step
        return [(share, vector[0])]

    def sizes(self) -> Sizes:
        """What the choice of a solver asks."""
        return Sizes.of_parameters(self.n_rows, self.weights.size)

    # --- rows ------------------------------------------------------------------------------

    @cached_property
    def jacobian(self) -> ClassJacobian:
        """Of the predictors of the training rows."""
        return self._of_queries(self.moments.X)

    def _of_queries(self, X):
        return ClassJacobian(self.density, X, self.outputs)

    @cached_property
    def training_predictor(self):
        return self.predictor(self.jacobian)

    @cached_property
    def rows(self) -> Gradients:
        """Gradients of q; rows of weight 0 have none."""
        return self._terms(self.moments.X, self.y, self.sample_weight > 0)

    def _terms(self, X, y, counts):
        residual = self.moments.residual(y) * counts[:, None]
        norm = np.linalg.norm(residual, axis=1)
        unit = residual / np.where(norm > 0, norm, 1)[:, None]
        return Gradients(self._of_terms(X), unit, norm)

    def _of_terms(self, X):
        return ClassJacobian(self.moments.row_density, X, np.eye(self.moments.n_classes))

    def row_jacobian(self, jacobian):
        """The Jacobian of q of other rows."""
        return self._of_terms(jacobian.X)

    def query_jacobian(self, X):
        return self._of_queries(self.moments.features(X))

    def query_rows(self, jacobian, y) -> Gradients:
        norm, unit = self.loss.query_direction(y, self.predictor(jacobian))
        return Gradients(jacobian, unit, norm)

    def loss_rows(self, jacobian, y) -> Gradients:
        """Unit gradients of q of any rows, as training rows of labels ``y`` have them."""
        return self._terms(jacobian.X, y, np.ones(len(y), bool))

    def predictor(self, jacobian):
        """By what the fit itself exposes."""
        return jacobian.fitted_predictor()

    # --- derivatives -------------------------------------------------------------------------

    def curvature_diagonal(self, kind):
        if kind == "empirical_fisher":
            return None
        if kind == "identity":
            return np.ones(self.weights.size)
        if kind == "fisher" and not self.moments.is_likelihood:
            raise ValueError(
                "curvature='fisher' needs a likelihood, which this model does not maximise; use "
                "curvature='hessian', that of the sum over the rows which its parameters minimise."
            )
        moments = self.moments
        prior = np.empty(0)
        if self.density.fits_prior:
            prior = moments.class_weight / moments.total_weight
        own, shared = moments.diagonal(kind)
        return np.concatenate([prior, own.ravel(), shared])

    def hessian(self) -> np.ndarray:
        """Of J, shape (1, n_params, n_params)."""
        return np.diag(self.curvature_diagonal("hessian"))[None]

    def fisher(self) -> np.ndarray:
        """Fisher information of the likelihood, shape (1, n_params, n_params)."""
        return np.diag(self.curvature_diagonal("fisher"))[None]

    def empirical_fisher(self) -> np.ndarray:
        """Second moment of the row gradients, shape (1, n_params, n_params)."""
        matrix, scale = np.zeros((self.weights.size,) * 2), self.rows.norm**2 * self.sample_weight
        for rows in self.blocks(self.weights.size):
            gradients = self.rows.block(rows)
            matrix += (gradients.T * scale[rows]) @ gradients
        return matrix[None] / self.total_weight

    def squared_distance(self):
        """The fitted parameters less those of the closed form, in the metric of the Hessian.

        In effective rows; and the number of parameters that rows determine.
        """
        diagonal = self.curvature_diagonal("hessian")
        closed = self.moments.density.vector()
        difference = self.density.vector() - closed
        is_free, (square, n_further) = diagonal > 0, self.further
        if np.abs(difference[~is_free]).max(initial=0) > SAME * np.abs(closed).max(initial=0):
            return np.inf, 1.0
        square += float(diagonal[is_free] @ difference[is_free] ** 2)
        n_rows = self.total_weight**2 / np.square(self.sample_weight).sum()
        return n_rows * square, float(is_free.sum() + n_further)
