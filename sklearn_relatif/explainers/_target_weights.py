"""Predictions of models of trees as weighted sums of training targets."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .._study import Study
from ..search import out_of_bag_target_weights
from ..utils._frames import labelled
from ._studied import study_of


class TargetWeightsMixin:
    """What each training target weighs in predictions, for :class:`RelatIFExplainer`."""

    def target_weights(self, X: Any = None, *, out_of_bag: bool = False) -> Any:
        """Weights of the training targets, of which predictions of trees are the sums.

        The prediction of a forest is a mean of the targets of the rows that share leaves with the
        query, and nothing else. With ``c_it`` what row i weighs in tree t (how often it was drawn,
        times sample and class weights), and T trees ::

            prediction(q) = sum_i K_qi y_i,
            K_qi = 1/T  sum_t  [same leaf of t] c_it / sum_j [same leaf of t] c_jt

        as in [1]_. Of classifiers ``y_i`` is 1 for the class of the row and 0 for the others: the
        weights of the rows of a class add up to its probability. Of several targets or labels the
        weights are the same for all. A model that was boosted by squared error is such a sum too,
        whose weights may be negative, as its trees pass on what those before them have left [2]_.

        This is exact, and no derivative: what the targets would have to be multiplied with, given
        the structure of the trees. Which rows made that structure, the weights do not tell. They
        are there for fully grown trees too, whose influences are all zero.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_queries, n_features), default=None
            Rows whose predictions are told. None: the training rows.
        out_of_bag : bool, default=False
            Whether each training row is told by the trees that have not drawn it, as
            ``oob_prediction_`` and ``oob_decision_function_`` of scikit-learn are. X is None then,
            or the training rows.

        Returns
        -------
        ndarray or data frame of shape (n_queries, n_rows)
            The weights of each query sum to 1. (Where boosting starts from a number that no row has
            a part in, as with ``init="zero"``, that number has what is missing to 1.) Of queries in
            a data frame, one of the same library, with the index labels of queries and training
            rows. It takes ``8 n_queries n_rows`` bytes, with mostly zeros in it if leaves are
            small: of many queries ask for some at a time. What is needed besides is bounded by
            ``working_memory`` of scikit-learn's configuration.

        Raises
        ------
        TypeError
            If the model is not of such a kind.
        ValueError
            If `out_of_bag` is asked of a model that has drawn no rows, or of other rows than its
            own; or if options have thresholded or clipped values of leaves, so that predictions
            are no such sums.

        Warns
        -----
        UserWarning
            If rows were drawn by all trees. Out of the bag, their weights are NaN.

        References
        ----------
        .. [1] N. Meinshausen, "Quantile Regression Forests", JMLR 7 (2006), section 2.
        .. [2] P. Geertsema, H. Lu, "Instance-based Explanations for Gradient Boosting Machine
           Predictions with AXIL Weights", arXiv 2301.01864 (2023).

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.ensemble import RandomForestRegressor
        >>> from sklearn_relatif import RelatIFExplainer
        >>> X, y = load_diabetes(return_X_y=True)
        >>> forest = RandomForestRegressor(min_samples_leaf=5, random_state=0)
        >>> explainer = RelatIFExplainer(forest).fit(X[:400], y[:400])
        >>> weights = explainer.target_weights(X[400:])
        >>> bool(abs(weights @ y[:400] - explainer.predict(X[400:])).max() < 1e-9)
        True
        >>> weights.sum(axis=1).round(6)[:3]
        array([1., 1., 1.])
        """
        study = study_of(self)
        _check_has_target_weights(study)
        weights = _out_of_bag(study, X) if out_of_bag else study.target_weights(X)
        return labelled(weights, X, study.training_rows.index, "row", "target_weights")


def _check_has_target_weights(study: Study) -> None:
    obstacle = study.objective.target_weights_obstacle
    if obstacle is not None:
        raise TypeError(f"{type(study.model).__name__} has no target_weights: {obstacle}.")


def _out_of_bag(study: Study, X: Any) -> np.ndarray:
    """The weights of the training rows by the trees that have not drawn them."""
    objective = study.objective
    if not objective.has_out_of_bag:
        raise ValueError(
            f"This {type(study.model).__name__} has drawn no rows, so that none is out of the bag. "
            "Fit a random forest with bootstrap=True, or ask with out_of_bag=False."
        )
    if X is not None:
        own, given = objective.training_leaves, study.query(X).jacobian.leaves
        if not np.array_equal(own.positions, given.positions):
            raise ValueError(
                "Only training rows are out of the bag, and X has others, or in another order. "
                "Leave X out, or ask with out_of_bag=False."
            )
    weights = out_of_bag_target_weights(objective)
    n_drawn = int(np.isnan(weights[:, 0]).sum())
    if n_drawn:
        warnings.warn(
            f"{n_drawn} of the rows were drawn by all trees, so that none of these tells their "
            "prediction out of the bag: their weights are NaN. More trees leave fewer such rows.",
            UserWarning,
            stacklevel=3,
        )
    return weights
