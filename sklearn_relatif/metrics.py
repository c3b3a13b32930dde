"""Measures of explanations, as scorers for GridSearchCV and cross_val_score.

Each takes a fitted :class:`~sklearn_relatif.RelatIFExplainer`, or a Pipeline that ends in one,
and held-out data, and returns a number that is larger for better explanations. Options are set
with :func:`functools.partial`.

>>> from functools import partial
>>> from sklearn.datasets import load_breast_cancer
>>> from sklearn.linear_model import LogisticRegression
>>> from sklearn.model_selection import GridSearchCV
>>> from sklearn.pipeline import make_pipeline
>>> from sklearn.preprocessing import StandardScaler
>>> from sklearn_relatif import RelatIFExplainer
>>> from sklearn_relatif.metrics import retraining_fidelity
>>> X, y = load_breast_cancer(return_X_y=True)
>>> explainer = RelatIFExplainer(LogisticRegression(), n_retrainings=10, random_state=0)
>>> search = GridSearchCV(
...     make_pipeline(StandardScaler(), explainer),
...     {"relatifexplainer__damping": [0.0, 1e-3, 1.0]},
...     scoring=partial(retraining_fidelity, correlation="spearman"),
...     cv=2,
... ).fit(X, y)
>>> search.best_params_["relatifexplainer__damping"] < 1
True
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.metrics import average_precision_score
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state

from .explainers import study_of
from .removal import CORRELATIONS, correlated
from .results import Explanation
from .utils._validation import check_choice, check_positive_int

__all__ = [
    "influence_set_cardinality",
    "influence_set_probability",
    "mislabel_detection",
    "mislabel_rankings",
    "plant_label_errors",
    "retraining_fidelity",
    "top_k_overlap",
]


def retraining_fidelity(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    correlation: str = "pearson",
    truth: str = "retrain",
) -> float:
    """Correlation of the criterion with exact retraining.

    Parameters
    ----------
    estimator : fitted RelatIFExplainer, or Pipeline that ends in one
    X : array-like or sparse matrix of shape (n_queries, n_features)
    y : array-like of shape (n_queries,), default=None
    correlation : {"pearson", "spearman"}, default="pearson"
    truth : {"retrain", "pbrf", "structure"}, default="retrain"
        In the place of retraining: "pbrf", a network's proximal Bregman response. It depends on the
        damping, and the larger that is, the more easily it is estimated: it tells whether an
        estimate is right, not which damping to choose. "structure", a model of trees with their
        structure held: it tells whether an estimate of that is right, not whether the structure
        stays.

    Returns
    -------
    float
        See :meth:`RelatIFExplainer.score`.
    """
    explainer, X = at_explainer(estimator, X)
    if truth == "retrain":
        return explainer.score(X, y, correlation=correlation)
    check_choice("correlation", correlation, tuple(CORRELATIONS))
    estimate, by_truth = explainer.estimate_and_truth(X, y, truth=truth)
    return correlated(estimate, by_truth, correlation)


def top_k_overlap(
    estimator: Any, X: Any, y: Any = None, *, n_examples: int = 5, truth: str = "retrain"
) -> float:
    """Share of each query's best rows that retraining confirms, averaged over the queries.

    The best ``n_examples`` rows by the criterion are compared with the best by its
    leave-one-out quantity, both among the ``n_retrainings`` rows that are left out.

    Parameters
    ----------
    estimator : fitted RelatIFExplainer, or Pipeline that ends in one
    X : array-like or sparse matrix of shape (n_queries, n_features)
    y : array-like of shape (n_queries,), default=None
    n_examples : int, default=5
        Less than ``n_retrainings``, or the overlap is always 1.
    truth : {"retrain", "pbrf", "structure"}, default="retrain"
        As of :func:`retraining_fidelity`.

    Returns
    -------
    float
        Between 0 and 1.
    """
    check_positive_int("n_examples", n_examples)
    explainer, X = at_explainer(estimator, X)
    best = [
        np.argsort(-scores, axis=1, kind="stable")[:, :n_examples]
        for scores in explainer.estimate_and_truth(X, y, truth=truth)
    ]
    shared = (best[0][:, :, None] == best[1][:, None, :]).any(axis=2)
    return float(shared.mean())


def mislabel_rankings(explainer: Any) -> dict[str, np.ndarray]:
    """Rankings of training rows by how suspicious their labels are, larger for more.

    Parameters
    ----------
    explainer : fitted RelatIFExplainer
        Of a model with probabilities.

    Returns
    -------
    dict of str to ndarray of shape (n_rows,)
        "self_influence"; "loo_probability" (one minus the leave-one-out probability of the
        label, as :meth:`RelatIFExplainer.loo_proba` tells it; not of networks and of large boosted
        models, which have none) and "loss" (one minus the probability of the label under the model
        as it is).

    Raises
    ------
    TypeError
        If the model has no probabilities, or several labels a row.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_relatif import RelatIFExplainer
    >>> from sklearn_relatif.metrics import mislabel_rankings
    >>> X, y = load_iris(return_X_y=True)
    >>> explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X, y)
    >>> sorted(mislabel_rankings(explainer))
    ['loo_probability', 'loss', 'self_influence']
    """
    rows = explainer.training_rows_
    if rows.probabilities is None:
        raise TypeError(
            f"{type(explainer.estimator_).__name__} tells no probabilities of one label a row, so "
            "that no label looks more wrong than others. self_influence_ is there for all models."
        )
    rankings = {"self_influence": explainer.self_influence_}
    if study_of(explainer).remover.loo_obstacle is None:
        own = np.searchsorted(explainer.classes_, rows.labels)
        rankings["loo_probability"] = 1 - explainer.loo_proba()[np.arange(len(own)), own]
    return {**rankings, "loss": 1 - rows.probabilities}


def mislabel_detection(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    noise: float = 0.1,
    ranking: str = "self_influence",
    random_state: Any = 0,
) -> float:
    """Average precision with which planted label errors are found.

    A share of the given labels is exchanged for wrong ones, a clone of the estimator is fitted
    to the result, and its training rows are ranked by suspicion.

    Parameters
    ----------
    estimator : RelatIFExplainer, or Pipeline that ends in one
    X : array-like or sparse matrix of shape (n_rows, n_features)
    y : array-like of shape (n_rows,)
        Labels taken for right.
    noise : float, default=0.1
        Share of the rows whose labels are exchanged.
    ranking : {"self_influence", "loo_probability", "loss"}, default="self_influence"
        See :func:`mislabel_rankings`.
    random_state : int, RandomState instance or None, default=0
        Draws the rows and their wrong labels.

    Returns
    -------
    float
        Average precision: about ``noise`` for a ranking by chance, 1 for a perfect one.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_relatif import RelatIFExplainer
    >>> from sklearn_relatif.metrics import mislabel_detection
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X = (X - X.mean(axis=0)) / X.std(axis=0)
    >>> explainer = RelatIFExplainer(LogisticRegression())
    >>> mislabel_detection(explainer, X, y, noise=0.05, ranking="loss") > 0.8
    True
    """
    check_choice("ranking", ranking, ("self_influence", "loo_probability", "loss"))
    labels, wrong = plant_label_errors(y, noise, random_state)
    fitted = clone(estimator).fit(X, labels)
    explainer = fitted[-1] if isinstance(fitted, Pipeline) else fitted
    rankings = mislabel_rankings(explainer)
    check_choice("ranking", ranking, tuple(rankings))
    return float(average_precision_score(wrong, rankings[ranking]))


def plant_label_errors(
    y: Any, noise: float = 0.1, random_state: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """Labels with a share of them exchanged for wrong ones, and which ones were.

    To see how well rankings of the training rows find errors: fit a model to the labels, and
    compare its rankings with the rows that are wrong, as
    :class:`~sklearn_relatif.plotting.DetectionCurveDisplay` does.

    Parameters
    ----------
    y : array-like of shape (n_rows,)
        Labels taken for right.
    noise : float, default=0.1
        Share of the rows whose labels are exchanged for one of the other classes, each as likely as
        the others. At least one is.
    random_state : int, RandomState instance or None, default=None
        Draws the rows and their wrong labels.

    Returns
    -------
    labels : ndarray of shape (n_rows,)
    is_wrong : ndarray of bool, shape (n_rows,)
        ``np.flatnonzero(is_wrong)`` are their positions.

    Raises
    ------
    ValueError
        If there are fewer than two classes, or `noise` does not lie between 0 and 1.

    Examples
    --------
    >>> from sklearn_relatif.metrics import plant_label_errors
    >>> labels, is_wrong = plant_label_errors(["yes"] * 3 + ["no"] * 7, 0.2, random_state=0)
    >>> labels.tolist().count("yes"), is_wrong.nonzero()[0].tolist()
    (3, [2, 8])
    """
    if not 0 < noise < 1:
        raise ValueError(f"noise must lie between 0 and 1; got {noise!r}.")
    random_state = check_random_state(random_state)
    classes, positions = np.unique(np.asarray(y), return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"To plant errors in, y needs two classes; it has {classes.tolist()}.")
    is_wrong = np.zeros(len(positions), bool)
    n_wrong = max(1, round(noise * len(positions)))
    is_wrong[random_state.choice(len(positions), n_wrong, replace=False)] = True
    shift = random_state.randint(1, len(classes), size=len(positions))
    return classes[np.where(is_wrong, (positions + shift) % len(classes), positions)], is_wrong


def influence_set_cardinality(estimator: Any, X: Any, y: Any = None, *, n_examples: int = 1) -> int:
    """Number of distinct training rows among the best of all queries (Table 1 of the paper).

    Large where explanations are specific to their query; influence alone keeps returning the
    same few rows.

    Parameters
    ----------
    estimator : fitted RelatIFExplainer, or Pipeline that ends in one
    X : array-like or sparse matrix of shape (n_queries, n_features)
    y : array-like of shape (n_queries,), default=None
        Labels to explain. None: the predicted ones.
    n_examples : int, default=1
        How many rows of each query count.

    Returns
    -------
    int
        At most ``n_queries * n_examples``.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_relatif import RelatIFExplainer
    >>> from sklearn_relatif.metrics import influence_set_cardinality
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=1000)
    >>> by_if = RelatIFExplainer(model, criterion="influence").fit(X[::2], y[::2])
    >>> by_relatif = RelatIFExplainer(model, criterion="loss_relative").fit(X[::2], y[::2])
    >>> influence_set_cardinality(by_if, X[1::2]) < influence_set_cardinality(by_relatif, X[1::2])
    True
    """
    return len(_influence_set(_explain(estimator, X, y, n_examples)))


def influence_set_probability(
    estimator: Any, X: Any, y: Any = None, *, n_examples: int = 1
) -> float:
    """Mean model probability of the labels of the rows in the influence set (Table 1).

    Small where the rows are outliers and mislabelled ones.

    Parameters
    ----------
    estimator : fitted RelatIFExplainer, or Pipeline that ends in one
    X : array-like or sparse matrix of shape (n_queries, n_features)
    y : array-like of shape (n_queries,), default=None
        Labels to explain. None: the predicted ones.
    n_examples : int, default=1
        How many rows of each query count.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    AttributeError
        If the model has no probabilities.
    """
    explanation = _explain(estimator, X, y, n_examples)
    probabilities = explanation.training_rows.probabilities
    if probabilities is None:
        raise AttributeError("influence_set_probability needs a model with probabilities.")
    return float(probabilities[_influence_set(explanation)].mean())


def _influence_set(explanation: Explanation) -> np.ndarray:
    found = np.unique(explanation.indices)
    return found[found >= 0]


def _explain(estimator: Any, X: Any, y: Any, n_examples: int) -> Explanation:
    explainer, X = at_explainer(estimator, X)
    return explainer.explain(X, y, n_examples=n_examples)


def at_explainer(estimator: Any, X: Any) -> tuple[Any, Any]:
    """The explainer at the end of a pipeline, and the rows, if any, as it takes them."""
    if isinstance(estimator, Pipeline):
        if X is not None and len(estimator) > 1:
            X = estimator[:-1].transform(X)
        return estimator[-1], X
    return estimator, X
