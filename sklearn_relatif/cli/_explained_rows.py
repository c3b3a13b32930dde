"""Predictions for some rows of a table, each with the rows that speak for it and against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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
    """

    row: Shown
    certainty: float | None
    supporting: list[Shown]
    opposing: list[Shown]


def explained_rows(explainer, table, asked, others, n_rows, criterion):
    """The prediction for each row that is asked for, explained by others.

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

    Returns
    -------
    list of ExplainedRow
    """
    queries, rest = table.rows(asked), table.rows(others)
    predictions, chances = explainer.predict(queries.X), _chances(explainer, queries.X)
    rows = [
        Shown(
            name=name,
            label=queries.y[place],
            prediction=predictions[place],
            probability=chances[place].get(queries.y[place]),
            cells=queries.cells.iloc[place].to_dict(),
        )
        for place, name in enumerate(queries.X.index)
    ]
    sides = [
        explainer.explain(queries.X, n_examples=n_rows, criterion=criterion, sign=sign)
        for sign in ("positive", "negative")
    ]
    return [
        ExplainedRow(row, chance.get(row.prediction), *(_explaining(of, rest) for of in both))
        for row, chance, *both in zip(rows, chances, *sides, strict=True)
    ]


def _explaining(explanation, rows):
    """The rows that explain one prediction on one side."""
    known = explanation.training_rows
    return [
        Shown(
            name=rows.X.index[at],
            label=known.labels[at],
            prediction=known.predictions[at],
            probability=None if known.probabilities is None else float(known.probabilities[at]),
            cells=rows.cells.iloc[at].to_dict(),
            score=float(score),
        )
        for at, score in zip(explanation.indices[0], explanation.scores[0], strict=True)
        if at >= 0
    ]


def _chances(explainer, X):
    """The probability of each label for each row, empty where the model has none."""
    if explainer.training_rows_.probabilities is None:
        return [{} for _ in range(len(X))]
    classes = explainer.estimator_.classes_
    return [
        dict(zip(classes.tolist(), map(float, line), strict=True))
        for line in explainer.predict_proba(X)
    ]
