"""Is what is planted in a table found, and nothing in a clean one?

Run ``python -m benchmarks.bench_findings [--seeds 5]``. The README of this folder says what is
measured.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from benchmarks.bench_groups import preprocessing
from sklearn_relatif import RelatIFExplainer

CREDIT = Path(__file__).parents[1] / "examples" / "data" / "german_credit.csv"
KINDS = (
    "leakage", "no_skill", "conflicting_duplicates", "duplicates_across_split", "duplicates",
    "near_duplicates", "identifiers", "extreme_values", "conclusion_held", "hubs",
)  # fmt: skip


def german_credit():
    table = pd.read_csv(CREDIT)
    return table, (table.pop("class") == "bad").astype(int)


#: Of classes; diabetes has numbers.
CLASSES = {
    "iris": partial(load_iris, return_X_y=True, as_frame=True),
    "wine": partial(load_wine, return_X_y=True, as_frame=True),
    "breast cancer": partial(load_breast_cancer, return_X_y=True, as_frame=True),
    "digits": partial(load_digits, return_X_y=True, as_frame=True),
    "German credit": german_credit,
}
DATA = CLASSES | {"diabetes": partial(load_diabetes, return_X_y=True, as_frame=True)}


# --- what is planted --------------------------------------------------------------------------


def nothing(X, y, rng):
    return X, y


def the_target(X, y, rng):
    """A column that is the target again, in other words."""
    return X.assign(outcome=3 * y + 1 if is_number(y) else [f"is {value}" for value in y]), y


def the_target_nearly(X, y, rng):
    """The target with 3 % of its spread as noise, or with 3 % of its labels dealt again."""
    if is_number(y):
        return X.assign(outcome=y + 0.03 * y.std() * rng.normal(size=len(y))), y
    return X.assign(outcome=np.where(rng.uniform(size=len(y)) < 0.03, rng.permutation(y), y)), y


def counter(X, y, rng):
    return X.assign(number=rng.permutation(len(y)) + 1000), y


def codes(X, y, rng):
    return X.assign(record_id=rng.choice(10**8, len(y), replace=False)), y


def copies(X, y, rng):
    """5 % of the rows once more."""
    rows = rng.choice(len(y), len(y) // 20, replace=False)
    return pd.concat([X, X.iloc[rows]], ignore_index=True), np.append(y, y[rows])


def contradicting_copies(X, y, rng):
    """The same, with the targets of others."""
    more, targets = copies(X, y, rng)
    old = targets[len(y) :]
    far = np.where(old < y.mean(), y.max(), y.min())
    targets[len(y) :] = far if is_number(y) else (old + 1) % (y.max() + 1)
    return more, targets


def near_copies(X, y, rng):
    """The same as copies, but their numbers differ by a hundred-thousandth."""
    more, targets = copies(X, y, rng)
    fine = more.select_dtypes("float").columns
    more.loc[len(y) :, fine] *= 1 + 1e-5
    return more, targets


def dealt_targets(X, y, rng):
    return X, rng.permutation(y)


def impossible_number(X, y, rng):
    """One cell a thousand times as large as the largest of its column."""
    X = X.copy()
    column = X.select_dtypes("number").nunique().idxmax()
    X[column] = X[column].astype(float)
    X.loc[rng.randint(len(X)), column] = 1000 * X[column].abs().max()
    return X, y


#: What must be found of each, at least one of these.
PLANTED = {
    "nothing": (nothing, ()),
    "target as a column": (the_target, ("leakage",)),
    "target with noise": (the_target_nearly, ("leakage",)),
    "counter": (counter, ("identifiers",)),
    "random id": (codes, ("identifiers",)),
    "5 % copies": (copies, ("duplicates", "duplicates_across_split")),
    "5 % copies, other targets": (contradicting_copies, ("conflicting_duplicates",)),
    "5 % nearly copies": (near_copies, ("near_duplicates", "duplicates")),
    "dealt targets": (dealt_targets, ("no_skill",)),
    "impossible number": (impossible_number, ("extreme_values", "conclusion_held", "hubs")),
}


def is_number(y):
    return len(np.unique(y)) > 50


# --- what is found ----------------------------------------------------------------------------


def found_in(name, plant, seed):
    """The kinds of what is found in a table in which something was planted."""
    rng = np.random.RandomState(seed)
    X, y = DATA[name]()
    X, y = plant(X, y.to_numpy(), rng)
    train, test = train_test_split(np.arange(len(y)), test_size=0.25, random_state=seed)
    model = Ridge() if name == "diabetes" else LogisticRegression(tol=1e-8, max_iter=10_000)
    explainer = RelatIFExplainer(make_pipeline(preprocessing(), model))
    explainer.fit(X.iloc[train], y[train])
    report = explainer.audit(X.iloc[test], y[test], X_train=X.iloc[train], queries=())
    return {finding.kind for finding in report.findings} & set(KINDS)


def line(name, planted, seeds):
    """How often what was planted is found, and what else is."""
    plant, wanted = PLANTED[planted]
    runs = [found_in(name, plant, seed) for seed in range(seeds)]
    others = sorted({kind for kinds in runs for kind in kinds - set(wanted)})
    told = ", ".join(f"{kind} ({sum(kind in kinds for kinds in runs)})" for kind in others)
    hits = sum(bool(kinds & set(wanted)) for kinds in runs)
    return (
        f"| {name} | {planted} | {f'{hits} of {seeds}' if wanted else ''} | {told or 'nothing'} |"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="splits and plantings to repeat")
    arguments = parser.parse_args()
    print("| data | planted | found | found besides (runs) |\n|---|---|--:|---|")
    for planted in PLANTED:
        for name in DATA:
            print(line(name, planted, arguments.seeds), flush=True)


if __name__ == "__main__":
    main()
