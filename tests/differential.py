"""Random problems, each solved twice: by the package, and by the plain arithmetic written out here.

``python -m tests.differential --problems 20000`` draws problems over models, penalties, weights,
sparse and dense features, precisions and scales of columns, and compares the scores of every
criterion, leverages, Newton steps and retrained models with brute force in extended precision
(80 bits, where the machine has them) and with optima found here. It shares no code with the
package. What counts as a failure is a difference that nothing announced: an answer that is off by
more than the tolerance although there was no warning, or an error of another kind than those that
name an argument and a way out.
"""

from __future__ import annotations

import argparse
import sys
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
from joblib import Parallel, delayed
from scipy import sparse
from scipy.linalg import LinAlgWarning
from scipy.optimize import linprog
from sklearn.base import clone, is_classifier
from sklearn.linear_model import LogisticRegression, SGDClassifier, SGDRegressor
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import SVC, LinearSVC, NuSVC
from sklearn.utils.class_weight import compute_class_weight
from threadpoolctl import threadpool_limits

from sklearn_relatif import RelatIFExplainer
from tests.cases import BALANCES_BY_WEIGHT

CRITERIA = ("influence", "theta_relative", "loss_relative")
#: Largest difference, over the largest entry of the truth, that rounding is allowed.
TOLERANCE = {"float64": 1e-6, "float32": 2e-3}
REAL = np.longdouble
#: Condition from which a matrix counts as singular, of which such problems have exact ones only.
SINGULAR = 1e14
#: Iterations that the solvers of machines are given.
MANY = 50_000
#: Sizes of gradients and of their products below which they are not compared.
LEAST = {"float64": 1e-140, "float32": 1e-30}


# --- plain arithmetic --------------------------------------------------------------------------


def cholesky_solve(matrix, right):
    """``matrix^-1 right`` in extended precision, with the diagonal scaled to 1 before."""
    scale = 1 / np.sqrt(np.diag(matrix))
    lower = (matrix * scale * scale[:, None]).astype(REAL)
    for k in range(len(lower)):
        lower[k, k] = np.sqrt(lower[k, k])
        lower[k + 1 :, k] /= lower[k, k]
        lower[k + 1 :, k + 1 :] -= np.outer(lower[k + 1 :, k], lower[k + 1 :, k])
    x = (right.T * scale).T.astype(REAL)
    for k in range(len(lower)):
        x[k] = (x[k] - lower[k, :k] @ x[:k]) / lower[k, k]
    for k in reversed(range(len(lower))):
        x[k] = (x[k] - lower[k + 1 :, k] @ x[k + 1 :]) / lower[k, k]
    return (x.T * scale).T


def condition(matrix):
    """Condition number of a matrix with its diagonal scaled to 1."""
    diagonal = np.diag(matrix)
    if not len(diagonal) or diagonal.min() <= 0:
        return np.inf
    scale = 1 / np.sqrt(diagonal)
    values = np.linalg.eigvalsh((matrix * scale * scale[:, None]).astype(float))
    return float(values[-1] / max(values[0], 1e-300))


#: Of the margin m: value, first and second derivative.
MARGIN_LOSSES = {
    "log_loss": (
        lambda m: np.log1p(np.exp(-np.abs(m))) + np.maximum(-m, 0),
        lambda m: -1 / (1 + np.exp(np.minimum(m, 700))),
        lambda m: 1 / (2 + np.exp(np.minimum(m, 700)) + np.exp(np.minimum(-m, 700))),
    ),
    "squared_hinge": (
        lambda m: np.maximum(1 - m, 0) ** 2,
        lambda m: -2 * np.maximum(1 - m, 0),
        lambda m: 2.0 * (m < 1),
    ),
    "modified_huber": (
        lambda m: np.where(m >= -1, np.maximum(1 - m, 0) ** 2, -4 * m),
        lambda m: -2 * np.clip(1 - m, 0, 2),
        lambda m: 2.0 * ((m < 1) & (m >= -1)),
    ),
}


@dataclass
class Truth:
    """A fitted model and its data, in coordinates of full rank, with brute-force answers.

    ``weights`` is (K, p), ``base_weight`` (n,) the weight that a row has in S, ``row_weight``
    (n, K) that in each problem, with the class weights; ``l2`` and ``l1`` (K, p).
    ``contrasts`` is None but for the softmax.
    """

    kind: str
    weights: np.ndarray
    design: np.ndarray
    y: np.ndarray
    base_weight: np.ndarray
    row_weight: np.ndarray
    l2: np.ndarray
    l1: np.ndarray
    n_features: int
    codebook: np.ndarray | None = None
    contrasts: np.ndarray | None = None
    epsilon: float = 0.1
    #: Whether the penalty is a number times the number of rows.
    counts_rows: bool = False

    def fewer(self, rows):
        """The same with the penalty of a fit without some rows."""
        left = 1 - len(rows) / len(self.y) if self.counts_rows else 1.0
        return replace(self, l2=self.l2 * left, l1=self.l1 * left)

    @property
    def total(self):
        return self.base_weight.sum()

    # Of rows with predictor eta (n, K): loss (n,), residual (n, K), second derivative (n, K, K).

    def loss(self, y, eta):
        if self.contrasts is not None:
            scores = eta @ self.contrasts.T
            top = scores.max(axis=1, keepdims=True)
            log_sum = np.log(np.exp(scores - top).sum(axis=1)) + top[:, 0]
            return log_sum - scores[np.arange(len(y)), y]
        if self.kind in MARGIN_LOSSES:
            signs = self.codebook[y]
            return MARGIN_LOSSES[self.kind][0](signs * eta).sum(axis=1)
        error = eta[:, 0] - y
        return self._regression(error)[0]

    def residual(self, y, eta):
        if self.contrasts is not None:
            p = self._probabilities(eta)
            p[np.arange(len(y)), y] = 0
            p[np.arange(len(y)), y] = -p.sum(axis=1)
            return p @ self.contrasts
        if self.kind in MARGIN_LOSSES:
            signs = self.codebook[y]
            return signs * MARGIN_LOSSES[self.kind][1](signs * eta)
        return self._regression(eta[:, 0] - y)[1][:, None]

    def bend(self, y, eta):
        if self.contrasts is not None:
            p = self._probabilities(eta)
            k = p.shape[1]
            inner = -p[:, :, None] * p[:, None, :]
            inner[:, np.arange(k), np.arange(k)] = 0
            inner[:, np.arange(k), np.arange(k)] = -inner.sum(axis=2)
            return np.einsum("nab,ak,bl->nkl", inner, self.contrasts, self.contrasts)
        if self.kind in MARGIN_LOSSES:
            signs = self.codebook[y]
            diagonal = MARGIN_LOSSES[self.kind][2](signs * eta)
        else:
            diagonal = self._regression(eta[:, 0] - y)[2][:, None]
        return diagonal[:, :, None] * np.eye(diagonal.shape[1])

    def _probabilities(self, eta):
        scores = eta @ self.contrasts.T
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)

    def _regression(self, error):
        e, eps = error, self.epsilon
        if self.kind == "squared_error":
            return e**2 / 2, e, np.ones_like(e)
        if self.kind == "huber":
            inside = np.abs(e) <= eps
            return (
                np.where(inside, e**2 / 2, eps * np.abs(e) - eps**2 / 2),
                np.clip(e, -eps, eps),
                inside * 1.0,
            )
        over = np.maximum(np.abs(e) - eps, 0)
        return over**2, 2 * over * np.sign(e), 2.0 * (over > 0)

    # --- the objective ---------------------------------------------------------------------

    @property
    def is_penalised(self):
        return bool(self.l2[:, : self.n_features].all())

    def solve(self, matrix, right, is_definite=False):
        """``matrix^-1 right``; where a direction may lack curvature, the shortest solution."""
        is_definite |= self.is_penalised and np.diag(matrix).min(initial=1) > 0
        if is_definite or condition(matrix) < SINGULAR:
            return cholesky_solve(matrix, right)
        return np.linalg.pinv(matrix.astype(float), rcond=1e-11, hermitian=True) @ right

    def eta(self, weights=None, design=None):
        design = self.design if design is None else design
        return design @ (self.weights if weights is None else weights).T

    def gradients(self, y, eta, design):
        """Gradients (n, K p) of the losses of rows."""
        return np.einsum("nk,np->nkp", self.residual(y, eta), design).reshape(len(y), -1)

    def objective(self, weights, row_weight):
        """S times J."""
        eta = self.eta(weights)
        if self.codebook is not None:
            signs = self.codebook[self.y]
            loss = (row_weight * MARGIN_LOSSES[self.kind][0](signs * eta)).sum()
        else:
            loss = row_weight[:, 0] @ self.loss(self.y, eta)
        return loss + (self.l2 * weights**2).sum() / 2 + (self.l1 * np.abs(weights)).sum()

    def gradient(self, weights, row_weight):
        residual = self.residual(self.y, self.eta(weights)) * row_weight
        return residual.T @ self.design + self.l2 * weights

    def hessian(self, weights, row_weight, curvature="hessian", damping=0.0):
        """S times the curvature, plus S times the damping."""
        size = weights.size
        if curvature == "identity":
            return self.total * (1 + damping) * np.eye(size)
        eta = self.eta(weights)
        l2 = np.zeros_like(self.l2)
        if curvature == "empirical_fisher":
            residual = self.residual(self.y, eta) * row_weight / self._base(row_weight)
            weighted = residual[:, :, None] * residual[:, None] * self._base(row_weight)[..., None]
        else:
            weighted = self.bend(self.y, eta) * row_weight[:, :, None]
            l2 = self.l2 if curvature == "hessian" else l2
        matrix = np.einsum("nkl,ni,nj->kilj", weighted, self.design, self.design)
        matrix = matrix.reshape(size, size) + np.diag(l2.ravel())
        return matrix + self.total * damping * np.eye(size)

    def fix_gauge(self, matrix, free):
        """With curvature along what a softmax with all its outputs does not see.

        It is a number added to a column's weight in every class, and counts for columns that are
        free in all classes; no gradient points there.
        """
        if self.contrasts is None or self.contrasts.shape[0] > self.contrasts.shape[1]:
            return matrix
        n_outputs, n_columns = self.weights.shape
        for column in np.flatnonzero(free.reshape(n_outputs, n_columns).all(axis=0)):
            direction = np.zeros((n_outputs, n_columns))
            direction[:, column] = 1 / np.sqrt(n_outputs)
            size = np.diag(matrix).reshape(n_outputs, n_columns)[:, column].mean()
            matrix = matrix + size * np.outer(direction, direction)
        return matrix

    def _base(self, row_weight):
        base = self.base_weight[:, None]
        return np.where(base > 0, base, 1)

    @property
    def active(self):
        return ((self.weights != 0) | (self.l1 == 0)).ravel()

    def influence(self, design, y, curvature, damping):
        """Scores by criterion, and the condition of the curvature."""
        free = self.active
        matrix = self.hessian(self.weights, self.row_weight, curvature, damping) / self.total
        if curvature == "hessian" and not damping:
            matrix = self.fix_gauge(matrix, free)
        matrix = matrix[np.ix_(free, free)]
        residual = self.residual(self.y, self.eta()) * self.row_weight / self._base(None)
        g = np.einsum("nk,np->nkp", residual, self.design).reshape(len(self.y), -1)[:, free]
        g[self.base_weight == 0] = 0
        g_query = self.query_gradients(design, y)[:, free]
        solved = self.solve(matrix, g.T, damping > 0).T
        influence = g_query @ solved.T
        leverage = self._leverage(matrix, free, damping > 0)
        # Of a row that is fitted beyond the smallest number, the ratio is a limit.
        known = (np.linalg.norm(g.astype(float), axis=1) > LEAST["float64"]) | (
            self.base_weight == 0
        )
        own = np.sqrt(np.maximum(np.einsum("ij,ij->i", solved, g), 0))
        length = np.sqrt(np.einsum("ij,ij->i", solved, solved))

        def ratio(scale):
            relative = np.zeros_like(influence)
            np.divide(influence, scale, out=relative, where=scale > 0)
            return np.where(known, relative, np.nan)

        scores = {
            "influence": influence,
            "theta_relative": ratio(length),
            "loss_relative": ratio(own),
            "self_influence": own**2,
            "leverage": leverage,
        }
        return scores

    def _leverage(self, matrix, free, is_definite):
        """``(s_i/S) tr(A_i M_i)`` of the rows, with the forms ``M_i`` of the inverse."""
        bend = self.bend(self.y, self.eta()) * self.row_weight[:, :, None]
        directions = np.einsum("kl,np->nklp", np.eye(len(self.weights)), self.design)
        directions = directions.reshape(len(self.y), len(self.weights), -1)[:, :, free]
        solved = self.solve(matrix, directions.reshape(-1, directions.shape[2]).T, is_definite).T
        forms = np.einsum("nkp,nlp->nkl", directions, solved.reshape(directions.shape))
        return np.einsum("nkl,nkl->n", bend, forms) / self.total

    def query_gradients(self, design, y):
        """A query of a machine with a margin enters by the margin, others by the loss."""
        eta = self.eta(design=design)
        if self.kind in ("squared_hinge", "modified_huber"):
            return np.einsum("nk,np->nkp", -self.codebook[y], design).reshape(len(y), -1)
        return self.gradients(y, eta, design)

    def without(self, rows):
        weight = self.row_weight.copy()
        weight[rows] = 0
        return weight

    def optimum(self, row_weight, start=None):
        """The minimiser, or None where it was not found (there is none, perhaps)."""
        weights = np.array(self.weights if start is None else start, REAL)
        if self.lacks_optimum(row_weight):
            return None
        if self.l1.any():
            return self._sparse_optimum(weights, row_weight)
        for _ in range(100):
            gradient = self.gradient(weights, row_weight)
            hessian = self.hessian(weights, row_weight)
            step = self.solve(hessian, gradient.ravel()).reshape(weights.shape)
            if not np.all(np.isfinite(step)):
                return None
            # Along a direction without curvature, it would not say how far to go.
            left = hessian @ step.ravel() - gradient.ravel()
            if np.abs(left).max() > 1e-6 * np.abs(self.design * row_weight.max()).sum(axis=0).max():
                return None
            decrement = np.sum(step * gradient)
            length, value = REAL(1), self.objective(weights, row_weight)
            while length > 1e-8 and decrement > 1e-10:  # Below, values drown in rounding.
                moved = weights - length * step
                if self.objective(moved, row_weight) <= value - 1e-4 * length * decrement:
                    break
                length /= 2
            else:
                moved = weights - step
            weights = moved
            # The square of the step in standard errors; the next one would be its square again.
            if decrement < 1e-16:
                return weights
        return None

    def lacks_optimum(self, row_weight):
        """Whether a direction without penalty tells the classes of log losses apart."""
        if self.kind != "log_loss" or (self.l2 + self.l1)[:, : self.n_features].all():
            return False
        rows, outputs = row_weight.any(axis=1), range(len(self.weights))
        if self.contrasts is None:
            return any(self._is_apart(rows, self.codebook[self.y][:, None, [k]]) for k in outputs)
        others = np.arange(len(self.contrasts)) != self.y[:, None]
        leads = (self.contrasts[self.y][:, None] - self.contrasts)[others]
        return self._is_apart(rows, leads.reshape(len(self.y), -1, len(self.weights)))

    def _is_apart(self, rows, leads):
        """By a linear program: no margin of a row falls in a direction, and some rise."""
        size = np.abs(self.design).max(axis=0)
        design = self.design / np.where(size > 0, size, 1)
        margins = np.einsum("nmk,np->nmkp", leads[rows], design[rows])
        margins = margins.reshape(-1, leads.shape[2] * design.shape[1]).astype(float)
        found = linprog(
            -margins.sum(axis=0), A_ub=-margins, b_ub=np.zeros(len(margins)), bounds=(-1, 1)
        )
        if found.x is None:
            return False
        apart = margins @ found.x  # The solver allows itself a few margins below zero.
        return apart.min() >= -1e-9 and apart.max() > 1e-6

    def _sparse_optimum(self, weights, row_weight):
        """Proximal Newton steps, each problem solved by coordinate descent."""
        penalty, shape = self.l1.ravel(), weights.shape
        for _ in range(30):
            gradient = self.gradient(weights, row_weight).ravel()
            hessian = self.hessian(weights, row_weight).astype(float)
            here = weights.ravel().astype(float)
            there, slope = here.copy(), gradient.astype(float)
            diagonal = np.maximum(np.diag(hessian), 1e-300)
            for _ in range(300):
                largest = 0.0
                for j in range(len(there)):
                    wanted = there[j] - slope[j] / diagonal[j]
                    shrunk = np.sign(wanted) * max(abs(wanted) - penalty[j] / diagonal[j], 0)
                    if shrunk != there[j]:
                        slope += hessian[:, j] * (shrunk - there[j])
                        largest = max(largest, abs(shrunk - there[j]) * np.sqrt(diagonal[j]))
                        there[j] = shrunk
                if largest < 1e-13:
                    break
            step, length = (there - here).reshape(shape), 1.0
            value = self.objective(weights, row_weight)
            while length > 1e-6:
                if self.objective(weights + length * step, row_weight) <= value:
                    break
                length /= 2
            weights = weights + length * step
            if np.abs(step.ravel() * np.sqrt(diagonal)).max() < 1e-11:
                return weights
        return None

    def is_unique(self, weights, row_weight):
        """Whether no other parameters have the same L1 penalty and the same losses."""
        slope = np.abs(self.gradient(weights, row_weight))
        may_move = (slope >= self.l1 * (1 - 1e-6)).ravel()
        hessian = self.hessian(weights, row_weight)[np.ix_(may_move, may_move)]
        return not may_move.any() or condition(hessian) < SINGULAR

    def newton(self, weights, rows):
        """One Newton step without some rows from parameters of all rows."""
        row_weight = self.without(rows)
        hessian = self.hessian(weights, row_weight)
        hessian = self.fix_gauge(hessian, np.ones(weights.size, bool))
        gradient = self.gradient(weights, row_weight) + self.l1 * np.sign(weights)
        return weights - self.solve(hessian, gradient.ravel()).reshape(weights.shape), hessian


# --- what a fitted model minimised -------------------------------------------------------------


def class_weights(model, y, sample_weight, counts_weights):
    """Weight of each class."""
    setting = model.class_weight
    classes = np.arange(len(model.classes_))
    if setting is None:
        return np.ones(len(classes))
    if setting == "balanced":
        if counts_weights and BALANCES_BY_WEIGHT:
            return compute_class_weight(
                "balanced", classes=classes, y=y, sample_weight=sample_weight
            )
        return compute_class_weight("balanced", classes=classes, y=y)
    return np.array([setting.get(c, 1.0) for c in classes])


def truth_of(model, X, y, sample_weight):
    """The objective of a fitted model, from the table of what scikit-learn minimises."""
    n = len(y)
    dense = (X.toarray() if sparse.issparse(X) else np.asarray(X)).astype(REAL)
    weight = np.ones(n) if sample_weight is None else sample_weight
    parts = model.estimators_ if isinstance(model, OneVsRestClassifier) else [model]
    inner = parts[0]
    design = np.column_stack([dense, np.ones(n)]) if inner.fit_intercept else dense
    table = np.vstack([_table(part) for part in parts]).astype(REAL)
    l2, l1, of_intercept = _penalty(inner, n)
    l2 = np.full(table.shape, l2, REAL)
    l1 = np.full(table.shape, l1, REAL)
    if inner.fit_intercept:
        l2[:, -1] *= of_intercept[0]
        l1[:, -1] *= of_intercept[1]
    K = len(table)
    row_weight, base = np.repeat(weight[:, None], K, axis=1), weight
    options = {}
    if is_classifier(model):
        codebook = np.array([[-1.0], [1.0]]) if K == 1 else 2 * np.eye(K) - 1
        kind = getattr(inner, "loss", "log_loss")
        if len(parts) > 1:
            each = [class_weights(p, (y == k) * 1, weight, True) for k, p in enumerate(parts)]
            row_weight = np.column_stack([weight * w[(y == k) * 1] for k, w in enumerate(each)])
        else:
            counted = not isinstance(inner, SGDClassifier)
            by_class = class_weights(inner, y, weight, counted)
            is_logistic = isinstance(inner, LogisticRegression)
            if K == 1 or is_logistic:
                base = weight * by_class[y]
                row_weight = np.repeat(base[:, None], K, axis=1)
            else:
                positive = np.where(codebook[y] > 0, by_class[None], 1.0)
                row_weight = weight[:, None] * positive
        options["codebook"] = codebook
        if isinstance(inner, LogisticRegression) and K > 1 and len(parts) == 1:
            options["codebook"] = None
            q, _ = np.linalg.qr(np.column_stack([np.ones(K), np.eye(K)[:, 1:]]))
            contrasts = np.eye(K) if l1.any() else q[:, 1:]
            options["contrasts"] = contrasts.astype(REAL)
            table, n_outputs = contrasts.T @ table, contrasts.shape[1]
            l2, l1, row_weight = l2[:n_outputs], l1[:n_outputs], row_weight[:, :n_outputs]
    else:
        kind = inner.loss
        options["epsilon"] = inner.epsilon
    row_weight = row_weight.astype(REAL)
    options["counts_rows"] = isinstance(inner, (SGDClassifier, SGDRegressor))
    return Truth(kind, table, design, y, base, row_weight, l2, l1, dense.shape[1], **options)


def _table(model):
    coef = np.atleast_2d(model.coef_)
    return np.column_stack([coef, model.intercept_]) if model.fit_intercept else coef


def _penalty(model, n):
    """L2, L1, and the shares of both that the intercept bears."""
    if isinstance(model, (SGDClassifier, SGDRegressor)):
        ratio = {"l2": 0.0, "l1": 1.0, "elasticnet": model.l1_ratio, None: 0.0}[model.penalty]
        strength = 0.0 if model.penalty is None else model.alpha * n
        return strength * (1 - ratio), strength * ratio, (0.0, 0.0)
    if isinstance(model, LinearSVC):
        scale = model.intercept_scaling
        is_l1 = model.penalty == "l1"
        return (0.0, 1 / model.C, (0.0, 1 / scale)) if is_l1 else (1 / model.C, 0.0, (scale**-2, 0))
    strength, ratio = 1 / model.C, model.l1_ratio or 0.0
    if hasattr(model, "penalty") and model.penalty in ("l1", "elasticnet"):
        ratio = 1.0 if model.penalty == "l1" else model.l1_ratio
    shares = (0.0, 0.0)
    if model.solver == "liblinear":
        shares = (model.intercept_scaling**-2, 1 / model.intercept_scaling)
    return strength * (1 - ratio), strength * ratio, shares


# --- problems ----------------------------------------------------------------------------------


def draw_data(rng, n_classes):
    n = int(rng.integers(12, 45))
    d = int(rng.choice([1, 2, 3, 5, 8, int(n * 1.5)]))
    X = rng.normal(size=(n, d))
    look = rng.choice(["plain", "scales", "offset", "duplicate", "binary", "sparse", "counts"])
    if look == "scales":
        X *= 10.0 ** rng.uniform(-4, 4, d)
    elif look == "offset":
        X += 10.0 ** rng.uniform(0, 3, d)
    elif look == "duplicate" and d > 1:
        X[:, -1] = X[:, 0]
    elif look == "binary":
        X = (rng.normal(size=d) < X) * 1.0
    elif look == "counts":
        X = rng.poisson(1.5, size=(n, d)) * 1.0
    is_sparse = look == "sparse" or rng.random() < 0.15
    if look == "sparse":
        X *= rng.random((n, d)) < 0.3
    scores = np.column_stack([X[:, : min(d, 3)].sum(axis=1) / (X.std() + 1e-9)] * n_classes)
    scores = (scores - scores.mean()) * np.linspace(-1, 1, n_classes)
    y = (scores * rng.choice([0.3, 1.0]) + rng.gumbel(size=scores.shape)).argmax(axis=1)
    y[: 3 * n_classes] = np.repeat(np.arange(n_classes), 3)
    return X, y, look, is_sparse


def draw_weights(rng, n, n_classes):
    kind = rng.choice(["none", "none", "uniform", "integers", "wide"])
    if kind == "none":
        return None
    if kind == "uniform":
        weight = rng.uniform(0.5, 2.0, n)
    elif kind == "integers":
        weight = rng.integers(0, 4, n) * 1.0
    else:
        weight = 10.0 ** rng.uniform(-2, 2, n)
    weight[: 3 * n_classes] = np.maximum(weight[: 3 * n_classes], 0.5)
    return weight


def draw_model(rng, n_classes):
    C = float(10.0 ** rng.uniform(-3, 3))
    intercept = bool(rng.random() < 0.8)
    balance = rng.choice([None, None, "balanced", "dict"])
    if balance == "dict":
        balance = {c: float(rng.uniform(0.5, 3)) for c in range(n_classes)}
    common = {"fit_intercept": intercept, "class_weight": balance}
    kind = rng.choice(["lr", "lr", "lr", "free", "l1", "ovr", "squared_hinge", "sgd", "regressor"])
    newton = {"solver": "newton-cholesky", "tol": 1e-10, "max_iter": 1000}
    if kind == "free":
        return LogisticRegression(C=np.inf, **newton, **common)
    if kind == "l1":
        binary = n_classes == 2 and rng.random() < 0.6
        ratio = 1.0 if binary else float(rng.choice([1.0, 0.5]))
        solver = "liblinear" if binary else "saga"
        scaling = {"intercept_scaling": float(rng.choice([1, 10]))} if binary else {}
        return _l1_model(ratio, solver, max(C, 0.05), {**common, **scaling})
    if kind == "ovr":
        return OneVsRestClassifier(LogisticRegression(C=C, **newton, **common))
    if kind == "squared_hinge":
        scaling = float(rng.choice([1, 10]))
        return LinearSVC(
            C=min(C, 10.0), tol=1e-10, max_iter=20_000, intercept_scaling=scaling, **common
        )
    if kind == "sgd":
        loss = rng.choice(["log_loss", "modified_huber", "squared_hinge"])
        options = {"alpha": float(10.0 ** rng.uniform(-2, 0)), "tol": None, "max_iter": 300}
        return SGDClassifier(
            loss=str(loss), average=True, random_state=0, eta0=0.05, **options, **common
        )
    if kind == "regressor":
        loss = rng.choice(["squared_error", "huber", "squared_epsilon_insensitive"])
        options = {"alpha": float(10.0 ** rng.uniform(-2, 0)), "tol": None, "max_iter": 300}
        return SGDRegressor(
            loss=str(loss),
            fit_intercept=intercept,
            random_state=0,
            average=True,
            epsilon=float(rng.choice([0.1, 1.0])),
            **options,
        )
    solver = str(rng.choice(["newton-cholesky", "lbfgs", "newton-cg"]))
    tol = float(rng.choice([1e-4, 1e-10]))
    return LogisticRegression(C=C, solver=solver, tol=tol, max_iter=5000, **common)


def _l1_model(ratio, solver, C, options):
    """By whichever name this release of scikit-learn knows the penalty."""
    options = {"C": C, "solver": solver, "tol": 1e-10, "max_iter": 5000, **options}
    if getattr(LogisticRegression(), "penalty", None) == "l2":
        kind = "l1" if ratio == 1 else "elasticnet"
        return LogisticRegression(penalty=kind, l1_ratio=ratio, **options)
    return LogisticRegression(l1_ratio=ratio, **options)


# --- machines with a hinge: formulas of the paper, and refits ------------------------------------


@dataclass
class Machine:
    """A fitted SVC, NuSVC or LinearSVC with a hinge, by its kernel and its own fits."""

    model: object
    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray

    @property
    def row_weight(self):
        by_class = np.ones(len(self.model.classes_))
        if not isinstance(self.model, NuSVC):
            counts_weights = isinstance(self.model, LinearSVC)
            by_class = class_weights(self.model, self.y, self.weight, counts_weights)
        return self.weight * by_class[self.y]

    def kernel(self, a, b):
        model = self.model
        product = a @ b.T
        if isinstance(model, LinearSVC):
            return product + (model.intercept_scaling**2 if model.fit_intercept else 0.0)
        if model.kernel == "linear":
            return product
        gamma = self.gamma
        if model.kernel == "poly":
            return (gamma * product + model.coef0) ** model.degree
        distance = ((a[:, None] - b[None]) ** 2).sum(axis=2)
        return np.exp(-gamma * distance)

    @property
    def gamma(self):
        if self.model.gamma == "scale":
            variance = self.X.var()
            return 1 / (self.X.shape[1] * variance) if variance else 1.0
        return 1 / self.X.shape[1] if self.model.gamma == "auto" else self.model.gamma

    def influence(self, queries, y_query):
        """Of two classes, by the support vectors of scikit-learn."""
        sign = lambda y: np.where(y == 1, 1.0, -1.0)  # noqa: E731
        support = np.zeros(len(self.y), bool)
        support[np.flatnonzero(self.weight > 0)[self.model.support_]] = True
        product = sign(y_query)[:, None] * sign(self.y) * self.kernel(queries, self.X) * support
        C = 1.0 if isinstance(self.model, NuSVC) else self.model.C * self.row_weight.sum()
        own = np.sqrt(np.diag(self.kernel(self.X, self.X)))
        relative = np.divide(product, own, out=np.zeros_like(product), where=own > 0)
        return {
            "influence": C * product,
            "theta_relative": relative,
            "loss_relative": np.sqrt(C) * relative,
        }

    def scores(self, model, rows, queries):
        """Decision values of a refit without some rows: of its exact solution for an SVC.

        libsvm keeps kernels in single precision, so that its solution is only where the exact one
        is looked for. None where that is not found, or leaves the intercept open.
        """
        if not isinstance(self.model, SVC):
            return model.decision_function(queries)
        kept = np.setdiff1d(np.flatnonzero(self.row_weight > 0), rows)
        # A linear machine only moves its intercept with the origin.
        origin = self.X.mean(axis=0) if self.model.kernel == "linear" else 0.0
        found = []
        for p, pair in enumerate(combinations(range(len(model.classes_)), 2)):
            own = np.isin(self.y[kept], pair)
            X, sign = self.X[kept][own] - origin, np.where(self.y[kept][own] == pair[0], 1.0, -1.0)
            sign = -sign if len(model.classes_) == 2 else sign
            bound = self.model.C * self.row_weight[kept][own]
            start = np.abs(self.coefficients(model, p, pair, len(kept))[own])
            solution = exact_machine(self.kernel(X, X), sign, bound, start)
            if solution is None:
                return None
            beta, intercept = solution
            found.append(self.kernel(queries - origin, X) @ beta + intercept)
        return found[0] if len(found) == 1 else np.column_stack(found)

    def coefficients(self, model, p, pair, n_rows):
        """Coefficients of all rows in the problem of a pair of classes."""
        stored = np.zeros((n_rows, model.dual_coef_.shape[0]))
        dual = model.dual_coef_
        stored[model.support_] = (dual.toarray() if sparse.issparse(dual) else dual).T
        if len(model.classes_) == 2:
            return stored[:, 0]
        labels = np.repeat(np.arange(len(model.classes_)), model.n_support_)
        of_row = np.full(n_rows, -1)
        of_row[model.support_] = labels
        first, second = stored[:, pair[1] - 1], stored[:, pair[0]]
        return np.where(of_row == pair[0], first, np.where(of_row == pair[1], second, 0.0))

    def loss(self, scores, y_query):
        if scores.ndim == 1:
            return np.maximum(0, 1 - np.where(y_query == 1, 1, -1) * scores)
        if isinstance(self.model, LinearSVC):
            signs = np.where(np.arange(scores.shape[1]) == y_query[:, None], 1, -1)
            return np.maximum(0, 1 - signs * scores).sum(axis=1)
        total = np.zeros(len(y_query))
        for p, (i, j) in enumerate(combinations(range(len(self.model.classes_)), 2)):
            sign = (y_query == i) * 1.0 - (y_query == j) * 1.0
            total += np.where(sign != 0, np.maximum(0, 1 - sign * scores[:, p]), 0)
        return total

    def refit(self, rows, tol=1e-10):
        """Without some rows, with the weights and the kernel held, to the optimum."""
        kept = np.setdiff1d(np.flatnonzero(self.row_weight > 0), rows)
        options = {"class_weight": None, "tol": tol, "max_iter": MANY}
        weight = self.row_weight[kept]
        if isinstance(self.model, LinearSVC):
            options |= {"random_state": 0}
        else:
            options |= {"gamma": self.gamma, "decision_function_shape": "ovo", "cache_size": 20}
        model = clone(self.model).set_params(**options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(self.X[kept], self.y[kept], sample_weight=weight)
        return model if np.max(model.n_iter_) < MANY else None


def exact_machine(kernel, sign, bound, alpha):
    """Signed coefficients and intercept at the optimum of a dual, from a point near it.

    Rows strictly between their bounds lie on the margin, which is a linear system; rows move
    between the sets until no condition is violated. None if that does not end.
    """
    lower, upper = alpha <= 1e-7 * bound, alpha >= (1 - 1e-7) * bound
    if np.abs(kernel).max() * alpha.max(initial=0) > 1e4:
        return None  # Too large for rounding not to matter.
    for _ in range(200):
        free = ~(lower | upper)
        if not free.any():
            return None
        beta = np.where(upper, bound * sign, 0.0)
        n_free = int(free.sum())
        matrix = np.zeros((n_free + 1, n_free + 1))
        matrix[:n_free, :n_free] = kernel[np.ix_(free, free)]
        matrix[:n_free, -1] = matrix[-1, :n_free] = 1
        right = np.append(sign[free] - kernel[free] @ beta, -beta.sum())
        solution = np.linalg.lstsq(matrix, right, rcond=1e-13)[0]
        if np.abs(matrix @ solution - right).max() > 1e-9 * np.abs(right).max():
            return None
        beta[free], intercept = solution[:-1], solution[-1]
        ratio = sign * beta / bound
        excess = np.where(free, np.maximum(-ratio, ratio - 1), 0)
        margin = sign * (kernel @ beta + intercept)
        gap = np.where(lower, 1 - margin, np.where(upper, margin - 1, 0))
        if excess.max() <= 1e-12 and gap.max() <= 1e-10 * max(1, np.abs(margin).max()):
            return beta, intercept
        if excess.max() > 1e-12:
            row = excess.argmax()
            lower[row], upper[row] = ratio[row] < 0, ratio[row] > 1
        else:
            lower[gap.argmax()] = upper[gap.argmax()] = False
    return None


def is_machine(model):
    return isinstance(model, (SVC, NuSVC)) or getattr(model, "loss", None) == "hinge"


def draw_machine(rng):
    C, balance = float(10.0 ** rng.uniform(-3, 2)), rng.choice([None, None, "balanced"])
    kind = rng.choice(["svc", "svc", "nusvc", "linear"])
    if kind == "linear":
        intercept = bool(rng.random() < 0.8)
        return LinearSVC(
            loss="hinge",
            C=min(C, 10.0),
            tol=1e-10,
            max_iter=MANY,
            fit_intercept=intercept,
            random_state=0,
        )
    options = {
        "kernel": str(rng.choice(["linear", "rbf", "poly"])),
        "tol": float(rng.choice([1e-3, 1e-9])),
        "coef0": float(rng.choice([0.0, 1.0])),
        "gamma": str(rng.choice(["scale", "auto"])),
        "max_iter": MANY,  # Rounding may keep libsvm from ever ending.
    }
    if kind == "nusvc":
        return NuSVC(nu=float(rng.choice([0.1, 0.3])), **options)
    return SVC(C=C, class_weight=balance, **options)


def _compare_machine(outcome, rng, explainer, machine, queries, y_query, said):
    dtype = str(queries.dtype)
    queries_64 = queries.toarray() if sparse.issparse(queries) else queries
    queries_64 = np.asarray(queries_64, float)
    if len(machine.model.classes_) == 2 and not isinstance(machine.model, LinearSVC):
        expected = machine.influence(queries_64, y_query)
        scores, more = ask(explainer.pairwise_influence, queries, y_query, criterion=CRITERIA)
        for name in CRITERIA:
            if scores is None:
                outcome.answers[name] = "said"
            else:
                gap = difference(scores[name], expected[name])
                outcome.judge(name, gap, TOLERANCE[dtype], said + more)
    counted = np.flatnonzero(machine.row_weight > 0)
    before = machine.refit([])
    for row in rng.choice(counted, 3, replace=False):
        if np.bincount(machine.y[np.setdiff1d(counted, row)]).min() < 1:
            continue
        groups = np.where(np.arange(len(machine.y)) == row, 1.0, np.nan)
        try:
            after = machine.refit([row])
        except ValueError:  # a nu that is not feasible
            continue
        if before is None or after is None:
            continue
        effect, more = ask(explainer.removal_effect, queries, y_query, groups, order="retrain")
        if effect is None:
            outcome.answers["retrain of a machine"] = "said"
            continue
        scores = [machine.scores(m, r, queries_64) for m, r in ((before, []), (after, [row]))]
        if any(one is None for one in scores):
            continue
        loss = [machine.loss(one, y_query) for one in scores]
        expected = loss[1] - loss[0]
        scale = max(float(np.abs(expected).max()), 1e-2)
        gap = float(np.abs(effect[:, 0] - expected).max()) / scale
        # libsvm is exact to its own precision only, and liblinear to its tolerance.
        tolerance = {SVC: 1e-6, LinearSVC: 1e-4, NuSVC: 1e-2}[type(machine.model)]
        if isinstance(machine.model, NuSVC):
            looser = machine.loss(
                machine.scores(machine.refit([row], 1e-8), [row], queries_64), y_query
            )
            tolerance += 10 * float(np.abs(machine.loss(looser, y_query) - loss[1]).max()) / scale
        outcome.judge("retrain of a machine", gap, tolerance, said + more)


# --- one problem, solved twice ------------------------------------------------------------------


@dataclass
class Outcome:
    """What came of a problem: per question "equal", "said", "silent" or "crash"."""

    seed: int
    title: str
    answers: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)

    def judge(self, question, difference, tolerance, said):
        if difference <= tolerance:
            self.answers[question] = "equal"
        else:
            self.answers[question] = "said" if said else "silent"
            if not said:
                self.notes.append(f"{question}: off by {difference:.3g}")

    @property
    def failed(self):
        return any(answer in ("silent", "crash") for answer in self.answers.values())


def ask(function, *arguments, **options):
    """The answer or None, and what was said: warnings, or an error that names a way out."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            answer = function(*arguments, **options)
        except (ValueError, TypeError) as error:
            return None, [str(error)]
    said = [str(w.message) for w in caught if issubclass(w.category, (UserWarning, LinAlgWarning))]
    return answer, said


def difference(actual, expected):
    """The largest, over the largest number expected; where that is NaN, nothing is."""
    if not np.all(np.isfinite(actual)):
        return np.inf
    # Numbers below this one turn into 0 on the way.
    scale = np.nanmax(np.abs(expected), initial=LEAST[str(np.asarray(actual).dtype)])
    return float(np.nanmax(np.abs(actual - expected), initial=0) / scale)


def solve_twice(seed):
    """Draw the problem of a seed, and compare."""
    rng = np.random.default_rng(seed)
    n_classes = int(rng.choice([2, 2, 3, 4]))
    X, y, look, is_sparse = draw_data(rng, n_classes)
    model = draw_model(rng, n_classes) if rng.random() < 0.85 else draw_machine(rng)
    weight = draw_weights(rng, len(y), n_classes)
    dtype = str(rng.choice(["float64", "float64", "float64", "float32"]))
    if not is_classifier(model):
        y = X[:, 0] / (X[:, 0].std() + 1e-9) + rng.normal(size=len(y))
        y -= y.mean()
    if isinstance(model, (SGDClassifier, SGDRegressor)) and look in ("scales", "offset", "counts"):
        X = (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-12)
    X = X.astype(dtype)
    features = sparse.csr_matrix(X) if is_sparse else X
    curvature = str(rng.choice(["hessian", "hessian", "fisher", "empirical_fisher", "identity"]))
    damping = float(rng.choice([0.0, 0.0, 1e-3, 1.0]))
    solver = str(rng.choice(["auto", "cholesky", "woodbury"]))
    if is_machine(model):
        curvature, damping, solver = "hessian", 0.0, "auto"
    if curvature == "fisher" and getattr(model, "loss", "log_loss") != "log_loss":
        curvature = "hessian"
    if curvature in ("empirical_fisher", "fisher"):
        damping = damping or 1e-3
    title = (
        f"{model} {look}{' sparse' if is_sparse else ''} {dtype} n={len(y)} d={X.shape[1]} "
        f"weights={'no' if weight is None else 'yes'} {curvature} damping={damping:g} {solver}"
    )
    outcome = Outcome(seed, " ".join(title.split()))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(features, y, **({} if weight is None else {"sample_weight": weight}))
    except ValueError:
        return outcome
    try:
        _compare(outcome, rng, model, features, y, weight, curvature, damping, solver, dtype)
    except Exception:
        outcome.answers["run"] = "crash"
        outcome.notes.append(traceback.format_exc(limit=-4))
    return outcome


def _compare(outcome, rng, model, X, y, weight, curvature, damping, solver, dtype):
    explainer, said = ask(
        RelatIFExplainer.from_fitted,
        model,
        X,
        y,
        weight,
        curvature=curvature,
        damping=damping,
        solver=solver,
    )
    if explainer is None:
        outcome.answers["fit"] = "said"
        outcome.notes.append(said[0][:100])
        return
    tolerance = TOLERANCE[dtype]
    asked = rng.integers(0, len(y), 4)
    queries, y_query = X[asked], y[asked]
    if is_machine(model):
        dense = (X.toarray() if sparse.issparse(X) else np.asarray(X)).astype(float)
        row_weight = np.ones(len(y)) if weight is None else weight
        machine = Machine(model, dense, y, row_weight)
        _compare_machine(outcome, rng, explainer, machine, queries, y_query, said)
        return
    truth = truth_of(model, X, y, weight)
    design = truth.design[asked]

    if not truth.active.any():
        outcome.answers["fit"] = "said" if said else "equal"
        return
    expected = truth.influence(design, y_query, curvature, damping)
    scores, more = ask(explainer.pairwise_influence, queries, y_query, criterion=CRITERIA)
    for name in CRITERIA:
        if scores is None:
            outcome.answers[name] = "said"
        else:
            gap = difference(scores[name], expected[name])
            outcome.judge(name, gap, tolerance, said + more)
    for name in ("self_influence", "leverage"):
        values, more = ask(getattr, explainer, f"{name}_")
        if values is None:
            outcome.answers[name] = "said"
        else:
            outcome.judge(name, difference(values, expected[name]), tolerance, said + more)
    _compare_removals(outcome, rng, explainer, truth, X, y, queries, y_query, design, said)


def _compare_removals(outcome, rng, explainer, truth, X, y, queries, y_query, design, said):
    counted = np.flatnonzero(truth.base_weight > 0)
    rows = [np.array([row]) for row in rng.choice(counted, 3, replace=False)]
    rows.append(np.sort(rng.choice(counted, 4, replace=False)))
    if is_classifier(explainer):
        left = [np.bincount(y[np.setdiff1d(counted, r)], minlength=y.max() + 1) for r in rows]
        rows = [r for r, n_left in zip(rows, left, strict=True) if n_left.all()]
    tolerance = TOLERANCE["float64"] if X.dtype == np.float64 else 1e-3
    base = truth.optimum(truth.row_weight)
    if base is None and truth.lacks_optimum(truth.row_weight):
        _, more = ask(explainer.removal_effect, queries, y_query, order="retrain")
        outcome.answers["no optimum"] = "said" if said + more else "silent"
    groups = lambda r: np.where(np.isin(np.arange(len(y)), r), 1.0, np.nan)  # noqa: E731
    for r in rows:
        kind = "row" if len(r) == 1 else "group"
        fewer = truth.fewer(r)
        optimum = None if base is None else fewer.optimum(fewer.without(r), base)
        is_endless = base is not None and fewer.lacks_optimum(fewer.without(r))
        if base is None or (optimum is None and not is_endless):
            continue  # The plain arithmetic has found no answer.
        if truth.l1.any() and not fewer.is_unique(optimum, fewer.without(r)):
            continue
        for order in ("newton", "retrain"):
            effect, more = ask(explainer.removal_effect, queries, y_query, groups(r), order=order)
            question = f"{order} of a {kind}"
            if effect is None:
                outcome.answers[question] = "said"
                continue
            if optimum is None:
                is_said = bool(said + more) or order == "newton"
                outcome.answers[question] = "said" if is_said else "silent"
                if not is_said:
                    outcome.notes.append(f"{question}: no optimum, and no word")
                continue
            after = optimum
            if order == "newton":
                after, hessian = _newton(fewer, base, r)
                if after is None or condition(hessian) > 1e10:
                    continue
            loss = lambda w: truth.loss(y_query, truth.eta(w, design))  # noqa: E731
            expected = loss(after) - loss(base)
            scale = max(float(np.abs(expected).max()), 1e-4)
            gap = float(np.abs(effect[:, 0] - expected).max()) / scale
            outcome.judge(question, gap, tolerance, said + more)


def _newton(truth, base, rows):
    if truth.l1.any():
        active = (base != 0) | (truth.l1 == 0)
        if not active.all():
            return None, None
    weights, hessian = truth.newton(base, rows)
    if truth.l1.any() and (weights * base < 0).any():
        return None, None  # Such a step stops where the slope of the penalty changes.
    return (weights, hessian) if np.all(np.isfinite(weights)) else (None, None)


# --- many problems --------------------------------------------------------------------------------


def solve_many(seeds):
    with threadpool_limits(limits=1), np.errstate(all="ignore"):
        return [solve_twice(seed) for seed in seeds]


def report(outcomes):
    """Print each failure as it comes and then the counts, and return the number of failures."""
    counts, n_problems, n_failed = Counter(), 0, 0
    for outcome in outcomes:
        n_problems += 1
        counts.update(outcome.answers.items())
        if outcome.failed:
            n_failed += 1
            print(f"seed {outcome.seed}: {outcome.title}", *outcome.notes, sep="\n    ", flush=True)
    answers = ("equal", "said", "silent", "crash")
    print(f"{'question':22}" + "".join(f"{answer:>9}" for answer in answers))
    for question in sorted({question for question, _ in counts}):
        print(f"{question:22}" + "".join(f"{counts[question, a]:9,}" for a in answers))
    print(f"{n_problems:,} problems, {n_failed:,} failed")
    return n_failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--problems", type=int, default=300)
    parser.add_argument("--first", type=int, default=0, help="seed of the first problem")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    seeds = np.arange(options.first, options.first + options.problems)
    chunks = np.array_split(seeds, -(-options.problems // 50))
    done = Parallel(n_jobs=options.jobs, return_as="generator")(
        delayed(solve_many)(chunk) for chunk in chunks
    )
    sys.exit(bool(report(outcome for part in done for outcome in part)))


if __name__ == "__main__":
    main()
