"""What comes with the rows to ``fit``, and whom it reaches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.frozen import FrozenEstimator
from sklearn.utils.metadata_routing import process_routing

from ..utils._index import row_index
from ..utils._validation import check_sample_weight, place_sample_weight


def handed_on(
    explainer: Any, prefix: str, sample_weight: Any, fit_params: Mapping[str, Any], X: Any
) -> tuple[Mapping[str, Any], np.ndarray | None]:
    """Arguments for ``fit`` of the estimator of an explainer, and the weights of the rows.

    Parameters
    ----------
    explainer : RelatIFExplainer
    prefix : str
        The path of the model in its estimator ("logisticregression__").
    sample_weight : array-like of shape (n_rows,), float or None
    fit_params : mapping
        As ``fit`` of the explainer was given them.
    X : array-like of shape (n_rows, n_features)

    Raises
    ------
    TypeError
        If metadata are routed, and nothing in the estimator takes some of these.
    sklearn.exceptions.UnsetMetadataPassedError
        If something takes them, and does not say whether it wants them.
    """
    is_routed = get_config()["enable_metadata_routing"]
    # A frozen model is not fitted: its weights are those that it is said to have been fitted with.
    if not is_routed or isinstance(explainer.estimator, FrozenEstimator):
        return place_sample_weight(prefix, sample_weight, fit_params, X)
    weight = None
    if sample_weight is not None:
        weight = check_sample_weight(sample_weight, len(row_index(X)))
        fit_params = {**fit_params, "sample_weight": weight}
    return process_routing(explainer, "fit", **fit_params).estimator.fit, weight
