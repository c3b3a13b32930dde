"""The demonstration: influence and relative influence, side by side, on digits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..audit import times_first
from ..criteria import CRITERIA
from ..explainers import RelatIFExplainer
from ..optimality import in_standard_errors
from ..results import Explanation

#: The two criteria whose tables stand side by side.
COMPARED = {
    "influence": "IF: influence",
    "loss_relative": "RelatIF: loss-relative influence",
}
N_EXAMPLES, N_PICTURES, N_HUBS = 5, 2, 4
INK = " .:-=+*#%@"
INTRODUCTION = """\
Which training rows explain a prediction? Three predictions are explained below, each by the
training rows that support the predicted label most. IF ranks the rows by how much the loss of the
prediction would rise if the model were trained without them. RelatIF divides that by how much the
row alone changes the losses of the whole training set.

row       position in the training data         p(label)  the model's probability of that label
label     label of the training row             score     the criterion: higher supports more"""
CLOSING = """\
What to look at
* p(label). IF puts rows first that the model hardly fits: they pull at the whole model, and so at
  every prediction. Most rows that RelatIF puts first are rows that the model is sure of.
* The pictures. What RelatIF puts first is mostly written the way the explained digit is written;
  see the confident prediction.
* The mistake. The rows in its tables are the training images that speak for the wrong answer.
* The hubs. Under IF the same few rows explain many predictions, under RelatIF they do not. Hubs
  are worth a look for another reason: a row that the model gets wrong may have a wrong label."""


@dataclass(frozen=True)
class Demonstration:
    """A model, and its predictions on test data explained in all criteria."""

    explainer: RelatIFExplainer
    X_train: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    explanations: dict[str, Explanation]


def train_and_explain() -> Demonstration:
    """Train on three quarters of the digits, and explain every prediction on the others."""
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    explainer = RelatIFExplainer(model).fit(X_train, y_train)
    explanations = explainer.explain(X_test, n_examples=N_EXAMPLES, criterion=CRITERIA)
    return Demonstration(explainer, X_train, X_test, y_test, explanations)


def report(demo: Demonstration) -> list[str]:
    """Everything that is printed, as lines of at most 100 characters."""
    lines = [*INTRODUCTION.splitlines(), "", *describe_model(demo)]
    for title, query in choose_queries(demo).items():
        lines += ["", "", *explain_query(demo, title, query)]
    return [*lines, "", "", *summarise(demo), "", *show_hubs(demo), "", *CLOSING.splitlines()]


def describe_model(demo: Demonstration) -> list[str]:
    n_train, n_test = len(demo.X_train), len(demo.X_test)
    accuracy = demo.explainer.estimator_.score(demo.X_test, demo.y_test)
    distance = in_standard_errors(demo.explainer.distance_to_optimum_)
    return [
        f"Data          scikit-learn's digits: {n_train} rows to train on, {n_test} to test",
        f"Model         StandardScaler, LogisticRegression(C=0.1); test accuracy {accuracy:.3f}",
        f"Fit           {distance} from its optimum; above 0.3 the scores mislead",
    ]


def choose_queries(demo: Demonstration) -> dict[str, int]:
    """Test rows worth explaining, found by the model's probabilities."""
    certainty = demo.explainer.predict_proba(demo.X_test).max(axis=1)
    right = demo.explainer.predict(demo.X_test) == demo.y_test
    return {
        "The most confident prediction": int(np.argmax(np.where(right, certainty, -1))),
        "The least certain prediction that is right": int(np.argmin(np.where(right, certainty, 2))),
        "The most confident mistake": int(np.argmax(np.where(right, -1, certainty))),
    }


def explain_query(demo: Demonstration, title: str, query: int) -> list[str]:
    """Two tables side by side, and under them the pictures of their first rows."""
    probabilities = demo.explainer.predict_proba(demo.X_test[[query]])[0]
    predicted = probabilities.argmax()
    facts = [
        f"test row {query}",
        f"predicted    {demo.explainer.classes_[predicted]}",
        f"with p   {probabilities[predicted]:.3f}",
        f"true label   {demo.y_test[query]}",
    ]
    explained = {name: demo.explanations[name][query] for name in COMPARED}
    tables = [[COMPARED[name], *ranking(explained[name])] for name in COMPARED]
    first_rows = [
        beside(*(picture(demo.X_train[row]) for row in one.indices[0, :N_PICTURES]), gap=2)
        for one in explained.values()
    ]
    widths = (16, 39, 39)
    return [
        heading(title),
        *beside(facts, *tables, widths=widths),
        "",
        *beside(["the test row"], *[["ranks 1 and 2"]] * len(COMPARED), widths=widths),
        *beside(picture(demo.X_test[query]), *first_rows, widths=widths),
    ]


def ranking(explanation: Explanation) -> list[str]:
    """The table of one explained prediction."""
    rows, known = explanation.indices[0], _known(explanation)
    columns = {
        "rank": [str(rank + 1) for rank in range(len(rows))],
        "row": [str(row) for row in rows],
        "label": [str(label) for label in known.labels[rows]],
        "p(label)": [f"{probability:.3f}" for probability in known.probabilities[rows]],
        "score": [f"{score:#.3g}".removesuffix(".") for score in explanation.scores[0]],
    }
    return table(columns, widths=(4, 6, 7, 10, 9))


def _known(explanation: Explanation) -> Any:
    """Its training rows, of which a model with probabilities has told everything."""
    return explanation.training_rows


def summarise(demo: Demonstration) -> list[str]:
    """How many and which kind of rows come first, over all test rows."""
    known = _known(demo.explanations["influence"])
    first = {name: times_first(demo.explanations[name]) for name in CRITERIA}
    chosen = {name: times > 0 for name, times in first.items()}
    wrong = known.predictions != known.labels
    columns = {
        "": [
            "distinct rows that come first",
            "mean p(label) of these rows",
            "rows among them that the model gets wrong",
            "largest number of test rows with one first row",
        ],
    }
    for name in CRITERIA:
        columns[name.replace("_", "-")] = [
            str(chosen[name].sum()),
            f"{known.probabilities[chosen[name]].mean():.3f}",
            str((chosen[name] & wrong).sum()),
            str(first[name].max()),
        ]
    return [
        heading(f"All {len(demo.X_test)} test rows, each explained by the row that comes first"),
        *table(columns, widths=(-49, 11, 17, 16)),
    ]


def show_hubs(demo: Demonstration) -> list[str]:
    """The rows that come first most often under influence, and what RelatIF makes of them."""
    known = _known(demo.explanations["influence"])
    by_if, by_relatif = (times_first(demo.explanations[name]) for name in COMPARED)
    hubs = np.argsort(-by_if, kind="stable")[:N_HUBS]
    names = ["hub (row)", "label", "predicted", "p(label)", "first by IF", "first by RelatIF"]
    facts = [
        [
            f"{row}",
            f"{known.labels[row]}",
            f"{known.predictions[row]}",
            f"{known.probabilities[row]:.3f}",
            f"{by_if[row]}",
            f"{by_relatif[row]}",
        ]
        for row in hubs
    ]
    widths = (16, *[18] * len(hubs))
    return [
        heading("Hubs: the rows that come first for the most test rows under IF"),
        *beside(names, *facts, widths=widths),
        "",
        *beside([], *(picture(demo.X_train[row]) for row in hubs), widths=widths),
    ]


# --- text -----------------------------------------------------------------------------------
def heading(title: str) -> str:
    return f"--- {title} ".ljust(99, "-")


def picture(pixels: np.ndarray) -> list[str]:
    """An 8 x 8 image of values 0 to 16 as text; two characters a pixel keep it square."""
    levels = np.minimum(pixels * len(INK) / 16, len(INK) - 1).astype(int).reshape(8, 8)
    return ["".join(2 * INK[level] for level in line) for line in levels]


def table(columns: dict[str, list[str]], widths: Sequence[int]) -> list[str]:
    """Columns as lines, aligned right, or left where the width is negative."""
    lines = zip(*([name, *cells] for name, cells in columns.items()), strict=True)
    return [
        "".join(
            cell.ljust(-width) if width < 0 else cell.rjust(width)
            for cell, width in zip(line, widths, strict=True)
        )
        for line in lines
    ]


def beside(*blocks: list[str], widths: Sequence[int] | None = None, gap: int = 3) -> list[str]:
    """Blocks of lines next to each other, as wide as their widest line unless told."""
    widths = widths or [max(map(len, block), default=0) for block in blocks]
    return [
        (" " * gap).join(map(str.ljust, line, widths)).rstrip()
        for line in zip_longest(*blocks, fillvalue="")
    ]
