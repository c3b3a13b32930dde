"""Auditing a model by its training rows: the numbers of each row, and a document about them."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d

from .._study import Study
from ..utils._cells import Cells
from ..utils._frames import check_names, library_of, names_rows
from ..utils._progress import begin
from ..utils._validation import refuse_elsewhere, unmasked
from ._quantities import (
    explain_first_rows,
    is_judged_out_of_bag,
    mean_influence,
    model_columns,
    sliceable,
    suspicion_ranks,
    times_first,
    unseen_columns,
)
from ._report import AuditReport
from ._sections import describe_curvature, describe_groups, describe_model, support
from ._source import DataSource
from .explained import column_shares, contributions_of_rows, explained_predictions
from .findings import Evidence, look
from .suspects import find_suspects
from .views import LEAVE_ONE_OUT, OUT_OF_BAG, ClassView, NumberView, View

#: Share of the rows that count as suspects in the table of the groups.
SUSPECT_SHARE = 0.05
#: What rows are named by.
LABELS, POSITIONS = "index labels", "positions, counted from 0"
NO_TEST_ROWS = "No test rows were given: hubs, influence on the test loss and support are left out."
NO_TEST_TARGETS = "The test rows have no {}s: influence on the test loss is left out."


def audit(
    study: Study,
    criterion: str,
    X_test: Any,
    y_test: Any,
    sample_names: Any,
    groups: Any,
    X_train: Any = None,
    source: DataSource | None = None,
    queries: Any = None,
    stability: bool = False,
) -> AuditReport:
    """Number each training row of a study by what it does to the model.

    Parameters
    ----------
    study : Study
    criterion : {"influence", "theta_relative", "loss_relative"}
        Of the explanations of the test rows that are not by influence, if it is relative.
    X_test, y_test, sample_names, groups, X_train, source, queries, stability
        As of :meth:`RelatIFExplainer.audit`.
    """
    refuse_elsewhere("audit", study.training_data.features)
    view = _view_of(study)
    index = study.training_rows.index
    if sample_names is not None:
        index = column_or_1d(unmasked(sample_names))
        check_consistent_length(study.training_rows.labels, index)
    if y_test is not None:
        if X_test is None:
            raise ValueError("y_test was given without X_test; pass the test rows too.")
        y_test = view.test_targets(y_test, study)

    cells = None
    if X_train is not None:
        cells, rows = Cells(X_train, len(index)), study.training_rows
        check_names(X_train, rows.index, np.arange(len(index)), rows.library, "X_train")
    test_cells = None if X_test is None else Cells(X_test)

    columns, predictions, judged, notes = _numbers(study, view, criterion, X_test, y_test, index)

    begin("explaining single predictions")
    shares = column_shares(study)
    # By influence, the same outliers come first for all.
    relative = "loss_relative" if criterion == "influence" else criterion
    explained, more = explained_predictions(
        study,
        relative,
        index,
        X_test,
        y_test,
        cells,
        test_cells,
        queries,
        shares,
        stability=stability,
    )
    notes += more

    test_contributions = {}
    if "suspicion_rank" in predictions:
        test_contributions = contributions_of_rows(
            study, sliceable(X_test), predictions["suspicion_rank"], shares
        )

    table = {}
    if groups is not None:
        begin("removing groups")
        n_suspects = int(np.ceil(SUSPECT_SHARE * len(index)))
        table, more = describe_groups(study, view, groups, columns, X_test, y_test, n_suspects)
        notes += more
    begin("looking for findings")
    model = describe_model(study, view, columns, X_test, y_test)
    evidence = Evidence(
        study,
        view,
        index,
        columns,
        predictions,
        model,
        table,
        cells=cells,
        test_cells=test_cells,
        suspects=find_suspects(study, *judged),
    )
    findings, checked = look(evidence)
    begin("measuring the curvature")
    return AuditReport(
        index=index,
        columns=columns,
        model=model,
        curvature=describe_curvature(study),
        predictions=predictions,
        groups=table,
        notes=tuple(notes),
        findings=findings,
        checked=checked,
        explained=explained,
        contributions=contributions_of_rows(
            study.at_model(), study.training_data.features, columns["suspicion_rank"], shares
        ),
        test_contributions=test_contributions,
        source=source or DataSource(row_names=_row_names(study, sample_names, test_cells)),
        cells=cells,
        test_cells=test_cells,
        library=study.training_rows.library,
    )


def _view_of(study: Study) -> View:
    """What is told of the targets of a model, if an audit can tell of them."""
    if study.targets.n_columns > 1 and not study.targets.are_numbers:
        raise TypeError(
            f"audit is for one label a row; {type(study.model).__name__} was fitted to "
            f"{study.targets.n_columns}. Audit a model of each label, which MultiOutputClassifier "
            "and OneVsRestClassifier keep in `estimators_`, or see self_influence_, explain and "
            "removal_effect."
        )
    if not study.targets.are_known:
        raise TypeError(
            f"audit compares predictions with labels or targets, and {type(study.model).__name__} "
            "has none. See self_influence_, explain and removal_effect."
        )
    unseen = OUT_OF_BAG if is_judged_out_of_bag(study.objective) else LEAVE_ONE_OUT
    if study.targets.has_classes:
        return ClassView(unseen)
    return NumberView(study.targets.n_columns, unseen)


def _numbers(
    study: Study, view: View, criterion: str, X_test: Any, y_test: Any, index: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], tuple[Any, Any], list[str]]:
    """Numbers of training rows and of test rows, what models make of both unseen, and notes."""
    begin("numbering the training rows")
    columns, notes, alone = model_columns(study, view)
    predictions, unseen = {}, None
    if X_test is None:
        notes.append(NO_TEST_ROWS)
    else:
        begin("explaining the test rows")
        first = explain_first_rows(study, criterion, X_test, view.sign)
        columns["hub_if"] = times_first(first["if"])
        columns["hub_relatif"] = times_first(first["relatif"])
        predictions = support(study, view, X_test, y_test, first["loss_relative"], index)
        if y_test is None:
            notes.append(NO_TEST_TARGETS.format(view.target))
        else:
            columns["test_influence"] = mean_influence(study, X_test, y_test)
            of_test_rows, unseen = unseen_columns(study, study.query(X_test, y_test))
            predictions |= of_test_rows
    return columns | suspicion_ranks(columns), predictions, (alone, unseen), notes


def _row_names(study: Study, sample_names: Any, test_cells: Cells | None) -> str:
    """What the names of rows are."""
    names = ["the names that were given"]
    if sample_names is None:
        names = [LABELS if names_rows(study.training_rows.library) else POSITIONS]
    if test_cells is not None:
        of_test = LABELS if names_rows(library_of(test_cells.table)) else POSITIONS
        names += [] if of_test == names[0] else [f"of test rows, {of_test}"]
    return "; ".join(names)
