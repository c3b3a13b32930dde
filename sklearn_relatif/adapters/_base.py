"""The adapter: from a fitted estimator to its objective and back, and what else is told of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import has_fit_parameter

from ..trees import Leaves
from ..utils._validation import check_sample_weight
from ._targets import ClassTargets, RealTargets, Targets
from ._wrappers import model_rows


class KeptData(NamedTuple):
    """A fitted model that keeps its own training rows, as an estimator and these.

    Attributes
    ----------
    estimator : fitted estimator
        That stands for the model.
    X : ndarray or data frame of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,)
    sample_weight : ndarray of shape (n_rows,) or None
    """

    estimator: Any
    X: Any
    y: np.ndarray
    sample_weight: np.ndarray | None


class OutputLayer(NamedTuple):
    """The last layer of a network, which is a linear model of what it takes.

    Attributes
    ----------
    features : callable
        From rows as the network takes them to what this layer takes, (n, n_features). It goes
        wherever an objective goes, into files too: a method of what can be pickled.
    positions : ndarray of int, shape (n_units, n_features) or (n_units, n_features + 1)
        Where its parameters are among those of the network: a row a unit, its intercept last if
        it has one.
    has_intercept : bool
    """

    features: Callable[[Any], Any]
    positions: np.ndarray
    has_intercept: bool


class Adapter:
    """What the package knows of a family of estimators, which :func:`register` puts to use.

    An adapter holds nothing: what it tells, it tells of the estimator that it is given, without
    any wrapper. A subclass gives :meth:`reduce`, and :meth:`parameters` and :meth:`restore` where
    its objectives have tables of parameters (linear models have both from :class:`LinearAdapter`).
    All else has a default.

    Attributes
    ----------
    embedding_obstacle : str or None, default=None
        Why the gradients of rows cannot be written down as vectors, and the way out. None if they
        can.
    has_several_classes : bool, default=True
        Whether classifiers of more than two classes can be reduced.
    has_several_targets : bool, default=False
        Whether models that were fitted to several targets at once can be reduced. Otherwise y must
        be one column.
    keeps_rows : bool, default=False
        Whether a fitted model keeps all rows of its fit, also after a :meth:`refit` without some.
    takes_arrays : bool, default=False
        Whether rows may be an array of another library than NumPy, perhaps on a device.
    how_to_fit_closer : str
        How a model is brought closer to its optimum, for warnings: "set this and that".
    """

    embedding_obstacle: str | None = None
    has_several_classes = True
    takes_arrays = False
    keeps_rows = False
    has_several_targets = False
    how_to_fit_closer = (
        "a smaller tol, a larger max_iter, standardised features, or a stronger penalty"
    )

    # --- from an estimator to its objective and back ---------------------------------------

    def model_rows(self, transformers: list[Any], model: Any, X: Any) -> Any:
        """Rows as the model takes them, checked against its fit; see :func:`model_rows`."""
        return model_rows(transformers, model, X)

    def reduce(self, model: Any, X: Any, y: np.ndarray, sample_weight: np.ndarray) -> Any:
        """The objective that a fitted estimator minimised on its training data.

        Parameters
        ----------
        model : fitted estimator
        X : ndarray, StoredRows or CSR matrix of shape (n_rows, n_features)
            Training features as the estimator itself saw them.
        y : ndarray of shape (n_rows,) or (n_rows, n_targets)
            Training targets as the loss takes them, see :meth:`targets`: positions in
            ``model.classes_`` for classifiers.
        sample_weight : ndarray of shape (n_rows,)

        Returns
        -------
        LinearObjective or KernelObjective

        Raises
        ------
        ValueError
            If the estimator has parameters for which there is no such objective.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how to reduce a model.")

    def targets(self, model: Any) -> Targets:
        """How the labels of the user become the targets of a loss, and are shown again."""
        return ClassTargets(model.classes_) if is_classifier(model) else RealTargets()

    def parameters(self, model: Any) -> np.ndarray:
        """Parameters of a fitted model as a table.

        Returns
        -------
        ndarray of shape (n_scores, n_features) or (n_scores, n_features + 1)
            A row a class score, the intercept last if there is one.
        """
        raise TypeError(f"{type(model).__name__} has no parameters that can be written down.")

    def restore(self, model: Any, table: np.ndarray) -> Any:
        """A copy of a fitted model with other parameters.

        Parameters
        ----------
        model : fitted estimator
            Stays as it is.
        table : ndarray of the shape of :meth:`parameters`

        Returns
        -------
        fitted estimator
        """
        raise TypeError(f"{type(model).__name__} has no parameters that can be written down.")

    def last_layer(self, model: Any) -> OutputLayer:
        """The last layer of a network, for what explains by that alone."""
        raise TypeError(
            f"{type(model).__name__} has no last layer to be explained by: it is no network. "
            "Explain it as it is."
        )

    def leaves_of(self, model: Any, X: Any) -> Leaves:
        """The leaves of some rows in all trees of a model.

        Parameters
        ----------
        model : fitted estimator
        X : ndarray or CSR matrix of shape (n_rows, n_features)
            As the model takes them.

        Raises
        ------
        TypeError
            If it is no tree, forest or boosted model.
        """
        raise TypeError(
            f"{type(model).__name__} has no leaves that rows could share: it is no tree, forest or "
            "boosted model. Models of trees in it can be asked one by one."
        )

    def scores(self, model: Any, X: Any) -> np.ndarray:
        """Scores of rows by a classifier itself, of which the loss makes the predictor."""
        scores: np.ndarray = model.decision_function(X)
        return scores

    # --- what a fit chooses ----------------------------------------------------------------

    def chosen(self, model: Any) -> dict[str, Any]:
        """Parameters that the fit of a model has searched for, by their names; see :meth:`held`."""
        return {}

    def held(self, model: Any) -> Any:
        """An estimator, to be fitted, that is given what the fit of a model has chosen.

        Where there was nothing to choose, it is that of the model itself.

        Raises
        ------
        ValueError
            If no estimator takes what was chosen.
        """
        return clone(model)

    # --- without some rows -----------------------------------------------------------------

    def removal_changes_objective(self, model: Any) -> bool:
        """Whether the estimator's own fit on fewer rows differs by more than the rows.

        So it does with balanced class weights, a penalty that is searched for, and a kernel that
        depends on the rows. Removal holds all of this as it is for all rows. A penalty that counts
        rows does not: of the objective's ``penalty_share``, the share of each row leaves with it.
        """
        return bool(model.get_params().get("class_weight") == "balanced")

    def draws_rows(self, model: Any) -> bool:
        """Whether the model drew rows, or folds of them, by how many they were.

        Of fewer rows it would draw others. Removals hold what was drawn, which the estimator
        itself does not tell once rows have left.
        """
        return False

    def refit(
        self,
        model: Any,
        objective: Any,
        X: Any,
        y: np.ndarray,
        sample_weight: np.ndarray | None,
        removals: Sequence[np.ndarray],
        n_jobs: int | None = None,
    ) -> list[Any]:
        """The estimator's own fits without each group of rows.

        By default they get weight 0, so that balanced class weights, which removal holds, count
        them still. Where the penalty counts rows, they are left out.

        Parameters
        ----------
        model : fitted estimator
        objective : objective
            Its reduction.
        X : ndarray, StoredRows or CSR matrix of shape (n_rows, n_features)
        y : ndarray of shape (n_rows,) or (n_rows, n_targets)
            The labels of the user.
        sample_weight : ndarray of shape (n_rows,) or None
        removals : sequence of ndarray of int
        n_jobs : int, default=None

        Returns
        -------
        list of fitted estimators, one a removal
        """
        if objective.penalty_share is None:
            weight = check_sample_weight(sample_weight, len(y))
            fits = [(X, y, {"sample_weight": _zero_at(weight, rows)}) for rows in removals]
        else:
            rest = [np.delete(np.arange(len(y)), rows) for rows in removals]
            fits = [(X[rows], y[rows], _weights_of(sample_weight, rows)) for rows in rest]
        return Parallel(n_jobs=n_jobs)(
            delayed(clone(model).fit)(X, y, **weight) for X, y, weight in fits
        )

    def kept_data(self, model: Any) -> KeptData | None:
        """An estimator, and its training rows, for a fitted model that keeps these.

        Models of scikit-learn do not. A library has such models, and may have no estimators.
        """
        return None

    def trained_before(self, model: Any, X: Any, y: Any, sample_weight: Any) -> Any:
        """The model, fitted where that trains nothing and has not been done yet."""
        return model

    def keeping(self, model: Any, rows: np.ndarray) -> Any:
        """A model without some of its rows that keeps none but those that are left.

        Only asked for where a model :attr:`keeps_rows`.

        Parameters
        ----------
        model : fitted estimator
            From :meth:`refit`.
        rows : ndarray of int
            Those that are left, among the rows of the fit before.

        Returns
        -------
        fitted estimator
        """
        raise NotImplementedError(f"{type(self).__name__} does not say which rows a model keeps.")

    # --- of the fit ------------------------------------------------------------------------

    def weight_of_fit(self, model: Any, arguments: Mapping[str, Any]) -> Any:
        """The sample weights among the arguments that reached ``fit``, or None."""
        return arguments.get("sample_weight")

    def takes_weights(self, model: Any) -> bool:
        """Whether rows may have counted differently in a fit."""
        return bool(has_fit_parameter(model, "sample_weight"))

    def check_weights(self, model: Any, sample_weight: np.ndarray) -> None:
        """Refuse weights that no fit can have minded.

        Raises
        ------
        ValueError
            If rows are given different weights, and the estimator takes none.
        """
        if (sample_weight != 1).any() and not self.takes_weights(model):
            raise ValueError(
                f"{type(model).__name__} takes no sample_weight in its fit, so that there is none "
                "to explain. Leave sample_weight out."
            )

    def stopping_cause(self, model: Any) -> str | None:
        """A sentence on what made the solver stop before it had arrived, if it says so."""
        limit, steps = getattr(model, "max_iter", None), getattr(model, "n_iter_", None)
        if limit is None or steps is None or not 0 < limit <= np.max(steps):
            return None
        return (
            f"Its solver stopped at max_iter={limit}: raise it"
            " (standardised features need fewer steps)."
        )

    def holds_other_rows(self, model: Any, X: Any, sample_weight: np.ndarray | None) -> bool:
        """Whether a model that keeps some of its training rows keeps others than these."""
        return False


def _zero_at(weight: np.ndarray, rows: np.ndarray) -> np.ndarray:
    weight = weight.copy()
    weight[rows] = 0
    return weight


def _weights_of(sample_weight: np.ndarray | None, rows: np.ndarray) -> dict[str, np.ndarray]:
    """The argument of ``fit`` for some rows, of which not every estimator has one."""
    return {} if sample_weight is None else {"sample_weight": sample_weight[rows]}
