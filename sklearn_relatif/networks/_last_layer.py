"""A network to be explained by its last layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..adapters import adapter_of, split_pipeline
from ..utils._delegation import estimator_has, take_tags


class LastLayer(MetaEstimatorMixin, BaseEstimator):
    """A network that is explained by its last layer, the others being held as they are.

    What the layers before it make of a row, ``h(x)``, are the features of a linear model::

        sum_i s_i loss(y_i, W h(x_i) + b) + Lambda / 2 * |W|^2

    a softmax regression of several classes, a logistic one of two, a ridge or Poisson regression of
    targets, with the loss and the penalty of the network itself. Its Hessian is exact and positive
    semi-definite, so that all that there is for linear models is there for it: exact influence
    without damping, leverage, leave-one-out retraining, audits. Effects of removals are those on
    this layer: another network would make other features of the rows that are left.

    The layer predicts as the network does, which need not have trained it to the optimum on these
    features. ``distance_to_optimum_`` of the explainer tells how far it is. Effects of removals
    start from the optimum.

    Parameters
    ----------
    estimator : estimator
        A network: MLPClassifier, MLPRegressor, or one of another library that has an adapter. Also
        inside a search, or fitted before and wrapped in a FrozenEstimator. Transformers go in front
        of the wrapper: ``make_pipeline(StandardScaler(), LastLayer(MLPClassifier()))``.

    Attributes
    ----------
    estimator_ : fitted estimator
    classes_ : ndarray of shape (n_classes,)
        Of a classifier.
    n_features_in_ : int
        Number of features that the network takes.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where the training data had any.

    See Also
    --------
    sklearn_relatif.RelatIFExplainer : Explains it.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> from sklearn_relatif import RelatIFExplainer
    >>> from sklearn_relatif.networks import LastLayer
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier(8, solver="lbfgs", alpha=1.0, max_iter=5000, random_state=0)
    >>> explainer = RelatIFExplainer(LastLayer(network)).fit(X, y)
    >>> explainer.explain(X[[0, 70]], n_examples=3).indices.shape
    (2, 3)
    >>> explainer.removal_effect(X[[0, 70]], y[[0, 70]], order="retrain").shape
    (2, 150)
    """

    estimator_: Any

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    @classmethod
    def from_fitted(cls, estimator: Any) -> LastLayer:
        """Wrap a network that is fitted already, and stays as it is.

        Parameters
        ----------
        estimator : fitted estimator

        Returns
        -------
        LastLayer
            Fitted, around a FrozenEstimator: give it to ``RelatIFExplainer.from_fitted``.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.neural_network import MLPClassifier
        >>> from sklearn_relatif import RelatIFExplainer
        >>> from sklearn_relatif.networks import LastLayer
        >>> X, y = load_iris(return_X_y=True)
        >>> network = MLPClassifier(8, solver="lbfgs", alpha=1.0, max_iter=5000, random_state=0)
        >>> layer = LastLayer.from_fitted(network.fit(X, y))
        >>> explainer = RelatIFExplainer.from_fitted(layer, X, y)
        >>> explainer.leverage_.shape
        (150,)
        """
        frozen = FrozenEstimator(estimator)
        return cls(frozen)._around(frozen)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LastLayer:
        """Fit the network.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Of any shape a row that the network takes.
        y : array-like of shape (n_rows,) or (n_rows, n_targets)
        sample_weight : array-like of shape (n_rows,), default=None
            For networks that take it.

        Returns
        -------
        LastLayer
        """
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        return self._around(clone(self.estimator).fit(X, y, **weight))

    def _around(self, fitted: Any) -> LastLayer:
        """This one, fitted, around a fitted network."""
        transformers, core = split_pipeline(fitted)
        if transformers:
            raise TypeError(
                f"{type(transformers[0]).__name__} stands inside LastLayer; put it in front: "
                f"make_pipeline({type(transformers[0]).__name__}(...), "
                f"LastLayer({type(core).__name__}(...)))."
            )
        adapter_of(core).last_layer(core)
        self.estimator_ = fitted
        return self

    @property
    def classes_(self) -> np.ndarray:
        return self.estimator_.classes_

    @property
    def n_features_in_(self) -> int:
        return self.estimator_.n_features_in_

    @property
    def feature_names_in_(self) -> np.ndarray:
        return self.estimator_.feature_names_in_

    @available_if(estimator_has("predict"))
    def predict(self, X: Any) -> np.ndarray:
        """Predictions of the network.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_targets)
        """
        return self._fitted.predict(X)

    @available_if(estimator_has("predict_proba"))
    def predict_proba(self, X: Any) -> np.ndarray:
        """Class probabilities of the network.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
        """
        return self._fitted.predict_proba(X)

    @available_if(estimator_has("decision_function"))
    def decision_function(self, X: Any) -> np.ndarray:
        """Scores of the network.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_classes)
        """
        return self._fitted.decision_function(X)

    @available_if(estimator_has("score"))
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """How well the network predicts, as it says itself.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
        y : array-like of shape (n_rows,) or (n_rows, n_targets)
        sample_weight : array-like of shape (n_rows,), default=None

        Returns
        -------
        float
        """
        return self._fitted.score(X, y, sample_weight=sample_weight)

    @property
    def _fitted(self) -> Any:
        check_is_fitted(self)
        return self.estimator_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        take_tags(tags, self.estimator)
        return tags
