"""Reductions of kernel machines: SVC and NuSVC, one vs one.

A row's gradient lives in the feature space of the kernel, ``g_i = r_i ⊗ phi(x_i)``, and is
known by its inner products ``(r_i . r_j) K(x_i, x_j)`` alone. The hinge has no curvature, so
that the Hessian is ``I / (C S)`` (Appendix on support vector machines of Barshan, Brunet &
Dziugaite, 2020), and the unpenalised intercept is held fixed. Kernels are only ever computed
between queries and support vectors, in blocks.
"""

from __future__ import annotations

import reprlib
import warnings
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import euclidean_distances, pairwise_kernels
from sklearn.svm import SVC, NuSVC

from ..losses import Hinge, OneVsOneHinge, binary_codebook
from ._build import BOUND, DualForm, class_weight_of_rows, hinge_parameters
from ._linear import block_budget
from ._registry import reduce_estimator
from ._rows import row_blocks
from ._stored import held

#: What rounding may make of ``gamma`` times a squared distance.
LOST = 1e-12
#: The same in scikit-learn's own fit, whose kernels are in single precision.
LOST_BY_LIBSVM = 1e-5
#: Tolerance of machines that are fitted again. libsvm holds kernels in single precision.
TIGHT = 1e-9
#: Steps of libsvm after which such a fit ends with a warning.
MAX_STEPS = 10**7
#: Rows whose kernel with themselves is read off one small Gram matrix.
DIAGONAL_BLOCK = 64

KERNEL_MACHINES = (SVC, NuSVC)

NO_CURVATURE = (
    "curvature={!r} does not exist for a kernel SVM; use curvature='hessian' or 'identity'."
)


class UnknownBoundsError(ValueError):
    """The dual coefficients of a machine have bounds that are not known in advance."""


def is_kernel_machine(estimator) -> bool:
    """Whether the gradients of an unwrapped estimator live in the feature space of a kernel."""
    return isinstance(estimator, KERNEL_MACHINES)


class TrainingKernel:
    """The kernel of an SVM between any rows and its training rows.

    Distances are sums of products only where these are small enough: far from the origin the
    products are nearly equal, and what is left of them is rounding. Columns that are so large are
    compared by differences, as libsvm does when it predicts.

    Parameters
    ----------
    estimator : SVC or NuSVC
    X : ndarray or CSR matrix of shape (n_rows, n_features)
        Training features; the Gram matrix for ``kernel="precomputed"``.
    """

    def __init__(self, estimator, X):
        self.X = self._rows = X
        self.is_precomputed = estimator.kernel == "precomputed"
        self._metric = estimator.kernel
        self._offset = None
        self._far = np.empty(0, np.intp)
        self._options = {}
        if not (callable(estimator.kernel) or self.is_precomputed):
            self._options = {
                "gamma": _gamma(estimator, X),
                "degree": estimator.degree,
                "coef0": estimator.coef0,
            }
        if self._metric == "rbf":
            self._far, lost = self._far_columns()
            _warn_if_lost(lost)

    @property
    def parameters(self):
        """Parameters of the estimator that hold the kernel as it is."""
        return {"gamma": self._options["gamma"]} if self._options else {}

    def between(self, features, positions):
        """Kernel of any rows with training rows, shape (n, len(positions))."""
        if self.is_precomputed:
            return features[:, positions]
        if self._offset is not None:
            features = features - self._offset
        return self._evaluate(features, self._rows[positions])

    def gram(self, positions, others):
        """Kernel between training rows, shape (len(positions), len(others))."""
        if self.is_precomputed:
            return self.X[positions][:, others]
        return self._evaluate(self._rows[positions], self._rows[others])

    def diagonal(self, positions):
        """Kernel of training rows with themselves, shape (len(positions),)."""
        parts = [
            np.diagonal(self.gram(some, some))
            for some in np.split(positions, range(DIAGONAL_BLOCK, len(positions), DIAGONAL_BLOCK))
        ]
        return np.concatenate(parts)

    def around_mean(self):
        """The same kernel, or, if it is linear and dense, the one of rows around their mean.

        A machine whose coefficients are balanced is the same in both, but for its intercept.
        """
        if self._metric != "linear" or sparse.issparse(self.X):
            return self
        kernel = copy(self)
        kernel._offset = self.X.mean(axis=0)
        kernel._rows = self.X - kernel._offset
        return kernel

    def intercept_shift(self, positions, coefficients):
        """What the intercept of a machine is larger by than with the rows as they are.

        Shape (n_problems,), for balanced coefficients of shape (len(positions), n_problems).
        """
        if self._offset is None:
            return np.zeros(coefficients.shape[1])
        return (self.X[positions] @ self._offset) @ coefficients

    def _far_columns(self):
        """Columns without which distances are exact to :data:`LOST`, and what all of them lose."""
        extremes = [_dense(self.X.max(axis=0)).ravel(), _dense(self.X.min(axis=0)).ravel()]
        largest = np.square(extremes).max(axis=0)
        order = np.argsort(largest)
        lost = self._options["gamma"] * np.finfo(float).eps * np.cumsum(largest[order])
        return np.sort(order[np.searchsorted(lost, LOST, side="right") :]), lost[-1]

    def _evaluate(self, a, b):
        if callable(self._metric):
            values = self._metric(a, b)
            return values.toarray() if sparse.issparse(values) else np.asarray(values)
        if not len(self._far):
            return pairwise_kernels(a, b, metric=self._metric, filter_params=True, **self._options)
        near = np.delete(np.arange(a.shape[1]), self._far)
        distances = cdist(_dense(a[:, self._far]), _dense(b[:, self._far]), "sqeuclidean")
        if len(near):
            distances += euclidean_distances(a[:, near], b[:, near], squared=True)
        return np.exp(-self._options["gamma"] * distances)


def _warn_if_lost(lost):
    """Warn where libsvm has trained on distances that are rounding errors for the most part."""
    if lost > LOST_BY_LIBSVM:
        warnings.warn(
            f"The rows lie so far from the origin that scikit-learn has trained this machine on "
            f"kernels with errors of about {min(lost, 1):.1g}. It predicts by exact kernels, and "
            "so do explanations, but it is not at the optimum of these rows. Subtract the mean "
            "of each column, as StandardScaler does, and fit it again.",
            ConvergenceWarning,
            stacklevel=2,
        )


def _dense(X):
    return X.toarray() if sparse.issparse(X) else X


def _gamma(estimator, X):
    """The value that ``gamma`` stood for when the estimator was fitted."""
    if estimator.gamma == "auto":
        return 1 / X.shape[1]
    if estimator.gamma != "scale":
        return estimator.gamma
    mean = X.mean()
    variance = X.multiply(X).mean() - mean**2 if sparse.issparse(X) else X.var()
    return 1 / (X.shape[1] * variance) if variance else 1.0


@dataclass(frozen=True)
class KernelBlock:
    """Gradients ``scale * u_i ⊗ phi(x_i)`` of some rows, by what they are made of."""

    features: object
    unit: np.ndarray
    scale: float = 1.0

    def __mul__(self, factor):
        return replace(self, scale=self.scale * float(factor))

    def __len__(self):
        return len(self.unit)


class KernelRows:
    """Unit gradients in the feature space of a kernel; see GradientRows for the linear case.

    Parameters
    ----------
    kernel : TrainingKernel
    features : ndarray or CSR matrix of shape (n_rows, n_features)
    unit : ndarray of shape (n_rows, n_outputs)
    norm : ndarray of shape (n_rows,)
    """

    def __init__(self, kernel, features, unit, norm):
        self.kernel = kernel
        self.features = features
        self.unit = unit
        self.norm = norm
        self.n_rows, self.n_outputs = unit.shape
        self.n_params = features.shape[1]

    @cached_property
    def _support(self):
        return np.flatnonzero(self.norm)

    @cached_property
    def _support_norms(self):
        """sqrt(K(x_i, x_i)) of the support vectors.

        It may be 0 where the row's gradient is 0, that is where K(x_i, x) is 0 for all x.
        """
        diagonal = self.kernel.diagonal(self._support)
        empty = self._support[diagonal == 0]
        sees_empty = empty.size and np.any(self.kernel.gram(empty, self._support))
        if sees_empty or np.any(diagonal < 0):
            worst = self._support[diagonal.argmin()]
            raise ValueError(
                f"The kernel of training row {worst} with itself is {diagonal.min():.3g}, so that "
                "it is not positive definite. The relative criteria divide by its square root; "
                "use criterion='influence', or another kernel."
            )
        return np.sqrt(diagonal)

    def part(self, rows) -> KernelRows:
        """Some of the rows, to ask with: what they are compared with brings the kernel."""
        return KernelRows(None, self.features[rows], self.unit[rows], self.norm[rows])

    def block(self, rows):
        """Unit gradients of some rows."""
        return KernelBlock(self.features[rows], self.unit[rows])

    def norms(self, rows, block):
        """Lengths of the gradients of some training rows; 0 for non-support vectors."""
        lengths = np.zeros(self.n_rows)
        lengths[self._support] = self._support_norms
        return abs(block.scale) * lengths[rows]

    def n_formed(self, n_vectors):
        """Numbers that :meth:`contract` forms of each row, besides the products."""
        return self.n_params

    def contract(self, block, rows):
        """Inner products of a block with the unit gradients of some training rows."""
        first, last = np.searchsorted(self._support, [rows.start, rows.stop])
        support = self._support[first:last]
        products = np.zeros((len(block), rows.stop - rows.start))
        if support.size:
            agreement = block.scale * (block.unit @ self.unit[support].T)
            agreement *= self.kernel.between(block.features, support)
            products[:, support - rows.start] = agreement
        return products


@dataclass(frozen=True)
class KernelObjective:
    """A fitted kernel SVM together with the rows that it was trained on.

    Attributes
    ----------
    loss : Hinge
    kernel : TrainingKernel
    y : ndarray of int, shape (n_rows,)
    sample_weight : ndarray of shape (n_rows,)
        Effective weights ``s_i``.
    support : ndarray of int, shape (n_support,)
        Positions of the support vectors.
    dual_coef : ndarray of shape (n_support, n_outputs)
        Coefficient of each support vector in each binary problem.
    intercept : ndarray of shape (n_outputs,)
    C : float or None
        Upper bound of a coefficient of weight 1. None where the machine has another.
    parameters : dict of str to object
        Those of a machine of the same kernel and strength, for refits. No machine itself: what is
        read from a file of a stranger's must not bring what is called.
    nu : float or None
        What a NuSVC has instead: the least share of support vectors.
    """

    loss: Hinge
    kernel: TrainingKernel
    y: np.ndarray
    sample_weight: np.ndarray
    support: np.ndarray
    dual_coef: np.ndarray
    intercept: np.ndarray
    C: float | None
    parameters: dict[str, object]
    nu: float | None = None

    #: A hinge has no second derivative that says something.
    is_smooth = False

    @property
    def n_rows(self):
        return len(self.y)

    @property
    def dtype(self):
        return self.dual_coef.dtype

    @cached_property
    def total_weight(self):
        return float(self.sample_weight.sum())

    @cached_property
    def rows(self) -> KernelRows:
        """Unit gradients of the training rows: zero but for the support vectors."""
        residual = np.zeros((self.n_rows, self.loss.n_outputs))
        residual[self.support] = -self.loss.codebook[self.y[self.support]] * (self.dual_coef != 0)
        norm = np.linalg.norm(residual, axis=1)
        residual /= np.where(norm > 0, norm, 1)[:, None]
        return KernelRows(self.kernel, self.kernel.X, residual, norm)

    def query_design(self, X):
        """Features of other rows in the precision of the machine."""
        return held(X).astype(self.dtype, copy=False)

    def query_rows(self, X, y) -> KernelRows:
        """Unit gradients of the margins of query rows with explained labels ``y``."""
        norm, unit = self.loss.query_direction(y, np.empty((0,), self.dtype))
        return KernelRows(self.kernel, X, unit, norm)

    def predictor(self, X):
        """Decision values of the binary problems, shape (n, n_outputs)."""
        values = np.empty((X.shape[0], self.loss.n_outputs))
        bytes_per_row = 2 * len(self.support) * self.dtype.itemsize
        for rows in row_blocks(X.shape[0], bytes_per_row, block_budget()):
            values[rows] = self.kernel.between(X[rows], self.support) @ self.dual_coef
        return values + self.intercept

    def for_refit(self, estimator):
        """An unfitted estimator of the same kernel and bounds on any of the weighted rows."""
        return _for_refit(estimator, self.kernel)

    def dual_form(self) -> DualForm:
        """The machine as its dual problems see it."""
        if self.C is None:
            raise UnknownBoundsError(
                "Removal from a NuSVC is not followed on its active set, because its bounds "
                "move with it; use order='retrain' or retrain_without, or an SVC."
            )
        upper = np.repeat(self.C * self.sample_weight[:, None], self.loss.n_outputs, axis=1)
        kernel = self.kernel.around_mean()
        intercept = self.intercept + kernel.intercept_shift(self.support, self.dual_coef)
        return DualForm(self.loss.codebook[self.y], self._alpha, upper, intercept, kernel)

    def refitted_dual(self, removed, kernel):
        """scikit-learn's machine without some rows.

        Weights, also those of classes, and the kernel are held as they are.

        Parameters
        ----------
        removed : ndarray of int
        kernel : TrainingKernel
            That of the rows, or of the rows around their mean.

        Returns
        -------
        coefficients : ndarray of shape (n_rows, n_outputs)
            Signed dual coefficients.
        intercept : ndarray of shape (n_outputs,)
            The intercepts that belong to ``kernel``.
        """
        counts = self.sample_weight > 0
        counts[removed] = False
        kept = np.flatnonzero(counts)
        X = self.kernel.X[kept]
        X = X[:, kept] if self.kernel.is_precomputed else X
        model = (SVC if self.nu is None else NuSVC)(**self.parameters)
        try:
            model.fit(X, self.y[kept], self.sample_weight[kept])
        except ValueError as error:  # For instance a nu that is infeasible without the rows.
            raise ValueError(
                f"scikit-learn cannot fit this {type(model).__name__} without the rows "
                f"{reprlib.repr(list(removed))}: {error}."
            ) from error
        support = kept[model.support_]
        coefficients = np.zeros((self.n_rows, self.loss.n_outputs))
        coefficients[support] = _problem_coefficients(model, self.y[support])
        shift = kernel.intercept_shift(support, coefficients[support])
        return coefficients, model.intercept_ + shift

    @property
    def _alpha(self):
        """Dual variables, shape (n_rows, n_outputs)."""
        alpha = np.zeros((self.n_rows, self.loss.n_outputs))
        alpha[self.support] = np.abs(self.dual_coef)
        return alpha

    def predict(self, X):
        """Positions of the predicted classes of other rows, shape (n,)."""
        return self.loss.predict(self.predictor(X))

    @cached_property
    def training_predictor(self):
        """Decision values of the training rows, shape (n_rows, n_outputs)."""
        return self.predictor(self.kernel.X)

    def blocks(self, values_per_row):
        """Slices over the training rows, given the size of the temporaries that each takes."""
        return row_blocks(self.n_rows, values_per_row * self.dtype.itemsize, block_budget())

    def hessian_diagonal(self):
        """The Hessian ``I / (C S)`` as a number; 1 where no C is known (NuSVC)."""
        return np.array(1.0 if self.C is None else 1 / (self.C * self.total_weight))

    def identity_diagonal(self):
        """The identity, as a number."""
        return np.array(1.0)

    def fisher(self):
        """Refused: a hinge is not a likelihood."""
        raise ValueError(NO_CURVATURE.format("fisher"))

    def empirical_fisher(self):
        """Refused: the feature space of a kernel has no finite matrix."""
        raise ValueError(NO_CURVATURE.format("empirical_fisher"))

    def squared_distance(self):
        """Twice the duality gap in effective rows, and the number of free coefficients.

        The gap between the machine and the best multiple of its coefficients that is feasible for
        these rows: there may be none but 0 if the coefficients were found for others.
        """
        signs, weight = self.loss.codebook[self.y], self.sample_weight[:, None]
        present = weight * (signs != 0)
        upper = self._bounds * present
        coefficients = np.zeros(signs.shape)
        coefficients[self.support] = self.dual_coef
        alpha = signs * coefficients
        margin = signs * self.training_predictor
        norm = np.sum(coefficients * self.training_predictor, axis=0)
        primal = norm / 2 + np.sum(upper * np.maximum(1 - margin, 0), axis=0)
        gap = primal - _best_multiple(alpha, upper, norm)
        effective = present.sum(axis=0) / np.square(present).sum(axis=0)
        free = (alpha > BOUND * upper) & (alpha < (1 - BOUND) * upper)
        n_params = hinge_parameters(margin, present, free.sum(axis=0))
        return float(np.sum(2 * gap / self._bounds * effective)), float(n_params.sum())

    @property
    def _bounds(self):
        """Upper bound of a coefficient of weight 1 in each problem, shape (n_outputs,)."""
        if self.C is not None:
            return np.full(self.loss.n_outputs, self.C)
        # libsvm scales a NuSVC to margins of 1, which takes the share nu of all weight to its sum.
        present = self.sample_weight[:, None] * (self.loss.codebook[self.y] != 0)
        return np.abs(self.dual_coef).sum(axis=0) / (self.nu * present.sum(axis=0))


@reduce_estimator.register
def reduce_svc(estimator: SVC, X, y, sample_weight):
    """SVC of any kernel, one vs one."""
    by_class = class_weight_of_rows(estimator.class_weight, estimator.classes_, y, None)
    return _reduce(estimator, X, y, sample_weight, by_class, float(estimator.C))


@reduce_estimator.register
def reduce_nu_svc(estimator: NuSVC, X, y, sample_weight):
    """NuSVC of any kernel, one vs one; its scores leave the unknown factor C out.

    libsvm takes no notice of class weights here.
    """
    return _reduce(estimator, X, y, sample_weight, 1.0, None, estimator.nu)


def _reduce(estimator, X, y, sample_weight, by_class, C, nu=None):
    X = held(X).astype(np.float64, copy=False)
    support = _support_rows(estimator, sample_weight)
    kernel = TrainingKernel(estimator, X)
    refitted = _for_refit(estimator, kernel)
    if estimator.probability is True:
        refitted.set_params(probability=False)
    kind = SVC if nu is None else NuSVC
    parameters = {name: getattr(refitted, name) for name in kind().get_params()}
    return KernelObjective(
        loss=_one_vs_one_hinge(estimator),
        kernel=kernel,
        y=y,
        sample_weight=sample_weight * by_class,
        support=support,
        dual_coef=_problem_coefficients(estimator, y[support]),
        intercept=estimator.intercept_,
        C=C,
        nu=nu,
        parameters=parameters,
    )


def _best_multiple(alpha, upper, norm):
    """Largest value of the duals of hinge machines at the feasible multiples of a point.

    Parameters
    ----------
    alpha, upper : ndarray of shape (n_rows, n_problems)
        Coefficients, which need not be feasible, and their upper bounds.
    norm : ndarray of shape (n_problems,)
        The squared norm of the machine that they make.

    Returns
    -------
    ndarray of shape (n_problems,)
    """
    total = alpha.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.where(alpha > 0, upper / alpha, np.where(alpha < 0, 0.0, np.inf)).min(axis=0)
        # A kernel that is not positive definite has no dual to look for better multiples in.
        best = np.where(norm > 0, total / norm, 1.0)
    multiple = np.clip(best, 0, room)
    return multiple * total - multiple**2 * norm / 2


def _for_refit(estimator, kernel):
    """An unfitted estimator of the same kernel and bounds on any of the weighted rows."""
    # A tolerance below the rounding of a large kernel would keep it going for ever.
    closely = {"tol": min(estimator.tol, TIGHT), "max_iter": MAX_STEPS}
    return clone(estimator).set_params(class_weight=None, **closely, **kernel.parameters)


def _support_rows(estimator, sample_weight):
    """Positions of the support vectors among the training rows.

    libsvm drops the rows of weight 0, and scikit-learn's ``support_`` counts among the others
    (its pull request 27763). Where it predicts from a Gram matrix, that leads it to the wrong
    columns.
    """
    present = np.flatnonzero(sample_weight)
    n_rows, last = len(sample_weight), estimator.support_.max()
    if last >= len(present):
        raise ValueError(
            f"X has {len(present)} rows of positive weight, but the model has a support vector "
            f"at row {last}. Pass the rows and weights that the model was fitted on."
        )
    computes_kernel = callable(estimator.kernel) or estimator.kernel == "precomputed"
    if len(present) < n_rows and computes_kernel:
        raise ValueError(
            f"{type(estimator).__name__} predicts wrongly when its kernel is precomputed or a "
            "function and rows have sample_weight 0. Leave these "
            f"{n_rows - len(present)} rows out of X, y and sample_weight."
        )
    return present[estimator.support_]


def _one_vs_one_hinge(estimator):
    n_classes = len(estimator.classes_)
    if n_classes == 2:
        return Hinge(binary_codebook())
    return OneVsOneHinge(n_classes, estimator.break_ties)


def _problem_coefficients(estimator, support_class):
    """Coefficients by binary problem, shape (n_support, n_problems).

    ``dual_coef_`` has one row less than there are classes: a support vector of class i stores
    its coefficient in the problem against class j in row j - 1 if j > i, and in row j if not.
    """
    stored = estimator.dual_coef_
    stored = (stored.toarray() if sparse.issparse(stored) else stored).T
    n_classes = len(estimator.classes_)
    if n_classes == 2:
        return stored
    problems = list(combinations(range(n_classes), 2))
    coefficients = np.zeros((len(stored), len(problems)))
    for p, (i, j) in enumerate(problems):
        for own, other in ((i, j - 1), (j, i)):
            rows = support_class == own
            coefficients[rows, p] = stored[rows, other]
    return coefficients
