"""Which ranking finds planted label errors first?

Run ``python -m benchmarks.bench_label_errors [--adult PATH] [--C 1.0] [--seeds 10]``, where PATH is
a table with the columns of the Adult data and an ``income`` column; without it, Adult is left out.
Needs pandas. The README of this folder says what is measured.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import cross_val_predict, train_test_split
from sklearn.pipeline import make_pipeline

from benchmarks.bench_groups import adult, preprocessing
from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.metrics import mislabel_rankings, plant_label_errors

CREDIT = Path(__file__).parents[1] / "examples" / "data" / "german_credit.csv"
NOISE = (0.02, 0.05, 0.1)
N_QUERIES = 2000
N_EXAMPLES = 5


def german_credit():
    table = pd.read_csv(CREDIT)
    return table, table.pop("class").to_numpy()


def data_sets(path_of_adult):
    """Return {name: (X, y)}."""
    found = {
        "digits": load_digits(return_X_y=True, as_frame=True),
        "breast cancer": load_breast_cancer(return_X_y=True, as_frame=True),
        "German credit": german_credit(),
    }
    return found | ({"Adult": adult(path_of_adult)} if path_of_adult else {})


def rankings(model, X, y, X_query, y_query):
    """Return {name: suspicion of each training row, larger for more}."""
    explainer = RelatIFExplainer(model).fit(X, y)
    own = mislabel_rankings(explainer)
    folds = cross_val_predict(model, X, y, cv=5, method="predict_proba")
    cross_validated = folds[np.arange(len(y)), np.searchsorted(explainer.classes_, y)]
    return {
        "loss": own["loss"],
        "5-fold probability": 1 - cross_validated,
        "leave-one-out probability": own["loo_probability"],
        "self-influence": own["self_influence"],
        **hubs(explainer, X_query, y_query),
    }


def hubs(explainer, X, y):
    """How often a row is among the first to explain a held-out row, and how harmful it is."""
    criteria = {"influence": "IF", "loss_relative": "RelatIF"}
    supports = explainer.explain(X, n_examples=N_EXAMPLES, criterion=list(criteria))
    opposes = explainer.explain(
        X, y, n_examples=N_EXAMPLES, sign="negative", criterion=list(criteria)
    )
    n_rows = len(explainer.training_rows_.index)
    found = {}
    for criterion, name in criteria.items():
        found[f"{name}: supports predictions"] = counts(supports[criterion], n_rows)
        found[f"{name}: opposes true labels"] = counts(opposes[criterion], n_rows)
    scale = np.sqrt(explainer.self_influence_)
    harm = -np.asarray(explainer.removal_effect(X, y, order="first")).mean(axis=0)
    found["IF: mean harm to true labels"] = harm
    found["RelatIF: mean harm to true labels"] = harm / np.where(scale > 0, scale, np.inf)
    return found


def counts(explanation, n_rows):
    return np.bincount(explanation.indices[explanation.indices >= 0], minlength=n_rows)


def measure(X, y, noise, C, seed):
    """Return {ranking: (average precision, precision at the number of errors)}."""
    X, X_query, y, y_query = train_test_split(X, y, stratify=y, test_size=0.25, random_state=seed)
    labels, is_wrong = plant_label_errors(np.asarray(y), noise, np.random.RandomState(seed))
    model = make_pipeline(preprocessing(), LogisticRegression(C=C, tol=1e-6, max_iter=10_000))
    queries = slice(0, N_QUERIES)
    found = rankings(model, X, labels, X_query[queries], y_query[queries])
    return {
        name: (average_precision_score(is_wrong, values), precision(is_wrong, values))
        for name, values in found.items()
    }


def precision(is_wrong, values):
    """Share of errors among the first rows, as many as there are errors; ties count pro rata."""
    budget = is_wrong.sum()
    last = np.sort(values)[-budget]
    above, tied = values > last, values == last
    return (is_wrong[above].sum() + (budget - above.sum()) * is_wrong[tied].mean()) / budget


def table(runs):
    """Markdown: mean ± standard deviation over the seeds, for each share of errors."""
    headings = [f"{noise:.0%}: {name}" for noise in NOISE for name in ("AP", "precision")]
    lines = [f"| ranking | {' | '.join(headings)} | beats the loss |"]
    lines.append("|---|" + "--:|" * (len(headings) + 1))
    for name in runs[0][0]:
        cells = [
            f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"
            for of_noise in runs
            for values in zip(*(run[name] for run in of_noise), strict=True)
        ]
        won = [run[name][0] > run["loss"][0] for of_noise in runs for run in of_noise]
        cells.append("" if name == "loss" else f"{np.mean(won):.0%}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--adult", metavar="PATH", help="csv file; default: without these data")
    parser.add_argument("--C", type=float, default=1.0, help="of the logistic regression")
    parser.add_argument("--seeds", type=int, default=10, help="splits and plantings to repeat")
    arguments = parser.parse_args()
    for name, (X, y) in data_sets(arguments.adult).items():
        runs = [
            [measure(X, y, noise, arguments.C, seed) for seed in range(arguments.seeds)]
            for noise in NOISE
        ]
        print(f"{name}, C = {arguments.C:g}\n\n{table(runs)}\n", flush=True)


if __name__ == "__main__":
    main()
