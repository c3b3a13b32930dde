"""Optima of linear models in extended precision, found without the package."""

import numpy as np
from scipy.special import expit

WIDE = np.longdouble


class Binary:
    """Binomial log loss; y is 0 or 1."""

    n_outputs = 1

    @staticmethod
    def value(y, eta):
        margin = (2 * y - 1) * eta[:, 0]
        return np.where(margin > 0, 0, -margin) + np.log1p(np.exp(-np.abs(margin)))

    @staticmethod
    def slope(y, eta):
        sign = 2 * y - 1
        margin = sign * eta[:, 0]
        small = np.exp(-np.abs(margin))
        return (-sign * np.where(margin > 0, small / (1 + small), 1 / (1 + small)))[:, None]

    @staticmethod
    def bend(y, eta):
        p = expit(eta[:, 0].astype(float))
        return (p * expit(-eta[:, 0].astype(float)))[:, None, None]


class Softmax:
    """Multinomial log loss of K scores, whose mean is a direction without any curvature."""

    def __init__(self, n_classes):
        self.n_outputs = n_classes

    @staticmethod
    def probabilities(eta):
        p = np.exp(eta - eta.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)

    @staticmethod
    def value(y, eta):
        leads = eta - eta[np.arange(len(y)), y][:, None]
        leads[np.arange(len(y)), y] = -np.inf
        most = np.maximum(leads.max(axis=1), 0)
        others = np.exp(leads - most[:, None]).sum(axis=1)
        return most + np.where(most > 0, np.log(others + np.exp(-most)), np.log1p(others))

    def slope(self, y, eta):
        p = self.probabilities(eta)
        own = np.arange(len(y)), y
        p[own] = 0
        p[own] = -p.sum(axis=1)
        return p

    def bend(self, y, eta):
        p = self.probabilities(eta.astype(float))
        return p[:, :, None] * (np.eye(self.n_outputs) - p[:, None, :])


class Deviance:
    """Half the unit deviance of a variance ``mu^p`` in a log link."""

    n_outputs = 1

    def __init__(self, power):
        self.power = power

    def value(self, y, eta):
        eta, p = eta[:, 0], self.power
        if p == 1:
            return np.where(y > 0, y * (np.log(np.where(y > 0, y, 1)) - eta), 0) - y + np.exp(eta)
        if p == 2:
            return eta - np.log(y) + y * np.exp(-eta) - 1
        own = y ** (2 - p) / (1 - p)
        rest = (own + np.exp((2 - p) * eta)) / (2 - p)
        return rest - y * np.exp((1 - p) * eta) / (1 - p)

    def slope(self, y, eta):
        p = self.power
        return np.exp((2 - p) * eta) - y[:, None] * np.exp((1 - p) * eta)

    def bend(self, y, eta):
        eta, p = eta.astype(float), self.power
        of_mean = (2 - p) * np.exp((2 - p) * eta)
        return (of_mean - (1 - p) * y[:, None] * np.exp((1 - p) * eta))[:, :, None]


class Squares:
    """Half the squared error."""

    n_outputs = 1

    @staticmethod
    def value(y, eta):
        return (eta[:, 0] - y) ** 2 / 2

    @staticmethod
    def slope(y, eta):
        return eta - y[:, None]

    @staticmethod
    def bend(y, eta):
        return np.ones((len(y), 1, 1))


class SquaredHinge:
    """``max(0, 1 - m)^2``; y is 0 or 1."""

    n_outputs = 1

    @staticmethod
    def value(y, eta):
        return np.maximum(1 - (2 * y - 1) * eta[:, 0], 0) ** 2

    @staticmethod
    def slope(y, eta):
        sign = 2 * y - 1
        return (-2 * sign * np.maximum(1 - sign * eta[:, 0], 0))[:, None]

    @staticmethod
    def bend(y, eta):
        return 2.0 * ((2 * y - 1) * eta[:, 0] < 1)[:, None, None]


class Optimum:
    """The model of some rows, at its optimum.

    Parameters
    ----------
    loss : one of the above
    X, y, weight : ndarray
    l2, l2_intercept : float
        Of the sum of the losses.
    """

    def __init__(self, loss, X, y, weight, l2, l2_intercept=0.0, start=None, fit_intercept=True):
        columns = [X.astype(float)] + [np.ones((len(X), 1))] * fit_intercept
        self.x, self.y, self.weight = np.hstack(columns), y, weight
        self.loss, self.fit_intercept = loss, fit_intercept
        self.penalty = np.full(self.x.shape[1], float(l2))
        if fit_intercept:
            self.penalty[-1] = l2_intercept
        self.wide_x = self.x.astype(WIDE)
        shape = (loss.n_outputs, self.x.shape[1])
        self.weights = np.zeros(shape, WIDE) if start is None else start.weights.copy()
        self._minimise()

    def losses(self, X, y):
        x = np.hstack([X.astype(WIDE)] + [np.ones((len(X), 1), WIDE)] * self.fit_intercept)
        y = y if y.dtype.kind == "i" else y.astype(WIDE)
        return self.loss.value(y, x @ self.weights.T)

    def reach(self, X):
        """How far the predictors of rows may be from those of the optimum, by the last step."""
        x = np.hstack([X.astype(float)] + [np.ones((len(X), 1))] * self.fit_intercept)
        hessian = self._hessian(self.weights)
        scale = 1 / np.sqrt(np.maximum(np.diag(hessian), 1e-300))
        inverse = np.linalg.pinv(hessian * scale * scale[:, None], rcond=1e-15, hermitian=True)
        inverse = (inverse * scale * scale[:, None]).reshape(2 * self.weights.shape)
        forms = np.einsum("ni,kikj,nj->n", x, inverse, x, optimize=True)
        return np.sqrt(np.maximum(forms, 0)) * self.decrement

    def _gradient(self, weights):
        y = self.y if self.y.dtype.kind == "i" else self.y.astype(WIDE)
        slope = self.loss.slope(y, self.wide_x @ weights.T) * self.weight[:, None]
        return slope.T @ self.wide_x + self.penalty * weights

    def _hessian(self, weights):
        eta = self.x @ weights.T.astype(float)
        bend = self.loss.bend(self.y, eta) * self.weight[:, None, None]
        n_outputs, n_columns = weights.shape
        blocks = np.einsum("nkl,ni,nj->kilj", bend, self.x, self.x, optimize=True)
        hessian = blocks.reshape(n_outputs * n_columns, -1)
        return hessian + np.diag(np.tile(self.penalty, n_outputs))

    def _minimise(self):
        """Newton steps, shortened where the slope turns, until they change nothing."""
        self.decrement = np.inf
        for _ in range(200):
            gradient = self._gradient(self.weights)
            hessian = self._hessian(self.weights)
            scale = 1 / np.sqrt(np.maximum(np.diag(hessian), 1e-300))
            scaled = hessian * scale * scale[:, None]
            flat = gradient.ravel().astype(float) * scale
            step = -(np.linalg.pinv(scaled, rcond=1e-15, hermitian=True) @ flat) * scale
            step = step.reshape(gradient.shape).astype(WIDE)
            slope = (step * gradient).sum()
            decrement = np.sqrt(max(float(-slope), 0))
            before, self.decrement, length = self.decrement, decrement, WIDE(1)
            if decrement < 1e-15 or (decrement < 1e-10 and decrement > 0.3 * before):
                break
            while length > 1e-6:
                there = (self._gradient(self.weights + length * step) * step).sum()
                if np.isfinite(there) and there <= 0.5 * abs(slope):
                    break
                length /= 2
            self.weights = self.weights + length * step
