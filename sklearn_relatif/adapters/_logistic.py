"""LogisticRegression and LogisticRegressionCV, binary and multinomial, all solvers."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

from ..losses import LogLoss, Loss, MultinomialLogLoss, binary_codebook, one_vs_rest_codebook
from ..objectives import build_objective
from ._chosen import given, one_value
from ._class_weight import class_weight_of_rows
from ._linear import LinearAdapter, Parameters
from ._registry import register


class LogisticAdapter(LinearAdapter):
    """LogisticRegression."""

    def reduce(self, model, X, y, sample_weight):
        n_classes = len(model.classes_)
        parameters = self.penalised_parameters(model)
        if _is_one_vs_rest(model):
            loss: Loss = LogLoss(one_vs_rest_codebook(n_classes))
            problems = [
                sample_weight * self._class_weight_in_problem(model, k, y, sample_weight)
                for k in range(n_classes)
            ]
            return build_objective(
                loss, *parameters, X, y, sample_weight, model.fit_intercept, np.array(problems).T
            )
        if getattr(model, "multi_class", None) == "multinomial" and n_classes == 2:
            # A softmax of two classes, of which scikit-learn keeps the second: both are penalised.
            parameters = Parameters(
                np.vstack([-parameters.weights, parameters.weights]),
                *(np.vstack([rows, rows]) for rows in parameters[1:]),
            )
        if len(parameters.weights) == 1:
            loss = LogLoss(binary_codebook())
        else:
            loss = MultinomialLogLoss(n_classes, use_contrasts=not parameters.l1.any())
        weight = sample_weight * self.class_weight(model, y, sample_weight)
        return build_objective(loss, *parameters, X, y, weight, model.fit_intercept)

    def penalised_parameters(self, model) -> Parameters:
        """Its parameters, and the penalty that each one bore."""
        strength, ratio = self._penalty(model, model.coef_.shape[0])
        scaling = self._intercept_scaling(model) if model.solver == "liblinear" else np.inf
        return self.penalised(model, strength * (1 - ratio), strength * ratio, scaling)

    def class_weight(self, model, y, sample_weight):
        """Class weight of each row, shape (n_rows,)."""
        return class_weight_of_rows(model.class_weight, model.classes_, y, sample_weight)

    def _class_weight_in_problem(self, model, k, y, sample_weight):
        """Class weight of each row in the k-th problem of a one-vs-rest model."""
        if model.class_weight == "balanced" and model.solver != "liblinear":
            binary = (y == k).astype(np.intp)
            return class_weight_of_rows("balanced", np.arange(2), binary, sample_weight)
        by_class = self.class_weight(model, y, sample_weight)
        # liblinear applies a class weight to the positive rows of that class's own problem.
        return np.where(y == k, by_class, 1.0) if model.solver == "liblinear" else by_class

    def _penalty(self, model, n_scores):
        """Penalty strength 1/C of each class score, and the share of it that is L1.

        ``penalty`` says the kind of penalty up to scikit-learn 1.7; from 1.8 on it is
        "deprecated" by default, and ``l1_ratio`` and ``C=np.inf`` say the same.
        """
        C, ratio = self._strength(model)
        strength = 1 / np.broadcast_to(np.ravel(C), n_scores)
        kind = getattr(model, "penalty", "deprecated")
        if kind is None:
            return np.zeros(n_scores), 0.0
        if kind in ("l1", "l2"):
            return strength, float(kind == "l1")
        return strength, float(np.ravel(ratio)[0] or 0.0)

    def _strength(self, model):
        return model.C, model.l1_ratio

    def _intercept_scaling(self, model):
        """The column that liblinear penalises as the intercept."""
        return model.intercept_scaling


class LogisticCVAdapter(LogisticAdapter):
    """LogisticRegressionCV, which searches for its penalty."""

    def reduce(self, model, X, y, sample_weight):
        if not model.refit:
            raise ValueError(
                "LogisticRegressionCV with refit=False cannot be explained: its coefficients are "
                "an average over models of the folds, none of which was trained on all rows. Fit "
                "it with refit=True."
            )
        return super().reduce(model, X, y, sample_weight)

    def removal_changes_objective(self, model):
        return True

    def chosen(self, model):
        ratio = one_value(model.l1_ratio_)
        strength = {"C": one_value(model.C_)}
        return strength if ratio is None else {**strength, "l1_ratio": ratio}

    def held(self, model):
        parameters = self.chosen(model)
        if np.ndim(parameters["C"]):
            raise ValueError(
                "LogisticRegressionCV has chosen another C for each class, and no estimator takes "
                "several: what the choice does cannot be told apart."
            )
        return given(LogisticRegression, model, intercept_scaling=1.0, **parameters)

    def _class_weight_in_problem(self, model, k, y, sample_weight):
        return self.class_weight(model, y, sample_weight)

    def _strength(self, model):
        return model.C_, model.l1_ratio_

    def _intercept_scaling(self, model):
        return 1.0  # The final fit of a search does not pass `intercept_scaling` on.


def _is_one_vs_rest(model):
    """Whether an older scikit-learn (before 1.8) fitted one binary model a class."""
    scheme = getattr(model, "multi_class", None)
    return len(model.classes_) > 2 and (
        scheme == "ovr" or (scheme is not None and model.solver == "liblinear")
    )


register("sklearn.linear_model.LogisticRegression", LogisticAdapter())
register("sklearn.linear_model.LogisticRegressionCV", LogisticCVAdapter())
