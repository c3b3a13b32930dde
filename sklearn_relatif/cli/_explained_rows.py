"""Predictions for some rows of a table, each with the rows that speak for it and against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..audit import AuditReport, column_shares, explained_predictions, identify_model
from ..explainers import study_of
from ..utils._cells import Cells


@dataclass(frozen=True)
class Shown:
    """A row as it is shown.

    Attributes
    ----------
    name : label
    label : label or number
        What the table says.
    prediction : label or number
        What the model predicts.
    probability : float or None
        The model's, of the row's own label; None if it has none.
    cells : dict of str to object
        As they were read.
    score : float or None
        How much the row explains; None of the row that is explained.
    """

    name: Any
    label: Any
    prediction: Any
    probability: float | None
    cells: dict[str, Any]
    score: float | None = None


@dataclass(frozen=True)
class ExplainedRow:
    """A row whose prediction is explained.

    Attributes
    ----------
    row : Shown
    certainty : float or None
        The model's probability of what it predicts.
    supporting, opposing : list of Shown
        The rows that speak for the prediction or raise it, and the others; best first.
    flip_sentence : str
        Without which rows the label would be another, where that is known.
    """

    row: Shown
    certainty: float | None
    supporting: list[Shown]
    opposing: list[Shown]
    flip_sentence: str


def report_on(explainer, table, asked, others, n_rows, criterion, source):
    """A report that explains the predictions for some rows by others, and holds no more.

    Parameters
    ----------
    explainer : RelatIFExplainer
        Of a model that was trained on the others.
    table : Table
    asked, others : ndarray of int
        Positions in the table.
    n_rows : int
        Explaining rows on each side.
    criterion : {"influence", "theta_relative", "loss_relative"}
    source : DataSource

    Returns
    -------
    AuditReport
    """
    queries, rest, study = table.rows(asked), table.rows(others), study_of(explainer)
    index = study.training_rows.index
    cells = Cells(rest.cells), Cells(queries.cells)
    explained, _ = explained_predictions(
        study,
        criterion,
        index,
        queries.X,
        queries.y,
        *cells,
        asked=queries.X.index,
        shares=column_shares(study),
        n_rows=n_rows,
    )
    classes = {"classes": study.targets.classes} if table.has_classes else {}
    return AuditReport(
        index=index,
        columns={"label" if table.has_classes else "target": rest.y},
        model=identify_model(study) | classes | {"n_test": len(queries.y)},
        curvature={},
        explained=explained,
        source=source,
        cells=cells[0],
        test_cells=cells[1],
    )


def explained_row(one):
    """What a prediction and those that explain it are shown as.

    Parameters
    ----------
    one : ExplainedPrediction
    """
    row = Shown(
        name=one.name,
        label=one.label,
        prediction=one.prediction,
        probability=one.label_probability,
        cells=dict(one.own_cells.row(one.position)),
    )
    return ExplainedRow(
        row=row,
        certainty=one.probability,
        supporting=_explaining(one.supporting, one.cells),
        opposing=_explaining(one.opposing, one.cells),
        flip_sentence=one.flip_sentence(),
    )


def _explaining(explanation, cells):
    """The rows that explain one prediction on one side."""
    columns = explanation.columns()
    return [
        Shown(
            name=columns["row"][place],
            label=columns["label"][place],
            prediction=columns["prediction"][place],
            probability=columns["probability"][place] if "probability" in columns else None,
            cells=dict(cells.row(position)),
            score=float(columns["score"][place]),
        )
        for place, position in enumerate(columns["position"])
    ]
