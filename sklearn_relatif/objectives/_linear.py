"""The objective that every linear-predictor model minimised.

    J(W) = (1/S) [ sum_i s_i loss(y_i, W x~_i) + 1/2 sum_j Lambda_j w_j^2 + sum_j q_j w_j ]

with ``S = sum_i s_i``. ``q`` is the constant slope of an L1 penalty on its active set. A parameter
that may not be negative is held at zero as by such a penalty, which has no end on that side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..jacobians import Gradients, LinearJacobian, has_few_products, take_columns
from ..utils._blocks import row_blocks, value_blocks
from ..utils._distribution import map_parts, part_slices, split
from ..utils._threads import FEW_COLUMNS, for_each, in_one_blas_thread
from ._base import Objective
from ._grams import add_gram, fix_gauge, mirror_lower, signed_gram
from ._pairs import PairGrams
from ._sizes import Sizes

#: Share of the strength of an L1 penalty by which rounding may make the rest of J steeper.
VIOLATION = 1e-9
#: What objectives lack that have neither an L1 penalty nor bounds.
WITHOUT_L1: dict[str, Any] = dict.fromkeys(
    ["full_jacobian", "full_l2", "full_l1", "full_positive", "full_signs", "inactive_bound"]
)


@dataclass(frozen=True)
class LinearObjective(Objective):
    """A fitted linear-predictor model together with the rows that it was trained on.

    Attributes
    ----------
    loss : Loss
        Pointwise loss, which also fixes the coordinates of the outputs.
    weights : ndarray of shape (n_outputs, n_columns)
        Fitted parameters; the last column is the intercept when there is one.
    jacobian : LinearJacobian
        Training features.
    y : ndarray of shape (n_rows,) or (n_rows, n_targets)
        Targets as the loss takes them.
    sample_weight : ndarray of shape (n_rows,)
        Effective weights ``s_i`` (sample weight times class weight).
    penalty : ndarray of shape (n_outputs, n_columns)
        ``Lambda``, the L2 penalty of each parameter.
    slope : ndarray of shape (n_outputs, n_columns) or 0.0
        ``q``, the gradient of the L1 penalty on the active set.
    output_weight : ndarray of shape (n_rows, n_outputs) or None
        Weight of a row in each of the problems of a one-vs-rest model, beyond ``s_i``.
    leaves_intercept : bool, default=False
        Which of the parameters among which the rows leave a choice are those of the fit: those of
        the smallest coefficients, whatever the intercept. False: those of the least norm.
    penalty_share : ndarray of shape (n_rows,) or None
        Share of ``Lambda`` and ``q`` that leaves with each row, where penalties count rows.
    mask : ndarray of shape (n_outputs, n_columns) or None
        1 for active parameters, 0 for the ones that an L1 penalty or a bound holds at zero.
    columns : ndarray of int or None
        Columns of the user's features that are left after dropping those without any
        active parameter. None: all.
    full_jacobian : LinearJacobian or None
        Training features with those columns, where some may be dropped or are held at zero.
    full_l2, full_l1 : ndarray of shape (n_outputs, n_full_columns) or None
        L2 and L1 penalties of the parameters of the full Jacobian.
    full_positive : ndarray of bool, shape (n_outputs, n_full_columns), or None
        Which of them may not be negative.
    full_signs : ndarray of shape (n_outputs, n_full_columns) or None
        Signs that the active ones keep; 0 for inactive ones, and for those that may change signs.
    inactive_bound : ndarray of shape (n_outputs, n_full_columns) or None
        How steep the rest of the sum (not the mean) may be in an inactive parameter, which is
        the strength of its L1 penalty, 0 without one; infinite for active parameters.
    """

    loss: Any
    weights: np.ndarray
    jacobian: LinearJacobian
    y: np.ndarray
    sample_weight: np.ndarray
    penalty: np.ndarray
    slope: Any = 0.0
    output_weight: Any = None
    leaves_intercept: bool = False
    penalty_share: Any = None
    mask: np.ndarray | None = None
    columns: np.ndarray | None = None
    full_jacobian: Any = None
    full_l2: Any = None
    full_l1: Any = None
    full_positive: Any = None
    full_signs: Any = None
    inactive_bound: np.ndarray | None = None

    @property
    def has_l1(self):
        return self.full_l1 is not None

    @property
    def full_kinks(self):
        """Which parameters of the full Jacobian can be held at zero."""
        return (self.full_l1 > 0) | self.full_positive

    @property
    def signs(self):
        """``full_signs`` of the parameters in the columns that are left."""
        kept: Any = self.columns
        if self.full_jacobian.fit_intercept:
            kept = np.append(kept, self.full_jacobian.n_features)
        return self.full_signs[:, kept]

    @property
    def place(self):
        return self.jacobian.place

    @property
    def dtype(self):
        return self.jacobian.dtype

    @property
    def shape(self):
        """(n_outputs, n_columns) of the parameters."""
        return self.weights.shape

    @cached_property
    def training_predictor(self):
        """Linear predictor of the training rows, shape (n_rows, n_outputs)."""
        eta = np.empty((self.n_rows, self.shape[0]), self.dtype)

        def predict(rows):
            eta[rows] = self.jacobian.predictor(self.weights, rows)

        for_each(predict, self.cached_blocks(0))
        return eta

    @cached_property
    def rows(self) -> Gradients:
        """Unit gradients of the training rows; rows of weight 0 have none."""
        n_rows, n_outputs = self.jacobian.n_rows, self.shape[0]
        unit = np.empty((n_rows, n_outputs), self.jacobian.dtype)
        norm = np.empty(n_rows, self.jacobian.dtype)
        eta = self.training_predictor

        def direct(rows):
            weight = None if self.output_weight is None else self.output_weight[rows]
            norm[rows], unit[rows] = self.direction(self.y[rows], eta[rows], weight)

        for_each(direct, value_blocks(n_rows, n_outputs))
        absent = self.sample_weight == 0
        unit[absent] = 0
        norm[absent] = 0
        return Gradients(self.jacobian, unit, norm)

    def direction(self, y, eta, output_weight):
        """Norms and unit vectors of the residuals of rows with some weights by output."""
        norm, unit = self.loss.direction(y, eta)
        if output_weight is None:
            return norm, unit
        unit = unit * output_weight
        length = np.linalg.norm(unit, axis=1)
        return norm * length, unit / np.where(length > 0, length, 1)[:, None]

    def loss_rows(self, jacobian: LinearJacobian, y) -> Gradients:
        """Unit gradients of the losses of any rows, as training rows of labels ``y`` have them."""
        weight = None if self.output_weight is None else self._weight_of_classes[y]
        return self._gradient_rows(jacobian, *self.direction(y, self.predictor(jacobian), weight))

    @cached_property
    def _weight_of_classes(self):
        """``output_weight`` of the rows of each class, which share it; of those that count."""
        present = np.flatnonzero(self.sample_weight)
        weight = np.zeros((self.y.max() + 1, self.shape[0]), self.dtype)
        weight[self.y[present]] = self.output_weight[present]
        return weight

    def query_jacobian(self, X) -> LinearJacobian:
        """Features of other rows, in the columns of this objective and in their own precision."""
        X = X if self.columns is None else take_columns(X, self.columns)
        return self.jacobian.at(X)

    def query_rows(self, jacobian: LinearJacobian, y) -> Gradients:
        """Unit gradients of the loss of query rows with explained targets ``y``."""
        return self._gradient_rows(
            jacobian, *self.loss.query_direction(y, self.predictor(jacobian))
        )

    def _gradient_rows(self, jacobian, norm, unit):
        """Gradients of other rows, in the precision of the objective."""
        unit, norm = (values.astype(self.dtype, copy=False) for values in (unit, norm))
        return Gradients(jacobian.astype(self.dtype), unit, norm)

    def predictor(self, jacobian: LinearJacobian):
        """Linear predictor of all rows of a Jacobian, shape (n_rows, n_outputs).

        In double precision: far from the training rows it is a small sum of large numbers.
        """
        jacobian = jacobian.astype(np.float64)
        return in_one_blas_thread(jacobian.predictor, self.weights)

    def astype(self, dtype) -> LinearObjective:
        """The same objective, with its features (and so its products) in another precision."""
        weight = self.output_weight
        return replace(
            self,
            jacobian=self.jacobian.astype(dtype),
            output_weight=None if weight is None else weight.astype(dtype, copy=False),
        )

    # --- the active set of an L1 penalty ---------------------------------------------------

    def with_active_set(self, table, signs) -> LinearObjective:
        """The same objective on another active set of its L1 penalty and its bounds.

        Parameters
        ----------
        table : ndarray of shape (n_outputs, n_full_columns)
            Parameters of the full Jacobian.
        signs : ndarray of shape (n_outputs, n_full_columns)
            Signs of the active ones, and 0 for those that are held at zero. Parameters that
            nothing can hold there are active whatever is said here.
        """
        full, n_features = self.full_jacobian, self.full_jacobian.n_features
        signs = signs * self.full_kinks
        active = (signs != 0) | ~self.full_kinks
        columns = np.flatnonzero(active[:, :n_features].any(axis=0))
        kept = np.append(columns, n_features) if full.fit_intercept else columns
        return replace(
            self,
            weights=table[:, kept],
            jacobian=full.take_columns(columns),
            penalty=self.full_l2[:, kept],
            slope=(self.full_l1 * signs)[:, kept],
            mask=active[:, kept].astype(full.dtype),
            columns=columns,
            full_signs=signs,
            inactive_bound=np.where(active, np.inf, self.full_l1),
        )

    def on_support(self, support) -> LinearObjective:
        """The same objective, with all other coefficients held at zero whatever the rows say.

        Parameters
        ----------
        support : ndarray of bool, shape (n_outputs, n_features)
        """
        full = self.jacobian
        columns = np.flatnonzero(support.any(axis=0))
        active, kept = support[:, columns], columns
        if full.fit_intercept:
            kept = np.append(columns, full.n_features)
            active = np.column_stack([active, np.ones(len(active), bool)])
        return replace(
            self,
            weights=self.weights[:, kept],
            jacobian=full.take_columns(columns),
            penalty=self.penalty[:, kept],
            mask=active.astype(full.dtype),
            columns=columns,
            full_jacobian=full,
        )

    def terms(self) -> np.ndarray:
        """How many units of rounding errors may have that are none, shape (n_outputs,).

        That is of sums of products with all parameters, less the targets: the largest sum of
        absolute terms, times the error of its number of additions. It leaves half of the digits of
        the targets, or else parameters that are far too large would seem to meet them.
        """
        n_columns, sizes = self.jacobian.n_columns, np.abs(self.weights).T
        targets = np.abs(self.y.reshape(self.n_rows, -1)).max(axis=0)
        largest = targets.astype(np.float64)
        for rows in self.jacobian.blocks(len(self.weights)):
            x = self.jacobian.product_block(rows)
            largest = np.maximum(largest, (abs(x) @ sizes).max(axis=0))
        most = targets / np.sqrt(np.finfo(self.dtype).eps)
        return np.minimum(10 * np.sqrt(n_columns) * largest, most)

    def unrestricted(self) -> LinearObjective:
        """The losses and the L2 penalty in the full Jacobian of an objective on an active set."""
        table = self.score_weights()
        restriction: dict[str, Any] = {"slope": 0.0, "mask": None, "columns": None, **WITHOUT_L1}
        full: dict[str, Any] = {
            "weights": table,
            "jacobian": self.full_jacobian,
            "penalty": self.full_l2,
        }
        return replace(self, **full, **restriction)

    def gradient(self) -> np.ndarray:
        """Gradient of J at the parameters, shape (n_outputs, n_columns), in double precision.

        0 for parameters that are held at zero.
        """
        gradient = self._pull(self.jacobian) + self.penalty_gradient()
        if self.mask is not None:
            gradient *= self.mask
        return gradient / self.total_weight

    def penalty_gradient(self) -> np.ndarray:
        """``Lambda w + q``: of the penalties in the sum form, shape (n_outputs, n_columns)."""
        return self.penalty * self.weights + self.slope

    def penalty_pulls(self):
        if self.penalty_share is None:
            return []
        return [(self.penalty_share, self.penalty_gradient().ravel())]

    def with_penalties_times(self, factor) -> LinearObjective:
        """The same objective, with its penalties stronger or weaker by a positive factor."""
        strengths = ["penalty", "slope"]
        if self.has_l1:
            strengths += ["full_l2", "full_l1", "inactive_bound"]
        scaled: dict[str, Any] = {name: factor * getattr(self, name) for name in strengths}
        return replace(self, **scaled)

    def _pull(self, jacobian):
        """``sum_i s_i J_i^T r_i`` with the rows of a Jacobian, shape (n_outputs, n_columns)."""
        weighted = (self.rows.norm * self.sample_weight)[:, None] * self.rows.unit
        total = np.zeros((1, self.shape[0] * jacobian.n_columns))

        def add(of_block):
            total[:] += of_block

        bytes_per_row = jacobian.n_stored * jacobian.dtype.itemsize
        blocks = list(row_blocks(self.n_rows, bytes_per_row, jacobian.bytes_at_once))
        for_each(lambda rows: jacobian.adjoint(weighted[rows, None], rows), blocks, add)
        return total.reshape(-1, jacobian.n_columns)

    def relative_gradient(self) -> float:
        """Norm of the gradient of J over the root mean square norm of the row gradients.

        It tells how far a retraining has come. It depends on the units of the features, so that
        it cannot tell how far a model is from its optimum.
        """
        squares = (self.rows.norm * np.sqrt(self.sample_weight)) ** 2
        square = sum(
            float(self.jacobian[rows].squared_lengths() @ squares[rows])
            for rows in self.cached_blocks(0)
        )
        norm = np.linalg.norm(self.gradient())
        return float(norm / np.sqrt(square / self.total_weight)) if square > 0 else 0.0

    def holding(self, other, rows) -> LinearObjective:
        """The same with the weights by output, and with penalties that do not count rows."""
        held: Any = super().holding(other, rows)
        if self.output_weight is not None:
            held = replace(held, output_weight=other.output_weight[rows])
        if other.penalty_share is None and not self.has_l1 and other.shape == self.shape:
            held = replace(held, penalty=other.penalty)
        return held

    def effective_rows(self) -> np.ndarray:
        """Effective number of rows of each output, ``(sum s)^2 / sum s^2``, shape (n_outputs,).

        In the unit of J: where the problems of a one-vs-rest model weigh rows differently, a
        problem's own sum of weights takes the place of one of the two S.
        """
        weight = np.broadcast_to(self.sample_weight[:, None], (self.n_rows, self.shape[0]))
        if self.output_weight is not None:
            weight = weight * self.output_weight.astype(np.float64)
        return self.total_weight * weight.sum(axis=0) / np.square(weight).sum(axis=0)

    def with_violated(self) -> LinearObjective:
        """The same objective, with the parameters that should not be at zero among the active.

        A parameter may be held at zero by an L1 penalty where the rest of J is less steep than
        the penalty, and by a bound where it rises. Otherwise it belongs to the active ones.
        """
        if self.inactive_bound is None:
            return self
        pull, bound = self._pull(self.full_jacobian), self.inactive_bound
        violated = self.steepness(pull) > bound + VIOLATION * (bound + self._steepest())
        if not violated.any():
            return self
        signs = np.where(violated, -np.sign(pull), self.full_signs)
        return self.with_active_set(self.score_weights(), signs)

    def undecided(self) -> np.ndarray:
        """Which parameters at zero could as well be others, shape (n_outputs, n_full_columns).

        Where J neither rises nor falls in them. Those of constant columns next to an intercept are
        of no consequence, and not among them.
        """
        bound: Any = self.inactive_bound
        tolerance = VIOLATION * (bound + self._steepest())
        excess = self.steepness(self._pull(self.full_jacobian)) - bound
        found = np.isfinite(bound) & (tolerance > 0) & (excess > -tolerance)
        columns = np.flatnonzero(found[:, : self.full_jacobian.n_features].any(axis=0))
        if self.full_jacobian.fit_intercept and columns.size:
            found[:, columns[self.full_jacobian.take_columns(columns).are_constant()]] = False
        return found

    def steepness(self, pull):
        """How steeply the losses fall where parameters at zero may go, by their gradients.

        Parameters
        ----------
        pull : ndarray of shape (..., n_outputs, n_full_columns)
        """
        return np.where(self.full_positive, -pull, np.abs(pull))

    def _steepest(self):
        """By the inequality of Cauchy and Schwarz, the most that the losses' gradients can be."""
        weighted = (self.rows.norm * self.sample_weight)[:, None] * self.rows.unit
        lengths = np.linalg.norm(weighted.astype(np.float64), axis=0)
        return lengths[:, None] * self.full_jacobian.column_lengths()

    def score_weights(self, weights=None) -> np.ndarray:
        """Parameters as the estimator exposes them: a row a class score, the intercept last.

        Parameters
        ----------
        weights : ndarray of shape (n_outputs, n_columns), default=None
            In the coordinates of the objective. None: those of the objective itself.

        Returns
        -------
        ndarray of shape (n_scores, n_features) or (n_scores, n_features + 1)
        """
        weights = self.jacobian.expand(self.weights if weights is None else weights)
        table = np.reshape(self.loss.scores(weights.T).T, (-1, weights.shape[1]))
        if self.columns is None:
            return table
        full = np.zeros((len(table), self.full_jacobian.n_columns))
        full[:, self.columns] = table[:, : len(self.columns)]
        if self.jacobian.fit_intercept:
            full[:, -1] = table[:, -1]
        return full

    def parameter_gradient(self, table) -> np.ndarray:
        """Gradient in the parameters of the objective, by that in :meth:`score_weights`.

        Parameters
        ----------
        table : ndarray of shape (n_scores, n_features) or (n_scores, n_features + 1)

        Returns
        -------
        ndarray of shape (n_params,)
        """
        if self.columns is not None:
            last = [table[:, -1:]] if self.jacobian.fit_intercept else []
            table = np.hstack([table[:, self.columns], *last])
        by_output = self.loss.from_scores(self.jacobian.project(table).T)
        return np.ravel(by_output.T)

    # --- curvature -----------------------------------------------------------------------

    def sizes(self) -> Sizes:
        """What the choice of a solver asks."""
        return Sizes.of(self)

    def curvature_diagonal(self, kind):
        """All of a curvature that is diagonal, shape (n_params,); None for others.

        0 for parameters that are held fixed.
        """
        if kind != "identity":
            return None
        ones = np.ones(self.shape, self.jacobian.dtype)
        return (ones if self.mask is None else ones * self.mask).ravel()

    def hessian(self, neglect=0.0) -> np.ndarray:
        """Hessian of J, shape (n_blocks, size, size): a block an output, or one if coupled.

        Parameters
        ----------
        neglect : float, default=0.0
            How much of the second derivatives may be left out, where that saves time: rows that
            are next to nothing to two of the classes, at most this share of their coupling. The
            sums are of the precision of the features then, otherwise double.
        """
        return self._regularised(self._sum_of_parts("hessian", neglect), self.penalty)

    def fisher(self) -> np.ndarray:
        """Fisher information of the likelihood, in the same form as :meth:`hessian`."""
        return self._regularised(self._sum_of_parts("fisher"), 0.0)

    def expected_hessian(self) -> np.ndarray:
        """What the likelihood expects the Hessian to be: positive semi-definite in any case."""
        return self._regularised(self._sum_of_parts("fisher"), self.penalty)

    def empirical_fisher(self) -> np.ndarray:
        """Second moment of the row gradients, shape (1, n_params, n_params)."""
        return self._regularised(self._sum_of_parts("empirical_fisher"), 0.0)

    def _sum_of_parts(self, curvature, neglect=0.0):
        """``row_sum`` of all rows, of which worker processes may take a part each."""
        parts = split(self.jacobian)
        if len(parts) == 1:
            return self.row_sum(curvature, neglect)
        # The features stay where they are sent to; the rest is of no further use there.
        terms = [self._terms(rows) for rows in part_slices(self.n_rows)]
        parts = [(*part, own) for part, own in zip(parts, terms, strict=True)]
        total, *others = map_parts(_sum_of_part, parts, curvature, neglect)
        # Ray hands results over where they are, for reading only.
        total = np.require(total, requirements="W")
        for other in others:
            total += other
        return total

    def _terms(self, rows) -> LinearObjective:
        """The terms of some of the rows, given by a slice, in the sums over the rows.

        Without the features, which are to be put in their place.
        """
        own: dict[str, Any] = {
            "jacobian": None,
            "y": self.y[rows],
            "sample_weight": self.sample_weight[rows],
            "output_weight": None if self.output_weight is None else self.output_weight[rows],
            "penalty_share": None,
            "columns": None,
        }
        return replace(self, **own, **WITHOUT_L1)

    def row_sum(self, curvature, neglect=0.0) -> np.ndarray:
        """The sum over the rows in a curvature, shape (n_blocks, size, size)."""
        if curvature == "empirical_fisher":
            return self._gradient_gram()
        if self.loss.softmax_contrasts is not None:
            return self._softmax_gram(self.loss.softmax_contrasts, neglect)
        bends = self._fisher_weight if curvature == "fisher" else self.loss.second_derivative
        if self.loss.couples_outputs:
            return self._coupled_gram(bends)
        blocks = self._separate_grams(bends)
        return np.repeat(blocks, self.shape[0] // len(blocks), axis=0)

    def row_sum_in(self, curvature, jacobian) -> np.ndarray:
        """The same sum with other features, for the residuals and weights that the rows have."""
        changed = replace(self, jacobian=jacobian)
        changed.__dict__["training_predictor"] = self.training_predictor
        return changed.row_sum(curvature)

    def _gradient_gram(self):
        matrix = np.zeros((self.rows.n_values,) * 2)
        scale = self.rows.norm * np.sqrt(self.sample_weight)
        for rows in self.blocks(self.rows.n_values):
            block = self.rows.block(rows)
            block *= scale[rows, None]
            matrix += block.T @ block
        return matrix[None]

    def weighted_square(self, rows):
        """``s_i r_i r_i^T`` of some rows, shape (n, n_outputs, n_outputs)."""
        length = self.rows.norm[rows] * np.sqrt(self.sample_weight[rows])
        residual = self.rows.unit[rows] * length[:, None].astype(self.dtype)
        return residual[:, :, None] * residual[:, None, :]

    def _separate_grams(self, second_derivative):
        """``sum_i s_i A_ik x~_i x~_i^T`` of each output k; of one where they all have the same."""
        n_outputs, n_columns = self.shape
        if self.loss.shares_curvature and self.output_weight is None:
            n_outputs = 1
        blocks = np.zeros((n_outputs, n_columns, n_columns))
        is_narrow = n_columns <= FEW_COLUMNS and not self.jacobian.is_sparse
        if is_narrow and self.loss.is_convex:
            roots = self._roots(second_derivative)[:n_outputs]

            def grams(rows):
                scaled = (self.jacobian.gradients(root[rows, None], rows) for root in roots)
                return np.stack([x.T @ x for x in scaled])

            def add(of_block):
                blocks[:] += of_block

            for_each(grams, self.cached_blocks(0), add)
            return blocks
        for rows in self.blocks(n_columns + n_outputs):
            x = self.jacobian.product_block(rows)
            weights = self._weighted(second_derivative, rows).T[:n_outputs]
            for block, weight in zip(blocks, weights, strict=True):
                add_gram(block, x, weight)
        for block in blocks:
            mirror_lower(block)
        return blocks

    def _roots(self, second_derivative):
        """``sqrt(s_i A_ik)``, shape (n_outputs, n_rows)."""
        # Known before the threads start, of which each would compute it otherwise.
        eta = self.training_predictor
        roots = np.empty((self.shape[0], self.n_rows), self.dtype)

        def fill(rows):
            bends = self._weigh(second_derivative(self.y[rows], eta[rows]), rows)
            np.sqrt(bends.T, out=roots[:, rows])

        for_each(fill, value_blocks(self.n_rows, self.shape[0]))
        return roots

    def _coupled_gram(self, second_derivative):
        """``sum_i s_i A_i ⊗ x~_i x~_i^T``, shape (1, n_params, n_params)."""
        n_outputs, n_columns = self.shape
        matrix = np.zeros((self.weights.size,) * 2)
        cells = matrix.reshape(*self.shape, *self.shape)
        for rows in self.blocks(2 * n_columns + n_outputs**2):
            x, inner = self.jacobian.product_block(rows), self._weighted(second_derivative, rows)
            for k, m in zip(*np.tril_indices(n_outputs), strict=True):
                cells[k, :, m] += signed_gram(x, inner[:, k, m])
        mirror_lower(matrix)
        return matrix[None]

    def _softmax_gram(self, contrasts, neglect):
        """The same of the softmax, by pairs of classes."""
        dtype = self.dtype if neglect else np.float64
        grams = PairGrams(contrasts, self.shape[1], dtype)
        is_sparse = has_few_products(self.jacobian, self.shape[0])
        values_per_row = self.shape[1] + 4 * len(contrasts)
        if is_sparse:
            values_per_row = len(contrasts) ** 2 + 8 * self.jacobian.n_products
        for rows in self.blocks(values_per_row):
            probabilities = self.loss.probabilities(self.training_predictor[rows])
            weight = self.sample_weight[rows].astype(self.dtype)
            if is_sparse:
                grams.add_products(self.jacobian.block(rows), probabilities, weight)
            else:
                grams.add(self.jacobian.product_block(rows), probabilities, weight, neglect)
        return grams.total()[None]

    def _regularised(self, blocks, penalty):
        """Divide by S, add the penalty, and restrict to the active parameters."""
        n_blocks, size, _ = blocks.shape
        diagonal = np.einsum("bii->bi", blocks)
        diagonal += np.broadcast_to(penalty, self.shape).reshape(n_blocks, size)
        blocks /= self.total_weight
        if self.mask is not None:
            mask = self.mask.reshape(n_blocks, size)
            blocks *= mask[:, :, None] * mask[:, None, :]
            if self.loss.has_gauge:
                fix_gauge(blocks[0], self.mask, penalty / self.total_weight)
            diagonal += 1 - mask
        return blocks

    def cached_blocks(self, values_per_row):
        """Slices for threads, whose features and temporaries stay in the cache of a thread."""
        values_per_row += self.jacobian.n_stored
        bytes_per_row = values_per_row * self.jacobian.dtype.itemsize
        return list(row_blocks(self.jacobian.n_rows, bytes_per_row, self.jacobian.bytes_at_once))


def _sum_of_part(part, curvature, neglect):
    jacobian, terms = part
    return replace(terms, jacobian=jacobian).row_sum(curvature, neglect)
