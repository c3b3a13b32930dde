"""Linear heads that were trained elsewhere, given by their numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from ..losses import (
    LogLink,
    LogLoss,
    Loss,
    MultinomialLogLoss,
    PoissonDeviance,
    SquaredError,
    SquaredHinge,
    TweedieDeviance,
    UnitDeviance,
    binary_codebook,
    one_vs_rest_codebook,
)
from ..objectives import build_objective
from ..utils._validation import check_choice, check_non_negative, label_array
from ._linear import LinearAdapter
from ._registry import register
from ._targets import BoundedTargets

CLASS_LOSSES = ("log_loss", "squared_hinge")
#: Of one target, whose mean is the exponential of the score.
DEVIANCES: dict[str, UnitDeviance] = {
    "poisson": PoissonDeviance(LogLink()),
    "gamma": TweedieDeviance(2, LogLink()),
}
TARGET_LOSSES = ("squared_error", *DEVIANCES)


class LinearHead(BaseEstimator):
    """A linear model that was trained elsewhere; see :meth:`RelatIFExplainer.from_coefficients`.

    Parameters
    ----------
    loss : str
    l2, l2_intercept : float
    fit_intercept : bool

    Attributes
    ----------
    coef_ : ndarray of shape (n_scores, n_features)
    intercept_ : ndarray of shape (n_scores,)
    n_features_in_ : int
    """

    coef_: np.ndarray
    intercept_: np.ndarray

    def __init__(
        self,
        loss: str = "log_loss",
        *,
        l2: float = 0.0,
        l2_intercept: float = 0.0,
        fit_intercept: bool = True,
    ) -> None:
        self.loss = loss
        self.l2 = l2
        self.l2_intercept = l2_intercept
        self.fit_intercept = fit_intercept

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LinearHead:
        """Refuse: a head is trained where it comes from."""
        raise TypeError(
            "A head that is given by its coefficients cannot be fitted: train it where it comes "
            "from, and give the coefficients to RelatIFExplainer.from_coefficients."
        )

    def scores(self, X: Any) -> np.ndarray:
        """Linear predictor of rows, shape (n_rows, n_scores)."""
        X = validate_data(self, X, reset=False, accept_sparse="csr", dtype=[np.float64, np.float32])
        return np.asarray(X @ self.coef_.T) + self.intercept_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class ClassifierHead(ClassifierMixin, LinearHead):
    """A linear classifier that was trained elsewhere: one score of two classes, else one a class.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted.
    """

    classes_: np.ndarray

    def decision_function(self, X: Any) -> np.ndarray:
        """Scores, of the second of two classes alone."""
        scores = self.scores(X)
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, X: Any) -> np.ndarray:
        """Predicted classes."""
        scores = self.scores(X)
        is_second = scores.shape[1] == 1
        return self.classes_[(scores[:, 0] > 0).astype(int) if is_second else scores.argmax(1)]

    @available_if(lambda self: self.loss == "log_loss")
    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes."""
        scores = self.scores(X)
        if scores.shape[1] > 1:
            return softmax(scores, axis=1)
        return np.hstack([expit(-scores), expit(scores)])


class RegressorHead(RegressorMixin, LinearHead):
    """A linear regressor that was trained elsewhere, of one target or several."""

    def predict(self, X: Any) -> np.ndarray:
        """Predicted targets, or their means."""
        scores = self.scores(X)
        scores = np.exp(scores) if self.loss in DEVIANCES else scores
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def linear_head(
    coef: Any,
    intercept: Any,
    X: Any,
    y: Any,
    *,
    loss: str,
    l2: float = 0.0,
    l2_intercept: float = 0.0,
    classes: Any = None,
) -> LinearHead:
    """A fitted estimator of given coefficients.

    Parameters
    ----------
    coef, intercept : array-like
        As of :meth:`RelatIFExplainer.from_coefficients`.
    X : array-like or sparse matrix of shape (n_rows, n_features)
    y : array-like of shape (n_rows,) or (n_rows, n_targets)
        They tell the names of the features, and the classes where these are not given.
    loss : str
    l2, l2_intercept : float, default=0.0
    classes : array-like of shape (n_classes,), default=None
    """
    check_choice("loss", loss, (*CLASS_LOSSES, *TARGET_LOSSES))
    check_non_negative("l2", l2)
    check_non_negative("l2_intercept", l2_intercept)
    has_classes = loss in CLASS_LOSSES
    kind = ClassifierHead if has_classes else RegressorHead
    head = kind(loss, l2=l2, l2_intercept=l2_intercept, fit_intercept=intercept is not None)
    validate_data(head, X, skip_check_array=True)
    head.coef_, head.intercept_ = _numbers(coef, intercept, head.n_features_in_)
    if has_classes:
        _sort_classes(head, np.unique(label_array(y)) if classes is None else label_array(classes))
    elif classes is not None:
        raise ValueError(f"classes was given with loss={loss!r}, which has none; leave it out.")
    else:
        _check_targets(head, y)
    return head


def _numbers(coef: Any, intercept: Any, n_features: int) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients as a table with a row a score, and the intercept of each."""
    table = np.atleast_2d(np.array(coef, np.float64))
    if table.ndim != 2 or table.shape[1] != n_features:
        raise ValueError(
            f"coef must have shape (n_scores, n_features), or (n_features,) for one score, and X "
            f"has {n_features} features; got shape {np.shape(coef)}."
        )
    offset = np.zeros(len(table))
    if intercept is not None:
        offset = np.array(intercept, np.float64).reshape(-1)
        if offset.shape != (len(table),):
            raise ValueError(
                f"intercept must be one number for each of the {len(table)} scores, or None for a "
                f"head without; got shape {np.shape(intercept)}."
            )
    if not (np.isfinite(table).all() and np.isfinite(offset).all()):
        raise ValueError("coef and intercept must be finite; got NaN or infinity.")
    return table, offset


def _sort_classes(head: Any, classes: np.ndarray) -> None:
    """Tell a head its classes, which its rows are in the order of, and bring both in order."""
    n_rows, named = len(head.coef_), classes.tolist()
    head.classes_, order = np.unique(classes, return_index=True)
    if classes.ndim != 1 or len(order) != len(classes) or len(classes) < 2:
        raise ValueError(f"classes must name two classes at least, each once; got {named!r}.")
    if n_rows != len(classes) and (n_rows, len(classes)) != (1, 2):
        raise ValueError(
            f"coef has {n_rows} rows, and there are {len(classes)} classes, {named!r}: each takes "
            "a row, or two classes the one of the second. Say classes=[...] in the order of the "
            "rows, if y has not all of them."
        )
    if n_rows == 1:
        sign = 1 if order[0] == 0 else -1
        head.coef_, head.intercept_ = sign * head.coef_, sign * head.intercept_
        return
    head.coef_, head.intercept_ = head.coef_[order], head.intercept_[order]
    if n_rows == 2:
        _join(head)


def _join(head: Any) -> None:
    """One score in the place of a softmax of two: with half of the penalty, it is the same."""
    if head.loss != "log_loss":
        raise ValueError(
            f"coef has two rows for two classes, of which loss={head.loss!r} takes one: give that "
            "of the second class."
        )
    head.coef_, head.intercept_ = (
        values[1:] - values[:1] for values in (head.coef_, head.intercept_)
    )
    head.l2, head.l2_intercept = head.l2 / 2, head.l2_intercept / 2


def _check_targets(head: Any, y: Any) -> None:
    y, n_rows = label_array(y), len(head.coef_)
    n_targets = 1 if y.ndim == 1 else y.shape[1]
    if n_rows != n_targets:
        raise ValueError(f"coef has {n_rows} rows, and y has {n_targets} targets: each takes one.")
    if head.loss in DEVIANCES and n_rows > 1:
        raise ValueError(
            f"loss={head.loss!r} takes one target; explain the head of each on its own."
        )


class HeadAdapter(LinearAdapter):
    """Heads of all losses, whose penalties are in the sum form as they are given."""

    how_to_fit_closer = "train it until the gradient of the loss and the penalty vanishes"

    def loss(self, model: Any) -> Loss:
        """The loss of a head by its name."""
        n_scores = len(model.coef_)
        if model.loss == "squared_error":
            return SquaredError(n_scores)
        if model.loss in DEVIANCES:
            return DEVIANCES[model.loss]
        if model.loss == "log_loss" and n_scores > 1:
            return MultinomialLogLoss(n_scores)
        codebook = binary_codebook() if n_scores == 1 else one_vs_rest_codebook(n_scores)
        return LogLoss(codebook) if model.loss == "log_loss" else SquaredHinge(codebook)

    def targets(self, model):
        if model.loss in DEVIANCES:
            return BoundedTargets(DEVIANCES[model.loss].targets, f"loss={model.loss!r}")
        return super().targets(model)

    def reduce(self, model, X, y, sample_weight):
        weights, l2, l1 = self.penalised(model, l2=model.l2)
        if model.fit_intercept:
            l2 = l2.copy()
            l2[:, -1] = model.l2_intercept
        return build_objective(
            self.loss(model), weights, l2, l1, X, y, sample_weight, model.fit_intercept
        )

    def parameters(self, model):
        """Coefficients and intercept; of a softmax around their mean, which says nothing."""
        table = super().parameters(model)
        is_softmax = self.loss(model).softmax_contrasts is not None
        return table - table.mean(axis=0) if is_softmax else table

    def stopping_cause(self, model):
        """Nobody knows how its training ended, and its penalty is what was said of it."""
        return (
            f"It was trained elsewhere: to an optimum of loss={model.loss!r} with l2={model.l2:g}, "
            f"l2_intercept={model.l2_intercept:g}, in the sum form? A penalty that a mean loss "
            "bore is smaller by the sum of the weights. Otherwise, "
            f"{self.how_to_fit_closer}."
        )


register(
    [f"{kind.__module__}.{kind.__name__}" for kind in (ClassifierHead, RegressorHead)],
    HeadAdapter(),
)
