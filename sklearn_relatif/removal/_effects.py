"""What removing training rows does: the methods of the explainer that answer to retraining."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse, stats
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..adapters import ClassTargets, RealTargets, adapter_of, rebuild
from ..curvature import CholeskyCurvature
from ..jacobians import Gradients
from ..losses import of_models
from ..results import FlipSet, RemovalStatistics, ratio_or_zero
from ..search import contract, products
from ..utils._progress import show_progress
from ..utils._validation import (
    check_choice,
    check_positive_int,
    check_removals,
    group_labels,
)
from ._base import Remover
from ._flip import find_flip_set
from ._remover import remover_of
from ._retraining import loo_predictor

ORDERS = ("first", "newton", "retrain")
CORRELATIONS = {"pearson": stats.pearsonr, "spearman": stats.spearmanr}


class RemovalMixin:
    """Retraining, exact and estimated, for :class:`RelatIFExplainer`."""

    if TYPE_CHECKING:  # Of the explainer.
        criterion: str
        curvature: str
        damping: float
        n_retrainings: int
        n_jobs: int | None
        random_state: Any
        verbose: bool
        classes_: np.ndarray
        estimator_: Any
        _model: Any
        _targets: ClassTargets | RealTargets
        _objective: Any
        _curvature: Any
        _training_data: tuple[Any, np.ndarray, np.ndarray | None]
        _found_remover: Remover | None
        _query: Any
        _coordinates: Any
        _row_factors: Any

    def removal_effect(
        self, X: Any, y: Any = None, groups: Any = None, *, order: str = "newton"
    ) -> np.ndarray:
        """Change of each query's loss when training rows are removed and the model refitted.

        The weights of the rows that stay, the penalty and the kernel are held as they are:
        balanced class weights, a penalty that counts rows (SGD) or one that was searched for
        (LogisticRegressionCV), and ``gamma="scale"`` are not computed anew. The change is that
        between two models at their optimum: with "newton" and "retrain", the model of all rows
        is first trained to it, from where its fit has stopped.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_queries, n_features)
        y : array-like of shape (n_queries,), default=None
            The label whose loss is asked for. None: the label that the model predicts.
        groups : array-like of shape (n_rows,), default=None
            A label for each training row: rows of one label are removed together. Rows
            without one (None or NaN) are never removed. None: each row on its own.
        order : {"first", "newton", "retrain"}, default="newton"
            "first": the influence, to first order in the weight of the rows; effects of a
            group add up. "newton": the loss after one Newton step of the model without the
            rows. "retrain": the loss of the model retrained without them. Neither depends on
            ``curvature`` and ``damping``, which are of the criterion only. "newton" solves for
            each removed row by conjugate gradients where a factor of the Hessian is not
            affordable, and "retrain" is refused where memory does not hold one. For SVMs with a
            hinge loss "newton" is one step on the active set (free support vectors stay on
            the margin, every other row keeps its coefficient), "retrain" follows the exact
            solution to the machine without the rows, and "first" does not exist. Both start from
            the exact solution on all rows. What cannot be followed (a NuSVC, a kernel that is
            not positive semi-definite) is fitted again by scikit-learn for "retrain".

        Returns
        -------
        ndarray of shape (n_queries, n_rows) or (n_queries, n_groups)
            Groups in the sorted order of their labels. Positive: the rows helped.

        Raises
        ------
        ValueError
            If an argument is invalid, or a removal leaves no row of a class ("newton" and
            "retrain"): then there is no model of all classes without the rows.

        Warns
        -----
        UserWarning
            If the rows do not determine the intercept of an SVM, see ``intercept_interval_``.
        ConvergenceWarning
            If a model to retrain has no optimum, because classes are told apart by a direction
            that bears no penalty; or if double precision leaves few digits of what an SVM becomes.

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
        """
        check_is_fitted(self)
        check_choice("order", order, ORDERS)
        query = self._query(X, y)
        loss = self._objective.loss
        if order == "first":
            residual = loss.residual(query.y, self._objective.predictor(query.jacobian))
            return self._first_order(query.jacobian, residual, groups)
        removals, query = self._removals(groups), self._remover().at_optimum(query)
        effect = np.zeros((query.n_rows, len(removals)))
        for models in self._models_without(removals, order):
            before = loss.value(query.y, models.predictor_before(query))
            after = of_models(loss.value, query.y, models.predictors(query))
            effect[:, models.positions] = after - before[:, None]
        return effect

    def removal_effect_on(
        self,
        function: Callable[[np.ndarray], tuple[float, np.ndarray]],
        X: Any,
        groups: Any = None,
        *,
        order: str = "newton",
    ) -> np.ndarray:
        """Change of any number that depends on predictions, on removing training rows.

        For instance the mean loss of a test set, or the gap between the mean scores of two
        groups of people.

        Parameters
        ----------
        function : callable
            Takes the ``decision_function`` of the model on ``X``, of shape (n_queries,) or
            (n_queries, n_classes), and returns the number and its gradient, of the same shape.
            An SVC gives the scores of its pairs of classes, as ``decision_function_shape="ovo"``.
        X : array-like or sparse matrix of shape (n_queries, n_features)
        groups : array-like of shape (n_rows,), default=None
            Labels of rows that are removed together, as in :meth:`removal_effect`.
        order : {"first", "newton", "retrain"}, default="newton"
            As in :meth:`removal_effect`; "first" uses the gradient of the number, the others the
            number itself.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_groups,)
            Change of the number, the groups in the sorted order of their labels.

        Raises
        ------
        ValueError
            As :meth:`removal_effect`.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.datasets import load_breast_cancer
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn_relatif import RelatIFExplainer
        >>> X, y = load_breast_cancer(return_X_y=True)
        >>> X = (X - X.mean(axis=0)) / X.std(axis=0)
        >>> explainer = RelatIFExplainer(LogisticRegression()).fit(X, y)
        >>> def mean_score(scores):
        ...     return scores.mean(), np.full_like(scores, 1 / len(scores))
        >>> explainer.removal_effect_on(mean_score, X[:50]).shape
        (569,)
        """
        check_is_fitted(self)
        check_choice("order", order, ORDERS)
        query = self._query(X, None)
        loss = self._objective.loss
        if order == "first":
            _, gradient = function(loss.scores(self._objective.predictor(query.jacobian)))
            return self._first_order(query.jacobian, loss.from_scores(gradient), groups, total=True)
        removals, query = self._removals(groups), self._remover().at_optimum(query)
        effect = np.zeros(len(removals))
        for models in self._models_without(removals, order):
            before, _ = function(loss.scores(models.predictor_before(query)))
            after = models.predictors(query).swapaxes(0, 1)
            for index, predictor in zip(models.positions, after, strict=True):
                effect[index] = function(loss.scores(predictor))[0] - before
        return effect

    def retrain_without(self, rows: Sequence[Any]) -> list[Any]:
        """Fitted estimators that training without some of the rows would have given.

        Preprocessing is held fixed; only the model at the end is trained again. As in
        :meth:`removal_effect`, the weights of the rows that stay, the penalty and the kernel are
        what they were for all rows. Linear models are trained to the level of rounding; without
        any rows to do without, that is the model of all rows at its optimum. SVC and NuSVC are
        fitted by scikit-learn, to a tolerance of 1e-9.

        Parameters
        ----------
        rows : sequence
            Each item is a row position, not a label of an index, or an array of row positions, to
            train without.

        Returns
        -------
        list of estimators, one an item
            Copies of ``estimator_`` (without FrozenEstimator or search around it) with other
            coefficients. An SVC or NuSVC holds the values that its kernel and its weights had
            for all rows: a number as ``gamma``, and no ``class_weight``.

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
        check_is_fitted(self)
        removals = check_removals(rows, self._objective.n_rows)
        self._check_classes_stay(removals)
        if self._objective.has_tables:
            models, restore = [None] * len(removals), adapter_of(self._model).restore
            for batch in self._models(removals, "retrain"):
                for index, table in zip(batch.positions, batch.tables(), strict=True):
                    models[index] = restore(self._model, table)
        else:
            models = self._refit(removals)
        return [rebuild(self.estimator_, model) for model in models]

    def removal_statistics(self, rows: Sequence[Any], X: Any, y: Any = None) -> RemovalStatistics:
        """What exact retraining without each of some rows changes, locally and globally.

        Parameters
        ----------
        rows : sequence
            Each item is a row position, not a label of an index, or an array of row positions, to
            train without.
        X : array-like or sparse matrix of shape (n_queries, n_features)
        y : array-like of shape (n_queries,), default=None
            Labels of the queries. None: the labels that the model predicts.

        Returns
        -------
        RemovalStatistics
            Its attributes are ``loss_change`` of shape (n_queries, n_removals), and
            ``parameter_change`` and ``training_change`` of shape (n_removals,).

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
        check_is_fitted(self)
        removals = check_removals(rows, self._objective.n_rows)
        query = self._query(X, y)
        return self._statistics(removals, query)

    def score(self, X: Any, y: Any = None, *, correlation: str = "pearson") -> float:
        """How faithful the criterion is to retraining.

        The criterion is correlated with what it stands for, over all queries and
        ``n_retrainings`` training rows, each left out and the model retrained exactly. Half of
        the rows are those with the largest criterion on the queries, half are drawn at random.

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
        y : array-like of shape (n_queries,), default=None
            Labels of the queries. None: the labels that the model predicts.
        correlation : {"pearson", "spearman"}, default="pearson"

            "spearman" compares ranks only, so that a few large effects do not decide.

        Returns
        -------
        float
            Between -1 and 1.

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
        estimate, truth = self.estimate_and_truth(X, y)
        measured = CORRELATIONS[correlation](estimate.ravel(), truth.ravel())
        return float(measured.statistic)

    def estimate_and_truth(
        self, X: Any, y: Any = None, *, order: str | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The criterion, and what retraining shows it to be: what :meth:`score` correlates.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_queries, n_features)
        y : array-like of shape (n_queries,), default=None
            Labels of the queries. None: the labels that the model predicts.
        order : {"first", "newton"}, default=None
            Instead of the criterion, estimate the change of the query's loss by
            :meth:`removal_effect` of this order, for the same rows.

        Returns
        -------
        estimate : ndarray of shape (n_queries, n_retrainings)
            The criterion; influence is multiplied by the row's share of the training weight.
        truth : ndarray of shape (n_queries, n_retrainings)
            What it stands for, by exact retraining; see :meth:`score`.
        """
        check_is_fitted(self)
        check_positive_int("n_retrainings", self.n_retrainings)
        query = self._query(X, y)
        queries = self._objective.query_rows(query.jacobian, query.y)
        factors = self._row_factors(self.criterion)
        if self.criterion == "influence":
            factors = factors * self._objective.sample_weight / self._objective.total_weight
        rows = self._rows_to_retrain(self._strength(queries, factors))
        if order is not None:
            groups = np.full(self._objective.n_rows, None)
            groups[rows] = np.arange(len(rows))
            estimate = self.removal_effect(X, y, groups, order=order)
            return estimate, self.removal_effect(X, y, groups, order="retrain")
        estimate = self._scores_of_rows(queries, factors, rows)
        truth = self._statistics(list(rows[:, None]), query)
        change = truth.loss_change
        if self.criterion == "theta_relative":
            change = ratio_or_zero(change, truth.parameter_change)
        elif self.criterion == "loss_relative":
            change = ratio_or_zero(change, truth.training_change)
        return estimate, change

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
        check_is_fitted(self)
        loss = self._objective.loss
        if not loss.has_probabilities:
            raise AttributeError(
                f"{type(self._model).__name__} has no probabilities, so there are no "
                "leave-one-out probabilities."
            )
        return loss.probabilities(loo_predictor(*self._newton()))

    def flip_set(self, X: Any, *, max_size: int = 50) -> FlipSet:
        """Find training rows without which the model would predict another label for a row.

        Rows are chosen greedily, by the Newton step of the model without all rows chosen so far
        (machines with a hinge loss: by removal along the path of their solution, exact up to
        1,000 training rows, one step on the active set above; a NuSVC is fitted again). That the
        set flips the label is verified by :meth:`retrain_without`, and rows of which it has no
        need are put back.
        The set is as small as was found: no row of it can stay, but a smaller set of other rows
        may exist.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (1, n_features)
            The row whose prediction is to flip.
        max_size : int, default=50
            Largest set to look for.

        Returns
        -------
        FlipSet
            ``rows`` by their index labels, ``positions``, ``size``, ``label``, ``new_label`` and
            the probability of the label before and after, predicted and verified. Without any rows
            if none were found; printed, it says which.

        Raises
        ------
        TypeError
            If the model is no classifier.
        ValueError
            If there is not exactly one row, or the model is a NuSVC.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn_relatif import RelatIFExplainer
        >>> X, y = load_iris(return_X_y=True)
        >>> explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X, y)
        >>> print(explainer.flip_set(X[[77]]))
        Without 2 training rows (133, 126) the model predicts 1 in place of 2, whose probability
        falls from 0.518 to 0.489.
        """
        check_is_fitted(self)
        return find_flip_set(self, X, max_size)

    # --- how it is done --------------------------------------------------------------------

    def _remover(self) -> Remover:
        """What leads to the models without some rows, found when first needed.

        It starts from the optimum, whatever curvature and damping the criterion uses, and may have
        other columns than the explainer's objective, where an L1 penalty has others active.
        """
        if self._found_remover is None:
            objective, own = self._objective, None
            if objective.removal_kind == "smooth":
                objective, own = self._coordinates()
                is_hessian = self.curvature == "hessian" and self.damping == 0
                own = own if is_hessian and isinstance(own, CholeskyCurvature) else None
                if objective.dtype != np.float64:  # In which a small difference would be rounding.
                    objective, own = objective.astype(np.float64), None
            self._found_remover = remover_of(objective, own, self.n_jobs)
        return self._found_remover

    def _newton(self) -> tuple[Any, Any]:
        """The objective at its optimum, and its Hessian there."""
        remover: Any = self._remover()
        return remover.objective, remover.curvature

    def _removals(self, groups: Any) -> list[np.ndarray]:
        n_rows = self._objective.n_rows
        if groups is None:
            return list(np.arange(n_rows)[:, None])
        _, member = group_labels(groups, n_rows)
        order = np.argsort(member, kind="stable")
        order = order[np.searchsorted(member[order], 0) :]
        return np.split(order, np.cumsum(np.bincount(member[order]))[:-1])

    def _check_classes_stay(self, removals: Sequence[np.ndarray]) -> None:
        """Refuse removals after which the model has no row of a class (of a weight above 0)."""
        if not self._targets.has_classes:
            return
        y, counts = self._objective.y, self._objective.sample_weight > 0
        n_rows = np.bincount(y[counts], minlength=len(self.classes_))
        for rows in removals:
            lost = n_rows == np.bincount(y[rows[counts[rows]]], minlength=len(self.classes_))
            if lost.any():
                raise ValueError(
                    f"Without the rows {reprlib.repr(rows.tolist())} there is no row of the "
                    f"classes {self.classes_[lost].tolist()} to train with. Leave some of them "
                    "in; in groups, None stands for rows that are never removed."
                )

    def _first_order(
        self, jacobian: Any, residual: np.ndarray, groups: Any, total: bool = False
    ) -> np.ndarray:
        """Influence, weighted by the rows' shares, of the gradients ``residual ⊗ x~``."""
        if not self._objective.is_smooth:
            raise ValueError(
                "order='first' needs a loss with curvature, which the hinge has not; use "
                "order='newton' (one step on the active set) or order='retrain' (exact)."
            )
        objective = self._objective
        queries = Gradients(jacobian, residual, np.ones(len(residual)))
        share = objective.rows.norm * objective.sample_weight / objective.total_weight
        if total:
            gradient = jacobian.adjoint(residual[:, None]).astype(objective.dtype)
            solved = self._curvature.solve(gradient)
            passes = contract(solved, objective.rows)
            blocks: Iterator[Any] = ((slice(0, 1), rows, block) for rows, block in passes)
        else:
            blocks = products(queries, objective.rows, self._curvature)
        member = None if groups is None else group_labels(groups, objective.n_rows)[1]
        n_effects = objective.n_rows if member is None else member.max() + 1
        effect = np.zeros((1 if total else jacobian.n_rows, n_effects))
        for asked, rows, product in blocks:
            product = product * share[rows]
            if member is None:
                effect[asked, rows] = product
            else:
                assigned = np.flatnonzero(member[rows] >= 0)
                indicator = (np.ones(len(assigned)), (assigned, member[rows][assigned]))
                shape = (product.shape[1], n_effects)
                effect[asked] += product @ sparse.csr_array(indicator, shape=shape)
        return effect[0] if total else effect

    def _models_without(self, removals: Sequence[np.ndarray], order: str) -> Iterator[Any]:
        """Models without each group of rows that counts, in batches (see _models.py).

        Rows of weight 0 change nothing by being removed.
        """
        self._check_classes_stay(removals)
        counts = self._objective.sample_weight > 0
        some = np.array([i for i, rows in enumerate(removals) if counts[rows].any()], np.intp)
        for batch in self._models([removals[index] for index in some], order):
            yield replace(batch, positions=some[batch.positions])

    def _models(self, removals: Sequence[np.ndarray], order: str) -> Iterator[Any]:
        done = 0
        for batch in self._remover().models_without(removals, order):
            yield batch
            done += len(batch.positions)
            show_progress("models without rows", done, len(removals), self.verbose)

    def _refit(self, removals: Sequence[np.ndarray]) -> list[Any]:
        """The estimator's own fits without each group of rows."""
        model, objective = self._model, self._objective
        refit = adapter_of(model).refit
        return refit(model, objective, *self._training_data, removals, self.n_jobs)

    def _statistics(self, removals: Sequence[np.ndarray], query: Any) -> RemovalStatistics:
        loss, query = self._objective.loss, self._remover().at_optimum(query)
        change = np.zeros((query.n_rows, len(removals)))
        parameter, training = np.zeros(len(removals)), np.zeros(len(removals))
        for models in self._models_without(removals, "retrain"):
            before = loss.query_value(query.y, models.predictor_before(query))
            after = of_models(loss.query_value, query.y, models.predictors(query))
            change[:, models.positions] = after - before[:, None]
            parameter[models.positions] = models.parameter_change()
            training[models.positions] = models.training_change()
        return RemovalStatistics(change, parameter, training)

    def _rows_to_retrain(self, strength: np.ndarray) -> np.ndarray:
        """Half the rows of largest strength, half at random, of those that can be left out."""
        counted = np.flatnonzero(self._objective.sample_weight)
        if self._targets.has_classes:
            y = self._objective.y[counted]
            counted = counted[np.bincount(y)[y] > 1]
        n_rows = min(self.n_retrainings, len(counted))
        strongest = counted[np.argsort(-strength[counted], kind="stable")[: n_rows - n_rows // 2]]
        others = np.setdiff1d(counted, strongest)
        random_state = check_random_state(self.random_state)
        drawn = random_state.choice(others, n_rows // 2, replace=False)
        return np.concatenate([strongest, drawn])

    def _strength(self, queries: Any, factors: np.ndarray) -> np.ndarray:
        """Sum over the queries of the absolute criterion of each row."""
        strength = np.zeros(len(factors))
        for asked, rows, block in products(queries, self._objective.rows, self._curvature):
            strength[rows] += queries.norm[asked] @ np.abs(block)
        return strength * np.abs(factors)

    def _scores_of_rows(self, queries: Any, factors: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Criterion of chosen rows on the queries, shape (n_queries, n_chosen)."""
        scores = np.empty((queries.n_rows, len(chosen)))
        for asked, rows, block in products(queries, self._objective.rows, self._curvature):
            here = np.flatnonzero((chosen >= rows.start) & (chosen < rows.stop))
            scores[asked, here] = block[:, chosen[here] - rows.start]
        return scores * factors[chosen] * queries.norm[:, None]
