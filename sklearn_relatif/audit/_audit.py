"""Auditing a model by its training rows: the numbers of each row, and a document about them."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.validation import check_is_fitted

from ..utils._validation import class_positions, label_array, missing_places, unmasked
from ._quantities import (
    explain_first_rows,
    mean_influence,
    model_columns,
    suspicion_ranks,
    times_first,
)
from ._report import AuditReport
from ._sections import describe_curvature, describe_groups, describe_model, support

#: Share of the rows that count as suspects in the table of the groups.
SUSPECT_SHARE = 0.05
NO_TEST_ROWS = "No test rows were given: hubs, influence on the test loss and support are left out."
NO_TEST_LABELS = "The test rows have no labels: influence on the test loss is left out."


class AuditMixin:
    """The audit of :class:`~sklearn_relatif.RelatIFExplainer`."""

    def audit(
        self, X_test: Any = None, y_test: Any = None, sample_names: Any = None, groups: Any = None
    ) -> AuditReport:
        """Number each training row by what it does to the model, and rank the suspicious ones.

        Parameters
        ----------
        X_test : array-like or sparse matrix of shape (n_test, n_features), default=None
            Rows whose predictions are explained, to find hubs and the rows that help and harm.
        y_test : array-like of shape (n_test,), default=None
            Their labels.
        sample_names : array-like of shape (n_rows,), default=None
            Names of the training rows. None: their index.
        groups : array-like of shape (n_rows,), default=None
            A label for each training row: the report tells what removing each group does, by
            exact retraining. Rows without one (None or NaN) are in no group.

        Returns
        -------
        AuditReport
            With ``frame()``, ``summary()`` and ``to_html(path)``.

        Raises
        ------
        TypeError
            If the model is not a classifier.
        ValueError
            If an argument is invalid.

        Examples
        --------
        >>> from sklearn.datasets import load_breast_cancer
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn.pipeline import make_pipeline
        >>> from sklearn.preprocessing import StandardScaler
        >>> from sklearn_relatif import RelatIFExplainer
        >>> X, y = load_breast_cancer(return_X_y=True)
        >>> model = make_pipeline(StandardScaler(), LogisticRegression())
        >>> explainer = RelatIFExplainer(model).fit(X[:400], y[:400])
        >>> report = explainer.audit(X[400:], y[400:])
        >>> print(report.why(report.first_rows(1)[0]))
        Its label is '0', which the model without it gives ...%; the model predicts '1'; ...
        """
        check_is_fitted(self)
        return _audit(self, X_test, y_test, sample_names, groups)


def _audit(explainer: Any, X_test: Any, y_test: Any, sample_names: Any, groups: Any) -> AuditReport:
    if not explainer._targets.has_classes:
        raise TypeError(
            f"audit is for classifiers; {type(explainer._model).__name__} predicts numbers. Its "
            "rows have self_influence_, leverage_, explain and removal_effect."
        )
    index = explainer.training_rows_.index
    if sample_names is not None:
        index = column_or_1d(unmasked(sample_names))
        check_consistent_length(explainer.training_rows_.labels, index)
    if y_test is not None:
        if X_test is None:
            raise ValueError("y_test was given without X_test; pass the test rows too.")
        y_test = _check_labels(y_test, explainer.classes_)

    columns, notes = model_columns(explainer)
    predictions = {}
    if X_test is None:
        notes.append(NO_TEST_ROWS)
    else:
        first = explain_first_rows(explainer, X_test)
        columns["hub_if"] = times_first(first["if"])
        columns["hub_relatif"] = times_first(first["relatif"])
        predictions = support(explainer, X_test, y_test, first["loss_relative"], index)
        if y_test is None:
            notes.append(NO_TEST_LABELS)
        else:
            columns["test_influence"] = mean_influence(explainer, X_test, y_test)
    columns |= suspicion_ranks(columns)

    table = {}
    if groups is not None:
        n_suspects = int(np.ceil(SUSPECT_SHARE * len(index)))
        table, more = describe_groups(explainer, groups, columns, X_test, y_test, n_suspects)
        notes += more
    return AuditReport(
        index=index,
        columns=columns,
        model=describe_model(explainer, columns, X_test, y_test),
        curvature=describe_curvature(explainer),
        predictions=predictions,
        groups=table,
        notes=tuple(notes),
    )


def _check_labels(y_test: Any, classes: np.ndarray) -> np.ndarray:
    """Labels of test rows as an array; or an error if some are missing or unknown to the model."""
    # As they were given: among strings, NumPy makes the label "nan" of NaN.
    labels = column_or_1d(label_array(y_test))
    missing = missing_places(labels.tolist())
    if missing:
        raise ValueError(
            f"y_test has no label (None or NaN) for {len(missing)} of its {len(labels)} rows, the "
            f"first at position {missing[0]}. Leave these rows out."
        )
    return classes[class_positions(labels, classes, "y_test")]
