"""
Columns that tell the answer, and a false alarm
===============================================

Audit a model of recidivism: columns that tell the answer, a false alarm, a report by groups.

.. code-block:: bash

    python examples/recidivism.py
    python examples/recidivism.py --data compas-scores-two-years.csv --output recidivism.html

1. A model that is right too often has seen the answer. The data hold columns that were written
   down after the fact, or by another model; without them it is right much less often.
2. Who is called a risk, and was not arrested again? The false alarm that the model is surest of,
   explained by the past cases that resemble it, and by those without which it would not be one.
3. The report: rows to look at, hubs, and what the cases of each group do to the model.

The data: `compas-scores-two-years.csv`, which ProPublica published
(https://github.com/propublica/compas-analysis). It comes without a licence, so nothing of it ships
with the example: without `--data`, made-up cases with columns of the same names stand in, from
which nothing about people can be learned.

Needs pandas. The report is one HTML file.
"""

import argparse

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_relatif import RelatIFExplainer

TARGET = "two_year_recid"
HONEST = [
    "sex", "age", "race", "juv_fel_count", "juv_misd_count", "juv_other_count", "priors_count",
    "c_charge_degree",
]  # fmt: skip
#: Arrests after the fact, and what another model made of the case.
LEAKING = ["is_recid", "is_violent_recid", "decile_score", "score_text", "v_decile_score"]
SHOWN = ["sex", "age", "priors_count", "juv_fel_count", "c_charge_degree"]


def main():
    parser = argparse.ArgumentParser(description="Audit a model of recidivism.")
    parser.add_argument("--data", help="COMPAS as CSV (default: made-up cases)")
    parser.add_argument(
        "--output", default="recidivism.html", help="the report (default: %(default)s)"
    )
    arguments = parser.parse_args()
    cases = made_up_cases() if arguments.data is None else pd.read_csv(arguments.data)
    train, test = train_test_split(cases, test_size=0.25, stratify=cases[TARGET], random_state=0)

    print(f"{len(train)} past cases, {len(test)} others to test on; accuracy")
    for name, columns in {"with": HONEST + LEAKING, "without": HONEST}.items():
        model = risk_model().fit(train[columns], train[TARGET])
        accuracy = model.score(test[columns], test[TARGET])
        print(f"  {accuracy:.3f}  {name} {', '.join(LEAKING)}")
    print(f"  {1 - test[TARGET].mean():.3f}  of 'no' for everyone")

    # The explainer takes the model that was fitted last, and tells whether these are its data.
    explainer = RelatIFExplainer.from_fitted(model, train[HONEST], train[TARGET])
    explain_false_alarm(explainer, train, test)

    print("\nThe report\n")
    report = explainer.audit(test[HONEST], test[TARGET], groups=train["race"])
    print(report.summary())
    print("\nWhat removing the past cases of a group does, by retraining\n")
    columns = ["rows", "accuracy", "suspects", "predictions_changed", "accuracy_change"]
    print(pd.DataFrame(report.groups).set_index("group")[columns].round(4).to_string())
    report.to_html(arguments.output, train[HONEST])
    print(f"\nReport: {arguments.output}")


def made_up_cases(n_cases=1200):
    """Cases with the columns that are used, and a risk that falls with age."""
    rng = np.random.default_rng(0)
    age = 18 + rng.gamma(2, 8, n_cases).astype(int)
    priors = rng.negative_binomial(1, 0.25, n_cases)
    felonies = rng.binomial(2, 0.05, n_cases)
    risk = expit(0.4 - 0.06 * (age - 25) + 0.25 * priors + 0.6 * felonies - 0.6)
    again = rng.random(n_cases) < risk
    score = np.clip(np.ceil(10 * risk + rng.normal(0, 1.5, n_cases)), 1, 10).astype(int)
    return pd.DataFrame(
        {
            "sex": rng.choice(["Male", "Female"], n_cases, p=[0.8, 0.2]),
            "age": age,
            "race": rng.choice(["group A", "group B", "group C"], n_cases, p=[0.5, 0.35, 0.15]),
            "juv_fel_count": felonies,
            "juv_misd_count": rng.binomial(3, 0.03, n_cases),
            "juv_other_count": rng.binomial(3, 0.03, n_cases),
            "priors_count": priors,
            "c_charge_degree": rng.choice(["F", "M"], n_cases, p=[0.65, 0.35]),
            "is_recid": (again | (rng.random(n_cases) < 0.04)).astype(int),
            "is_violent_recid": (again & (rng.random(n_cases) < 0.2)).astype(int),
            "decile_score": score,
            "score_text": pd.cut(score, [0, 4, 7, 10], labels=["Low", "Medium", "High"]).astype(
                str
            ),
            "v_decile_score": np.clip(score - rng.integers(-1, 3, n_cases), 1, 10),
            TARGET: again.astype(int),
        }
    )


def risk_model():
    columns = make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include="number")),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
    )
    return make_pipeline(columns, LogisticRegression(tol=1e-6, max_iter=1000))


def explain_false_alarm(explainer, train, test):
    """The surest wrong prediction of an arrest, by similar cases and by those it hangs on."""
    p_again = pd.Series(explainer.predict_proba(test[HONEST])[:, 1], index=test.index)
    person = test.loc[[p_again[test[TARGET] == 0].idxmax()], HONEST]
    print(
        f"\nCase {person.index[0]}: the model is {p_again[person.index[0]]:.0%} sure of an arrest "
        "that did not come."
    )
    print(person[SHOWN].to_string())
    print("\nPast cases that explain it, by relative influence\n")
    found = explainer.explain(person, n_examples=5).frame().set_index("row")
    table = train.loc[found.index, SHOWN].rename_axis(None)
    table["arrested"] = found["label"].map({0: "no", 1: "yes"})
    table["p(that)"] = found["probability"].round(2)
    print(table.to_string())

    nearest = test.loc[[(p_again - 0.5).where(p_again > 0.5).idxmin()], HONEST]
    print(f"\nCase {nearest.index[0]}, the least certain of those who are called a risk:")
    print(explainer.flip_set(nearest))


if __name__ == "__main__":
    main()
