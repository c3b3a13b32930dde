"""Boosting as a recursion in leaf values, with its derivatives, for tests to compare with.

Deliberately naive, and without a line of the package: each boosting stage is written out once, for
any weights of the rows (:func:`replay`), and once more with its derivative in every weight carried
along from stage to stage (:func:`slopes`). Nothing is solved, backwards or at all.

The predictors of a row before the first tree are a function of the weighted labels. Tree t then
adds ``v = -rate G / (H + l2)`` to predictor ``output`` of the rows of each leaf, with the sums G
and H of their weighted gradients and second derivatives at the predictors before its stage.

``y`` holds numbers, 0 and 1, or positions of classes; ``eta`` is (..., n_rows, n_outputs).
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit, softmax


class Squared:
    """Half the squared error."""

    n_outputs = 1

    def start(self, y, w):
        return (w @ y / w.sum(-1))[..., None]

    def start_slopes(self, y, w):
        return ((y - w @ y / w.sum()) / w.sum())[None]

    def gradient(self, y, eta):
        return eta - y[:, None]

    def second(self, y, eta):
        return np.ones_like(eta)

    def slopes(self, y, eta):
        """Derivatives of gradient and second, (n, output, by predictor)."""
        return np.ones((*eta.shape, 1)), np.zeros((*eta.shape, 1))

    def fisher(self, eta):
        """Fisher information of the predictors, (n, K, K)."""
        return np.ones((*eta.shape, 1))

    def loss(self, y, eta):
        return (eta[..., 0] - y) ** 2 / 2


class Logistic:
    """Log loss of two classes."""

    n_outputs = 1

    def start(self, y, w):
        p = w @ y / w.sum(-1)
        return np.log(p / (1 - p))[..., None]

    def start_slopes(self, y, w):
        p = w @ y / w.sum()
        return ((y - p) / (w.sum() * p * (1 - p)))[None]

    def gradient(self, y, eta):
        return expit(eta) - y[:, None]

    def second(self, y, eta):
        return expit(eta) * expit(-eta)

    def slopes(self, y, eta):
        h = self.second(y, eta)
        return h[..., None], (h * (1 - 2 * expit(eta)))[..., None]

    def fisher(self, eta):
        return self.second(None, eta)[..., None]

    def loss(self, y, eta):
        return np.logaddexp(0, eta[..., 0] * (1 - 2 * y))


class Softmax:
    """Log loss of several classes; trees see ``factor`` times the diagonal of its Hessian.

    Where it is centred, predictors start from logarithms of shares that have the mean 0.
    """

    def __init__(self, n_outputs, factor=1.0, is_centred=False):
        self.n_outputs, self.factor, self.is_centred = n_outputs, factor, is_centred

    def _centred(self, values, axis):
        return values - values.mean(axis, keepdims=True) if self.is_centred else values

    def _is_own(self, y):
        return np.arange(self.n_outputs) == y[:, None]

    def start(self, y, w):
        return self._centred(np.log(w @ self._is_own(y) / w.sum(-1)[..., None]), -1)

    def start_slopes(self, y, w):
        share = w @ self._is_own(y) / w.sum()
        return self._centred(((self._is_own(y) - share) / (share * w.sum())).T, 0)

    def gradient(self, y, eta):
        return softmax(eta, axis=-1) - self._is_own(y)

    def second(self, y, eta):
        p = softmax(eta, axis=-1)
        return self.factor * p * (1 - p)

    def slopes(self, y, eta):
        p = softmax(eta, axis=-1)
        slope = self.fisher(eta)
        return slope, self.factor * (1 - 2 * p)[..., None] * slope

    def fisher(self, eta):
        p = softmax(eta, axis=-1)
        return p[..., None] * (np.eye(self.n_outputs) - p[..., None, :])

    def loss(self, y, eta):
        return np.log(np.exp(eta).sum(-1)) - np.take_along_axis(
            eta, np.broadcast_to(y[:, None], (*eta.shape[:-1], 1)), axis=-1
        ).squeeze(-1)


class Boosted(NamedTuple):
    """A boosted model: ``loss``, labels, leaf of each row in each tree, and the trees' numbers."""

    loss: Any
    y: np.ndarray
    leaves: np.ndarray  # (n_trees, n_rows), counted within the tree
    outputs: np.ndarray  # (n_trees,)
    stages: np.ndarray  # (n_trees,)
    rate: np.ndarray  # (n_trees,)
    l2: float = 0.0


class Slopes(NamedTuple):
    """Derivatives in the weight of each training row (the last axis).

    ``query``: of the predictors of queries, (n_queries, n_outputs, n_rows). ``theta``: the squared
    length of those of all leaf values and starting predictors. ``fisher``: the weighted mean over
    the training rows of the squared length of those of their predictors, by the Fisher information.
    """

    query: np.ndarray
    theta: np.ndarray
    fisher: np.ndarray


def replay(model, weights, query_leaves, start=None):
    """Predictors of queries by models of other weights, (n_models, n_queries, n_outputs).

    ``weights`` is (n_models, n_rows); a leaf without weight has the value 0. ``start`` holds the
    starting predictors.
    """
    start = (
        model.loss.start(model.y, weights) if start is None else np.tile(start, (len(weights), 1))
    )
    start = start[:, None]
    eta = np.repeat(start, model.leaves.shape[1], axis=1)
    queries = np.repeat(start, query_leaves.shape[1], axis=1)
    for trees in _stages(model):
        g, h = model.loss.gradient(model.y, eta), model.loss.second(model.y, eta)
        for tree in trees:
            k, rows = model.outputs[tree], model.leaves[tree]
            here = _indicator(rows, query_leaves[tree])
            G, H = (weights * g[..., k]) @ here, (weights * h[..., k]) @ here + model.l2
            values = np.divide(-model.rate[tree] * G, H, out=np.zeros_like(G), where=H != 0)
            eta[..., k] += values[:, rows]
            queries[..., k] += values[:, query_leaves[tree]]
    return queries


def slopes(model, weight, query_leaves, crossed=True, moved_start=True):
    """Derivatives of all that the model says and is, as :class:`Slopes`.

    Without ``crossed``, those of a class's trees in the predictors of other classes are left out,
    and without ``moved_start`` those of the starting predictors, as some do.
    """
    n, K = len(model.y), model.loss.n_outputs
    start = model.loss.start_slopes(model.y, weight) * moved_start  # (K, n)
    eta = np.tile(model.loss.start(model.y, weight), (n, 1))
    by_row = np.repeat(start[None], n, axis=0)
    query = np.repeat(start[None], query_leaves.shape[1], axis=0)
    theta = np.square(start).sum(axis=0)
    for trees in _stages(model):
        g, h = model.loss.gradient(model.y, eta), model.loss.second(model.y, eta)
        dg, dh = model.loss.slopes(model.y, eta)
        seen = by_row.copy()
        for tree in trees:
            k, rows = model.outputs[tree], model.leaves[tree]
            here = _indicator(rows, query_leaves[tree])
            H = (weight * h[:, k]) @ here + model.l2
            v = np.divide(
                -model.rate[tree] * ((weight * g[:, k]) @ here), H, where=H != 0, out=0 * H
            )
            # Of rate G + v (H + l2) = 0, by each weight: its own terms, and those that it moves.
            moved = np.zeros((len(H), n))
            moved[rows, np.arange(n)] = model.rate[tree] * g[:, k] + v[rows] * h[:, k]
            for j in range(K) if crossed else [k]:
                pull = weight * (model.rate[tree] * dg[:, k, j] + v[rows] * dh[:, k, j])
                moved += (here * pull[:, None]).T @ seen[:, j]
            dv = -np.divide(moved, H[:, None], where=H[:, None] != 0, out=0 * moved)
            theta += np.square(dv).sum(axis=0)
            eta[:, k] += v[rows]
            by_row[:, k] += dv[rows]
            query[:, k] += dv[query_leaves[tree]]
    information = model.loss.fisher(eta) * weight[:, None, None] / weight.sum()
    return Slopes(
        query, theta, np.einsum("jai,jab,jbi->i", by_row, information, by_row, optimize=True)
    )


def influences(model, weight, query_leaves, y_query, eta_query, **kept):
    """{criterion: (n_queries, n_rows)}, positive where a row helps, at queries' predictors."""
    found = slopes(model, weight, query_leaves, **kept)
    psi = model.loss.gradient(y_query, eta_query)
    total = weight.sum()
    influence = -total * np.einsum("qk,qki->qi", psi, found.query)
    return {
        "influence": influence,
        "theta_relative": _ratio(influence, total * np.sqrt(found.theta)),
        "loss_relative": _ratio(influence, total * np.sqrt(found.fisher)),
    }


def _ratio(influence, scale):
    return np.divide(influence, scale, out=np.zeros_like(influence), where=scale > 0)


def _stages(model):
    return [np.flatnonzero(model.stages == stage) for stage in np.unique(model.stages)]


def _indicator(leaves, query_leaves):
    """Which row is in which leaf, (n_rows, n_leaves)."""
    n_leaves = max(leaves.max(), query_leaves.max(initial=0)) + 1
    return (leaves[:, None] == np.arange(n_leaves)).astype(float)
