"""The questions to an explainer on models without some of the training rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..procedure import (
    PROCEDURES,
    Asked,
    Procedure,
    effect_on_losses,
    effect_on_metric,
    refit_without,
    removed_labels,
)
from ..removal import (
    CORRELATIONS,
    ORDERS,
    TRUTHS,
    correlated,
    estimate_and_truth,
    loo_predictions,
    loo_probabilities,
    removal_statistics,
    retrain_without,
    told_effects,
)
from ..results import RemovalStatistics
from ..statistics import Metric, metric_of
from ..utils._frames import frame_of, labelled, library_of
from ..utils._validation import check_choice, check_non_negative, check_positive_int, group_labels
from ._studied import study_of


class RemovalMixin:
    """Retraining, exact and estimated, for :class:`RelatIFExplainer`."""

    if TYPE_CHECKING:  # Of the explainer.
        criterion: str
        n_retrainings: int
        random_state: Any
        _procedure: Procedure | None

    def removal_effect(
        self,
        X: Any,
        y: Any = None,
        groups: Any = None,
        *,
        order: str = "newton",
        tol: float = 1e-3,
        return_bounds: bool = False,
        procedure: str = "model",
        return_parts: bool = False,
    ) -> Any:
        """Change of each query's loss when training rows are removed and the model refitted.

        With ``procedure="model"``, the weights of the rows that stay, the parameters of the penalty
        and the kernel are held: balanced class weights, a penalty that was searched for
        (LogisticRegressionCV), and ``gamma="scale"`` are not computed anew, nor is anything in
        front of the model in a pipeline. A penalty that counts rows, as ``alpha`` times their
        number, counts those that are left (but for SGD with a hinge loss). With
        ``procedure="all"`` all of this is done again, as ``fit`` does it.

        The change is that between two models at their optimum: with "newton" and "retrain", the
        model of all rows is first trained to it, from where its fit has stopped.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_queries, n_features)
        y : array-like of shape (n_queries,) or (n_queries, n_targets), default=None
            The label whose loss is asked for. None: the label that the model predicts.
        groups : array-like of shape (n_rows,), default=None
            A label for each training row: rows of one label are removed together. Rows
            without one (None or NaN) are never removed. None: each row on its own.
        order : {"first", "newton", "auto", "pbrf", "structure", "retrain"}, default="newton"
            "first": the influence, to first order in the weight of the rows; effects of a
            group add up. "newton": the loss after one Newton step of the model without the
            rows. "retrain": the loss of the model retrained without them. "auto": that of the
            Newton step, and of further steps for those removals whose error it cannot be sure of,
            until the bound of each is at most ``tol``; where there are no bounds, "retrain" of all.
            None of these depends on ``curvature`` and ``damping``, which are of the criterion
            only. "newton" solves for
            each removed row by conjugate gradients where a factor of the Hessian is not
            affordable, and "retrain" is refused where memory does not hold one. For SVMs with a
            hinge loss "newton" is one step on the active set (free support vectors stay on
            the margin, every other row keeps its coefficient), "retrain" follows the exact
            solution to the machine without the rows, and "first" does not exist. Both start from
            the exact solution on all rows. What cannot be followed (a NuSVC or NuSVR, a kernel
            that is not positive semi-definite) is fitted again by scikit-learn for "retrain".
            Of networks, "newton" does not exist. "retrain" trains them on in full batches (by
            L-BFGS, in double precision), with all rows to compare with and without some from
            there. "pbrf" is of networks only, and their proximal Bregman response: the minimum
            near the parameters as they are that keeps all predictions but gives up the rows, with
            the ``damping`` of the explainer. Its derivative in the weight of the rows is "first"
            by ``curvature="gauss_newton"``.
            Of models of trees, "newton", "auto" and "pbrf" do not exist. "structure" is of them
            only: which rows share a leaf is held, and leaf values are estimated again from the
            rows that are left, exactly; its derivative in the weight of the rows is "first". A leaf
            that loses all of its rows adds nothing to a boosted model, and in a forest takes the
            mean of the nearest node above it that keeps some. "retrain" grows trees again, in
            ``n_jobs`` processes and with the model's own ``random_state``: boosted models by the
            estimator's own fit on the rows that are left, and of a forest each tree from the rows
            that it has drawn, without those that go.
        tol : float, default=1e-3
            By order="auto", what the error of an effect may be at most, as a share of the largest
            absolute effect that any of the removals has on the query, whatever is not rounding.
        return_bounds : bool, default=False
            Whether to return bounds on the errors of the effects, too. They hold for smooth
            losses (log loss, softmax, squared error and hinge, Huber's loss, deviances in a log
            link), count rounding, and are NaN where there are none: for L1 penalties, machines
            with a hinge, models in closed form, ensembles, networks, and models of trees.
        procedure : {"model", "all"}, default="model"
            What is done again without the rows. "model": only the model at the end is trained.
            "all": everything that ``fit`` does, preprocessing, the search for a penalty in new
            folds, and class weights included. By order="retrain" it is done by the estimator
            itself, in as many jobs as ``n_jobs`` says, and each model is then brought to its
            optimum. By "newton" transformers are fitted again exactly, all penalties of a search
            go to their optima in each fold by Newton steps, and scikit-learn's own fits are asked
            only where scores are too close for the tolerance of the solver. By "first" the
            derivative goes through the transformers, and the penalty stays as it was chosen. Both
            are for linear models with a smooth penalty on dense rows, and for searches over ``C``
            or ``alpha``; where they do not reach, the fit is done again, with a warning. Rows are
            those that were given to ``fit``. The loss of a query is that of the model, which knows
            no thresholds, through the refitted preprocessing.
        return_parts : bool, default=False
            Whether to return which part of the effect comes from where, too. Needs
            ``procedure="all"``.

        Returns
        -------
        effect : ndarray or data frame of shape (n_queries, n_rows) or (n_queries, n_groups)
            Positive: the rows helped. Of queries in a data frame, one of the same library: its
            columns are called by the index labels of the training rows or by the labels of the
            groups, and its rows as the queries are. (Where frames have no index, the first column,
            ``query``, has the positions of the queries.) Otherwise an array, with groups in the
            sorted order of their labels.
        bounds : ndarray or data frame of the same shape
            Only with ``return_bounds=True``: no effect is further than this from that of
            retraining exactly, in the unit of the effects. Infinite where nothing is known, as of
            a model that has no optimum without the rows.
        parts : ProcedureParts
            Only with ``return_parts=True``. Its arrays add up to the effect.

        Raises
        ------
        ValueError
            If an argument is invalid, or a removal leaves no row of a class (but for "first"):
            then there is no model of all classes without the rows. If a model of trees is to be
            grown again, and no ``random_state`` tells what it draws. With ``procedure="all"`` also
            for networks, and where a search chooses a model of another loss.

        Warns
        -----
        UserWarning
            If the rows do not determine the intercept of an SVM, see ``intercept_interval_``; if
            removals through all that ``fit`` does have to be fitted again; if doing everything
            again for all rows, or growing a model of trees again from all rows, does not lead to
            the model that is explained; or if bounds are asked
            for, or order="auto", where there are none.
        ConvergenceWarning
            If bounds exceed ``tol`` by order="auto", after retraining too; if a model to retrain
            has no optimum, because classes are told apart by a direction
            that bears no penalty; if double precision leaves few digits of what an SVM becomes;
            or if networks do not arrive at a minimum.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn_relatif import RelatIFExplainer
        >>> X, y = load_iris(return_X_y=True)
        >>> explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X, y)
        >>> explainer.removal_effect(X[:3], y[:3]).shape
        (3, 150)
        >>> vendors = ["A", "B", None] * 50
        >>> explainer.removal_effect(X[:3], y[:3], groups=vendors).shape
        (3, 2)

        No effect is off by more than a hundredth of the largest one of its query, for sure:

        >>> effect, bounds = explainer.removal_effect(
        ...     X[:3], y[:3], order="auto", tol=0.01, return_bounds=True
        ... )
        >>> bool((bounds <= 0.01 * abs(effect).max(axis=1, keepdims=True)).all())
        True

        A model of trees, with its structure held, and grown again:

        >>> from sklearn.ensemble import GradientBoostingClassifier
        >>> model = GradientBoostingClassifier(n_estimators=10, random_state=0)
        >>> explainer = RelatIFExplainer(model).fit(X, y)
        >>> groups = ["a row"] + [None] * 149
        >>> [
        ...     explainer.removal_effect(X[:3], y[:3], groups, order=order).shape
        ...     for order in ("structure", "retrain")
        ... ]
        [(3, 1), (3, 1)]

        What the choice of the penalty adds, on removing the first ten rows together:

        >>> from sklearn.linear_model import RidgeCV
        >>> from sklearn.datasets import load_diabetes
        >>> X, y = load_diabetes(return_X_y=True)
        >>> explainer = RelatIFExplainer(RidgeCV(alphas=[0.01, 0.1, 1.0])).fit(X, y)
        >>> first_ten = [0] * 10 + [None] * 432
        >>> effect, parts = explainer.removal_effect(
        ...     X[:50], y[:50], first_ten, order="retrain", procedure="all", return_parts=True
        ... )
        >>> bool(abs(parts.model + parts.preprocessing + parts.penalty - effect).max() < 1e-9)
        True
        """
        check_choice("order", order, ORDERS)
        check_choice("procedure", procedure, PROCEDURES)
        check_non_negative("tol", tol)
        study = study_of(self)
        query = study.query(X, y)
        if procedure == "all":
            _refuse_bounds(order, return_bounds)
            asked = Asked(study, self._procedure_of_fit(), X, query)
            effect, parts = effect_on_losses(asked, groups, order, return_parts)
            removed = removed_labels(asked, groups)
            effect = labelled(effect, X, removed, _removed_kind(groups), "removal_effect")
            return (effect, parts) if return_parts else effect
        _refuse_parts(return_parts)
        removed, kind = _removed(study, groups), _removed_kind(groups)
        found = told_effects(study, query, groups, order, tol, return_bounds)
        effect, *bounds = (labelled(part, X, removed, kind, "removal_effect") for part in found)
        return (effect, *bounds) if return_bounds else effect

    def removal_effect_on(
        self,
        metric: str | Callable[[np.ndarray], tuple[float, np.ndarray]] | Metric,
        X: Any,
        y: Any = None,
        groups: Any = None,
        *,
        order: str = "newton",
        tol: float = 1e-3,
        return_bounds: bool = False,
        sensitive: Any = None,
        procedure: str = "model",
        return_parts: bool = False,
    ) -> Any:
        """Change of a metric, or of any number of predictions, on removing training rows.

        By name, there are these; [y = c] is 1 where that is so, and 0 elsewhere:

        ============================ ======================================================
        "accuracy"                   share of right labels
        "average_precision"          ``1/P sum_p`` (share of positives among rows down to p)
        "brier"                      mean of ``sum_c (p_c - [y = c])^2``, half of it for two
                                     classes
        "calibration_error"          ``sum_b |sum_{i in b} (y_i - p_i)| / n`` over ten bins b
                                     of equal width
        "log_loss"                   mean of ``-log p_y``
        "mean_loss"                  mean of the model's own loss
        "mean_prediction"            mean of predictions, or probabilities or scores of the
                                     second of two classes
        "mean_squared_error"         mean of ``(f - y)^2``, in the units of the user
        "precision@k", "recall@k"    positives among the k rows of the highest scores, of k
                                     or of all positives: "recall@100", or "recall@5%" for
                                     a share of the rows
        "r2"                         ``1 - sum (f - y)^2 / sum (y - mean(y))^2``
        "roc_auc"                    share of pairs in which a positive row has the higher
                                     score, ties by half; of several classes the mean of
                                     each against the rest
        "demographic_parity"         largest less smallest share of positive predictions of
                                     the groups in ``sensitive``
        "equal_opportunity"          the same among rows that are positive
        "predictive_equality"        the same among rows that are not
        "soft_demographic_parity",   these three of the mean prediction of each group
        "soft_equal_opportunity",
        "soft_predictive_equality"
        "cohens_d"                   gap of the mean predictions of two groups, in their
                                     pooled standard deviations
        "worst_group"                largest mean loss of a group: log loss, squared error,
                                     or own loss where there are no probabilities
        "worst_group_accuracy"       smallest accuracy of a group
        ============================ ======================================================

        Positive are the rows of the second of two classes. Values are those of
        scikit-learn's functions, ties included.

        Parameters
        ----------
        metric : str, callable or Metric
            A name, or a function that takes the ``decision_function`` of the model on ``X``, of
            shape (n_queries,) or (n_queries, n_classes), and returns the number and its gradient,
            of the same shape; or an object of a class of your own, see
            :class:`~sklearn_relatif.statistics.Metric`.
            An SVC gives the scores of its pairs of classes, as ``decision_function_shape="ovo"``.
            Several models in one give the scores of each, side by side.
            A regressor gives its predictions, those of a transformed target as it was fitted, and
            a generalised linear model the predictor that its link makes means of.
        X : array-like or sparse matrix of shape (n_queries, n_features)
        y : array-like of shape (n_queries,) or (n_queries, n_targets), default=None
            The targets of the rows, for a metric by name that compares with them.
        groups : array-like of shape (n_rows,), default=None
            Labels of rows that are removed together, as in :meth:`removal_effect`.
        order : {"first", "newton", "auto", "pbrf", "structure", "retrain"}, default="newton"
            As in :meth:`removal_effect`. "first" uses the gradient of the number, the others the
            number itself. Where a metric counts, its gradient is that of ramps in the place of
            steps: from 0 at -h to 1 at h, with ``h = 0.39 min(sd, IQR / 1.349) n^(-1/5)`` of the
            scores, or of the margins by which labels are predicted, of the n rows. Calibration
            shares rows out between the middles of neighbouring bins.
        tol : float, default=1e-3
            By order="auto", what the error may be at most, as a share of the largest absolute
            effect of the call.
        return_bounds : bool, default=False
            Whether to return bounds on the errors, too. Metrics by name have them, but for
            "calibration_error", "cohens_d", predictions in the units of the user and labels that
            are told by votes or a threshold; functions have none.
        sensitive : array-like of shape (n_queries,), default=None
            The group of people that each row belongs to, for metrics of groups. None or NaN: of no
            group.
        procedure : {"model", "all"}, default="model"
            What is done again without the rows, as in :meth:`removal_effect`. Metrics of labels
            by a threshold that is tuned are refused.
        return_parts : bool, default=False
            Whether to return which part of the effect comes from where, too. Needs
            ``procedure="all"``.

        Returns
        -------
        effect : ndarray of shape (n_rows,) or (n_groups,), or data frame
            Change of the number, the groups in the sorted order of their labels. Of queries in a
            data frame, one of the same library with the column ``change``, by the index labels of
            the training rows or the labels of the groups: they are its index, or where frames have
            none, the column ``row`` or ``group``.
        bounds : of the same form
            Only with ``return_bounds=True``, as in :meth:`removal_effect`.
        parts : ProcedureParts
            Only with ``return_parts=True``. Its arrays add up to the effect.

        Raises
        ------
        ValueError
            As :meth:`removal_effect`; or if a metric asks for what the model, ``y`` or
            ``sensitive`` does not have.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.datasets import load_breast_cancer
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn_relatif import RelatIFExplainer
        >>> X, y = load_breast_cancer(return_X_y=True)
        >>> X = (X - X.mean(axis=0)) / X.std(axis=0)
        >>> explainer = RelatIFExplainer(LogisticRegression()).fit(X[::2], y[::2])
        >>> explainer.removal_effect_on("roc_auc", X[1::2], y[1::2]).shape
        (285,)
        >>> def mean_score(scores):
        ...     return scores.mean(), np.full_like(scores, 1 / len(scores))
        >>> explainer.removal_effect_on(mean_score, X[1::2]).shape
        (285,)
        """
        check_choice("order", order, ORDERS)
        check_choice("procedure", procedure, PROCEDURES)
        check_non_negative("tol", tol)
        study = study_of(self)
        query = study.query(X, y)
        of_rows = metric_of(metric, study, query, y, sensitive)
        if procedure == "all":
            _refuse_bounds(order, return_bounds)
            asked = Asked(study, self._procedure_of_fit(), X, query)
            effect, parts = effect_on_metric(of_rows, asked, groups, order, return_parts)
            effect = _changes(effect, X, removed_labels(asked, groups), groups)
            return (effect, parts) if return_parts else effect
        _refuse_parts(return_parts)
        removed = _removed(study, groups)
        found = told_effects(study, query, groups, order, tol, return_bounds, of_rows)
        effect, *bounds = (_changes(part, X, removed, groups) for part in found)
        return (effect, *bounds) if return_bounds else effect

    def retrain_without(self, rows: Sequence[Any], *, procedure: str = "model") -> list[Any]:
        """Fitted estimators that training without some of the rows would have given.

        With ``procedure="model"`` preprocessing is held fixed; only the model at the end is trained
        again. As in
        :meth:`removal_effect`, the weights of the rows that stay, the penalty and the kernel are
        what they were for all rows. Linear models are trained to the level of rounding; without
        any rows to do without, that is the model of all rows at its optimum. Kernel SVMs are
        fitted by scikit-learn, to a tolerance of 1e-9. Networks are trained on from where they
        are, in full batches. Boosted models are the estimator's own fits of the rows that are left,
        with as many trees where training has stopped early; of forests each tree is grown again
        from the rows that it has drawn, without those that go.

        Parameters
        ----------
        rows : sequence
            Each item is a row position, not a label of an index, or an array of row positions, to
            train without.
        procedure : {"model", "all"}, default="model"
            What is done again without the rows. "all": everything that ``fit`` does, by the
            estimator itself.

        Returns
        -------
        list of estimators, one an item
            With ``procedure="all"`` they are whole, with their search, as their own ``fit`` has
            left them. With "model", copies of ``estimator_`` (without FrozenEstimator or search
            around it) with other coefficients. A kernel SVM holds the values that its kernel and
            its weights had for all rows: a number as ``gamma``, and no ``class_weight``.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn_relatif import RelatIFExplainer
        >>> X, y = load_iris(return_X_y=True)
        >>> explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X, y)
        >>> without_first, without_two = explainer.retrain_without([0, [70, 77]])
        >>> without_two.predict(X[[70]])
        array([2])
        """
        check_choice("procedure", procedure, PROCEDURES)
        study = study_of(self)
        if procedure == "all":
            return refit_without(study, self._procedure_of_fit(), rows)
        return retrain_without(study, rows)

    def _procedure_of_fit(self) -> Procedure:
        """What this explainer was fitted by.

        Raises
        ------
        ValueError
            If it is not known any more.
        """
        if self._procedure is None:
            raise ValueError(
                "procedure='all' does again what fit did, and this explainer does not have what it "
                "was given any more: explainers are saved, and rid of rows, without. Fit it again, "
                "or rebuild it by RelatIFExplainer.from_fitted."
            )
        return self._procedure

    def removal_statistics(
        self, rows: Sequence[Any], X: Any, y: Any = None, *, truth: str = "retrain"
    ) -> RemovalStatistics:
        """What exact retraining without each of some rows changes, locally and globally.

        Parameters
        ----------
        rows : sequence
            Each item is a row position, not a label of an index, or an array of row positions, to
            train without.
        X : array-like or sparse matrix of shape (n_queries, n_features)
        y : array-like of shape (n_queries,) or (n_queries, n_targets), default=None
            Labels of the queries. None: the labels that the model predicts.
        truth : {"retrain", "pbrf", "structure"}, default="retrain"
            In the place of retraining: "pbrf", a network's proximal Bregman response; "structure",
            a model of trees with their structure held.

        Returns
        -------
        RemovalStatistics
            Its attributes are ``loss_change`` of shape (n_queries, n_removals), and
            ``parameter_change`` and ``training_change`` of shape (n_removals,). The parameters of
            models of trees are the values of their leaves (and where boosting starts): those of
            trees that are grown again do not compare, and their change is NaN.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn_relatif import RelatIFExplainer
        >>> X, y = load_iris(return_X_y=True)
        >>> explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X, y)
        >>> without = explainer.removal_statistics([0, [70, 77]], X[:3])
        >>> without.loss_change.shape, without.parameter_change.shape
        ((3, 2), (2,))
        """
        check_choice("truth", truth, TRUTHS)
        study = study_of(self)
        return removal_statistics(study, rows, study.query(X, y), truth)

    def score(self, X: Any, y: Any = None, *, correlation: str = "pearson") -> float:
        """How faithful the criterion is to retraining.

        The criterion is correlated with what it stands for, over all queries and
        ``n_retrainings`` training rows, each left out and the model retrained exactly. Half of
        the rows are those with the largest criterion on the queries, half are drawn at random.
        Networks are trained on without the row, and trees are grown again, see
        :meth:`removal_effect`; by the proximal Bregman response of a network, or with the structure
        of trees held, :func:`~sklearn_relatif.metrics.retraining_fidelity` measures.

        ================== ==========================================================
        criterion          measured against, for each query and row left out
        ================== ==========================================================
        "influence"        change of the query's loss
        "theta_relative"   that, over the norm of the change of the parameters
        "loss_relative"    that, over the root of the summed squared changes of the
                           losses of the training rows
        ================== ==========================================================

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_queries, n_features)
        y : array-like of shape (n_queries,) or (n_queries, n_targets), default=None
            Labels of the queries. None: the labels that the model predicts.
        correlation : {"pearson", "spearman"}, default="pearson"

            "spearman" compares ranks only, so that a few large effects do not decide.

        Returns
        -------
        float
            Between -1 and 1.

        Raises
        ------
        ValueError
            If the criterion is "theta_relative" and the model is of trees: those that are grown
            again have other parameters, so that there is no change of them.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn_relatif import RelatIFExplainer
        >>> X, y = load_iris(return_X_y=True)
        >>> explainer = RelatIFExplainer(LogisticRegression(max_iter=1000), random_state=0)
        >>> explainer.fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.9
        True
        """
        check_choice("correlation", correlation, tuple(CORRELATIONS))
        # A search passes what it has, also to models that know of no targets.
        y = y if study_of(self).targets.are_known else None
        return correlated(*self.estimate_and_truth(X, y), correlation)

    def estimate_and_truth(
        self, X: Any, y: Any = None, *, order: str | None = None, truth: str = "retrain"
    ) -> tuple[np.ndarray, np.ndarray]:
        """The criterion, and what retraining shows it to be: what :meth:`score` correlates.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_queries, n_features)
        y : array-like of shape (n_queries,) or (n_queries, n_targets), default=None
            Labels of the queries. None: the labels that the model predicts.
        order : {"first", "newton", "structure"}, default=None
            Instead of the criterion, estimate the change of the query's loss by
            :meth:`removal_effect` of this order, for the same rows.
        truth : {"retrain", "pbrf", "structure"}, default="retrain"
            In the place of retraining: "pbrf", a network's proximal Bregman response; "structure",
            a model of trees with their structure held.

        Returns
        -------
        estimate : ndarray of shape (n_queries, n_retrainings)
            The criterion; influence is multiplied by the row's share of the training weight.
        truth : ndarray of shape (n_queries, n_retrainings)
            What it stands for, by exact retraining; see :meth:`score`.
        """
        check_choice("truth", truth, TRUTHS)
        study = study_of(self)
        check_positive_int("n_retrainings", self.n_retrainings)
        return estimate_and_truth(
            study,
            study.query(X, y),
            self.criterion,
            n_retrainings=self.n_retrainings,
            random_state=self.random_state,
            order=order,
            truth=truth,
        )

    def loo_predict(self) -> np.ndarray:
        """What the model trained without each training row predicts for that row.

        One Newton step of each leave-one-out model from the optimum of all rows, all from the
        one factorisation. Of least squares, with or without a ridge penalty, that is what refits
        predict: ``y_i - e_i / (1 - h_i)``, with the error ``e_i`` and the leverage ``h_i`` (Allen
        1974). Compared with the targets, the predictions are as honest as those of n-fold
        cross-validation. Of models of trees, leaves are filled again without the row while their
        structure, in which it has had its part, is held: that flatters them, if less than
        predictions of rows that were trained on.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_targets)
            Labels or numbers, as ``predict`` returns them.

        Raises
        ------
        ValueError
            If there are no such predictions, as of a network, or of a boosted model of so many rows
            and trees that to have one for each row takes hours.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.linear_model import Ridge
        >>> from sklearn.metrics import r2_score
        >>> from sklearn_relatif import RelatIFExplainer
        >>> X, y = load_diabetes(return_X_y=True)
        >>> explainer = RelatIFExplainer(Ridge(alpha=0.1)).fit(X, y)
        >>> print(f"{r2_score(y, explainer.predict(X)):.3f}")
        0.513
        >>> print(f"{r2_score(y, explainer.loo_predict()):.3f}")
        0.493
        """
        return loo_predictions(study_of(self))

    def loo_proba(self) -> np.ndarray:
        """Class probabilities of each training row under the model trained without it.

        One Newton step of each leave-one-out model from the optimum of all rows, all from the
        one factorisation. The predictions are as honest as those of n-fold cross-validation.

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
            The classes in the order of ``classes_``.

        Raises
        ------
        AttributeError
            If the model has no probabilities.
        ValueError
            If there is no such step, as of a network.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn_relatif import RelatIFExplainer
        >>> X, y = load_iris(return_X_y=True)
        >>> explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X, y)
        >>> explainer.loo_proba().shape
        (150, 3)
        """
        return loo_probabilities(study_of(self))


def _refuse_bounds(order: str, return_bounds: bool) -> None:
    if return_bounds or order == "auto":
        raise ValueError(
            "There are no bounds on the errors of effects through everything that fit does: "
            "return_bounds=True and order='auto' need procedure='model'."
        )


def _refuse_parts(return_parts: bool) -> None:
    if return_parts:
        raise ValueError(
            "return_parts=True tells apart what training, preprocessing and the choice of "
            "parameters do, which needs procedure='all'; with procedure='model' all but the "
            "training is held."
        )


def _removed(study: Any, groups: Any) -> np.ndarray:
    """The labels of what is removed, in the order of removals."""
    index: np.ndarray = study.training_rows.index
    return index if groups is None else group_labels(groups, len(index))[0]


def _removed_kind(groups: Any) -> str:
    """What these are labels of."""
    return "row" if groups is None else "group"


def _changes(effect: np.ndarray, X: Any, removed: np.ndarray, groups: Any) -> Any:
    """Effects on a metric as a data frame of the library of the queries; of arrays, as they are."""
    library = library_of(X)
    if library is None:
        return effect
    kind = _removed_kind(groups)
    return frame_of({"change": effect}, library, "removal_effect_on", removed, kind)
