"""
Which rows drive the gap between women and men?
===============================================

Which rows drive the gap between women and men? Census income, a model that never sees the sex.

.. code-block:: bash

    python examples/census_income.py
    python examples/census_income.py --data adult.csv --output gap.png

A logistic regression predicts who earns more than 50,000 dollars a year. Of the people who do, it
finds more of the men than of the women. The example measures that gap, asks which training rows,
and which groups of them, widen it, and checks the answer: it retrains the model without the rows,
and measures the gap again on people who had no part in choosing them.

The data: 6,000 rows of Adult, which ship with the example (source and licence: data/SOURCES.md), or
all 48,842 with `--data`, for instance from `fetch_openml("adult", version=2)`, saved as CSV.

Needs pandas and matplotlib.
"""

import argparse
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_relatif import RelatIFExplainer

DATA = Path(sys.argv[0]).parent / "data" / "adult_sample.csv.gz"
RICH = ">50K"
UNUSED = ["sex", "fnlwgt", "split"]
#: Shares of the training rows that are removed.
SHARES = np.array([0, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03])


def main():
    parser = argparse.ArgumentParser(description="Find the rows that drive a fairness gap.")
    parser.add_argument("--data", default=DATA, help="Adult as CSV (default: %(default)s)")
    parser.add_argument(
        "--output", default="census_income.png", help="the picture (default: %(default)s)"
    )
    arguments = parser.parse_args()

    # 1. People to train on, people to choose rows by, and people to check that choice on.
    people = read_people(arguments.data)
    train, rest = train_test_split(people, test_size=0.5, stratify=strata(people), random_state=0)
    choose, check = train_test_split(rest, test_size=0.5, stratify=strata(rest), random_state=0)
    X_train = train.drop(columns="income")
    explainer = RelatIFExplainer(income_model()).fit(X_train, train["income"])
    accuracy = np.mean(explainer.predict(check) == check["income"])
    print(f"{len(train)} rows to train on; accuracy {accuracy:.3f} on {len(check)} others")
    distance = explainer.distance_to_optimum_
    print(f"fit {distance:.1e} standard errors from its optimum; above 0.3 the numbers mislead")

    # 2. The gap is a metric that has a name: removal_effect_on tells how it changes without each
    #    row, by one Newton step of the model without it.
    print("\nMean predicted probability of those who earn more than 50,000 dollars")
    for name, half in {"choosing": choose, "checking": check}.items():
        men, women = probabilities(explainer, half)
        print(
            f"  the {name} half: {men:.3f} of the men, {women:.3f} of the women, "
            f"a gap of {men - women:.3f}"
        )
    asked = {"X": choose, "y": choose["income"], "sensitive": choose["sex"]}
    effect = explainer.removal_effect_on("soft_equal_opportunity", **asked)["change"].to_numpy()

    print("\nThe rows that widen the gap most")
    widening = np.argsort(effect)
    print_rows(train, effect, widening[:8])

    # 3. Groups of rows: effects of groups do not add up, so they are asked for as groups.
    group = train["occupation"].fillna("unknown")
    of_group = explainer.removal_effect_on("soft_equal_opportunity", groups=group, **asked)
    of_group = of_group["change"].sort_values()
    print("\nChange of the gap when an occupation is removed, and its number of rows")
    print(of_group.map("{:+.4f}".format).to_frame("gap").join(group.value_counts()).to_string())

    # 4. The check: retrain without the first rows, and without as many that are drawn at random.
    sizes = (SHARES * len(train)).astype(int)
    at_random = np.random.default_rng(0).permutation(len(train))
    curves = {}
    for name, order in {"chosen": widening, "random": at_random}.items():
        models = explainer.retrain_without([order[:size] for size in sizes])
        curves[name] = pd.DataFrame(
            {
                "choosing": [gap(model, choose) for model in models],
                "checking": [gap(model, check) for model in models],
                "accuracy": [np.mean(model.predict(check) == check["income"]) for model in models],
            },
            index=SHARES,
        )
    predicted = gap(explainer, choose) + np.array([effect[widening[:n]].sum() for n in sizes])
    print("\nRetrained without the rows that widen the gap most\n")
    print(curves["chosen"].rename(index="{:.1%}".format).round(3).to_string())
    print(
        "\nchoosing, checking: the gap on the half by which rows were chosen, and on the other.\n"
        "accuracy: on the other half. Removing rows is a diagnosis here, not a remedy: look at\n"
        "what the rows have in common before you trust a model without them."
    )
    save_picture(curves, predicted, of_group, arguments.output)


def read_people(path):
    people = pd.read_csv(path, skipinitialspace=True, na_values="?")
    people = people.rename(columns=lambda name: name.replace("-", "_"))
    people = people.rename(columns={"class": "income"})
    return people.dropna(subset="income").reset_index(drop=True)


def strata(people):
    return people["income"] + people["sex"]


def income_model():
    """All columns but the sex and the weight of the survey; rare words are put together."""
    columns = make_column_transformer(
        ("drop", make_column_selector("|".join(f"^{name}$" for name in UNUSED))),
        (StandardScaler(), make_column_selector(dtype_include="number")),
        (
            OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=10),
            make_column_selector(dtype_exclude="number"),
        ),
    )
    return make_pipeline(columns, LogisticRegression(max_iter=1000, tol=1e-6))


def probabilities(model, people):
    """Mean probability of rich men, and of rich women, to be taken for rich."""
    rich = people[people["income"] == RICH]
    p = model.predict_proba(rich)[:, 1]
    return [p[rich["sex"] == sex].mean() for sex in ("Male", "Female")]


def gap(model, people):
    """How much further rich men are believed than rich women."""
    men, women = probabilities(model, people)
    return men - women


def print_rows(train, effect, rows):
    shown = train.iloc[rows][
        ["sex", "age", "education", "marital_status", "occupation", "hours_per_week", "income"]
    ].rename(columns={"marital_status": "married", "hours_per_week": "hours"})
    shown["married"] = shown["married"].str.replace("Married-", "").str.replace("-spouse", "")
    shown["gap without"] = [f"{value:+.4f}" for value in effect[rows]]
    print(shown.to_string())


def save_picture(curves, predicted, of_group, path):
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
    left.plot(100 * SHARES, predicted, ":", color="C0", label="predicted, effects summed")
    for name, style in {"choosing": "-", "checking": "--"}.items():
        left.plot(
            100 * SHARES, curves["chosen"][name], style, marker="o", color="C0",
            label=f"retrained, {name} half",
        )  # fmt: skip
        left.plot(
            100 * SHARES, curves["random"][name], style, color="0.6", label=f"random, {name} half"
        )
    left.axhline(0, color="0.85", linewidth=1, zorder=0)
    left.set_xlabel("training rows removed (%)")
    left.set_ylabel("gap between men and women")
    left.set_title("Without the rows that widen the gap")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    right.barh(of_group.index, of_group, color=np.where(of_group < 0, "C0", "C1"))
    right.axvline(0, color="0.3", linewidth=1)
    right.invert_yaxis()
    right.locator_params(axis="x", nbins=5)
    right.set_xlabel("change of the gap")
    right.set_title("Without an occupation")
    figure.savefig(path, dpi=110)
    print(f"\nPicture: {path}")


if __name__ == "__main__":
    main()
