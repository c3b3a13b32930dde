"""The wrapped estimator in its place: an explainer predicts as it does, and is tagged like it.

Metadata are for the estimator too: an explainer only hands them on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.metadata_routing import UNUSED, MetadataRouter, MethodMapping
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..adapters import find_adapter, innermost_path
from ..utils._delegation import estimator_has, take_tags
from ._studied import study_of


class WrappedEstimatorMixin:
    """Predictions, features and tags of :class:`RelatIFExplainer`, which are its estimator's."""

    # So that there is no set_fit_request: the estimator requests weights, not the explainer.
    __metadata_request__fit = {"sample_weight": UNUSED}

    if TYPE_CHECKING:  # Of the explainer.
        estimator: Any
        estimator_: Any

    @property
    def classes_(self) -> np.ndarray:
        return study_of(self).model.classes_

    @property
    def offset_(self) -> float:
        return study_of(self).model.offset_

    @property
    def n_features_in_(self) -> int:
        return self.estimator_.n_features_in_

    @property
    def feature_names_in_(self) -> np.ndarray:
        return self.estimator_.feature_names_in_

    @available_if(estimator_has("predict"))
    def predict(self, X: Any) -> np.ndarray:
        """Predictions of the wrapped estimator.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        check_is_fitted(self)
        return self.estimator_.predict(X)

    @available_if(estimator_has("predict_proba"))
    def predict_proba(self, X: Any) -> np.ndarray:
        """Class probabilities of the wrapped estimator.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
        """
        check_is_fitted(self)
        return self.estimator_.predict_proba(X)

    @available_if(estimator_has("decision_function"))
    def decision_function(self, X: Any) -> np.ndarray:
        """Decision function of the wrapped estimator.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_classes)
        """
        check_is_fitted(self)
        return self.estimator_.decision_function(X)

    @available_if(estimator_has("score_samples"))
    def score_samples(self, X: Any) -> np.ndarray:
        """Scores of rows by the wrapped estimator, higher for those that are more normal.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        check_is_fitted(self)
        return self.estimator_.score_samples(X)

    def get_metadata_routing(self) -> MetadataRouter:
        """Whom metadata reach: whatever in the wrapped estimator has requested them.

        Returns
        -------
        MetadataRouter
            Of ``fit`` to that of the estimator. ``score`` takes a ``correlation`` itself.

        Examples
        --------
        >>> from sklearn import config_context
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn.model_selection import GridSearchCV
        >>> from sklearn_relatif import RelatIFExplainer
        >>> X, y = load_iris(return_X_y=True)
        >>> weight = [1.0, 2.0, 3.0] * 50
        >>> with config_context(enable_metadata_routing=True):
        ...     model = LogisticRegression(max_iter=1000).set_fit_request(sample_weight=True)
        ...     explainer = RelatIFExplainer(model, n_retrainings=10, random_state=0)
        ...     search = GridSearchCV(explainer, {"damping": [0.0, 1.0]}, cv=2)
        ...     search = search.fit(X, y, sample_weight=weight)
        >>> search.best_params_
        {'damping': 0.0}
        """
        # As a step of a pipeline it is fitted by fit_transform.
        mapping = MethodMapping().add(caller="fit", callee="fit")
        mapping.add(caller="fit_transform", callee="fit")
        router = MetadataRouter(owner=type(self).__name__).add_self_request(self)
        return router.add(estimator=self.estimator, method_mapping=mapping)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]  # that of BaseEstimator
        take_tags(tags, self.estimator)
        # Whatever else the estimator could be fitted to, each row has what can be explained of it.
        adapter = find_adapter(innermost_path(self.estimator)[1])
        has_several = adapter is not None and adapter.has_several_targets
        tags.target_tags.multi_output &= has_several
        if tags.classifier_tags is not None:
            tags.classifier_tags.multi_label &= has_several
            tags.classifier_tags.multi_class &= adapter is None or adapter.has_several_classes
        if not hasattr(self, "transform"):
            tags.transformer_tags = None
        return tags
