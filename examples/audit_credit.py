"""
Why was this applicant refused?
===============================

Audit a credit model by its training rows: German credit, a pipeline on a data frame.

.. code-block:: bash

    python examples/audit_credit.py
    python examples/audit_credit.py --data my_copy_of_german_credit.csv --output refusal.png

Three questions of an audit:

1. Which past cases speak for a refusal? Asked of influence (IF) and of relative influence
   (RelatIF), side by side. The cases of RelatIF resemble the applicant; those of IF are mostly
   cases that the model fits badly, the same ones for many applicants.
2. Which past cases deserve a second look, as label errors or unusual cases?
3. Which past cases are hubs, that come first in the explanations of many applicants?

It ends in a picture of the cases for and against the refusal. Needs pandas and matplotlib. Source
and licence of the data: data/SOURCES.md.
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

DATA = Path(sys.argv[0]).parent / "data" / "german_credit.csv"
CRITERIA = {"influence": "IF", "loss_relative": "RelatIF"}
OUTCOME = "class"

# The columns that are shown, and what their codes mean, in short. data/SOURCES.md has the full
# words, and says why they are not the ones that are often quoted. The model uses all columns.
SHOWN = {
    "status": "account",
    "credit_history": "credits",
    "purpose": "purpose",
    "credit_amount": "amount",
    "duration": "months",
    "savings": "savings",
    "employment": "employed",
    "age": "age",
}
WORDS = {
    "status": {"A11": "none", "A12": "< 0 DM", "A13": "< 200 DM", "A14": ">= 200 DM"},
    "credit_history": {
        "A30": "paid late",
        "A31": "critical",
        "A32": "none open",
        "A33": "paying",
        "A34": "paid here",
    },
    "purpose": {
        "A40": "other",
        "A41": "new car",
        "A42": "used car",
        "A43": "furniture",
        "A44": "radio, TV",
        "A45": "appliances",
        "A46": "repairs",
        "A47": "education",
        "A48": "vacation",
        "A49": "retraining",
        "A410": "business",
    },
    "savings": {
        "A61": "none",
        "A62": "< 100 DM",
        "A63": "< 500 DM",
        "A64": "< 1000 DM",
        "A65": ">= 1000 DM",
    },
    "employment": {
        "A71": "unemployed",
        "A72": "< 1 year",
        "A73": "1-4 years",
        "A74": "4-7 years",
        "A75": ">= 7 years",
    },
}


def main():
    parser = argparse.ArgumentParser(description="Audit a credit model by its training rows.")
    parser.add_argument("--data", default=DATA, help="German credit as CSV (default: %(default)s)")
    parser.add_argument(
        "--output", default="audit_credit.png", help="the picture (default: %(default)s)"
    )
    arguments = parser.parse_args()

    applicants = pd.read_csv(arguments.data)
    outcome = applicants.pop(OUTCOME)
    X_train, X_test, y_train, y_test = train_test_split(
        applicants, outcome, test_size=0.2, stratify=outcome, random_state=0
    )
    explainer = RelatIFExplainer(credit_model()).fit(X_train, y_train)
    print_model(explainer, X_test, y_test)

    # The refusal that the model is most certain of.
    p_bad = explainer.predict_proba(X_test)[:, list(explainer.classes_).index("bad")]
    applicant = X_test.iloc[[p_bad.argmax()]]
    title(
        f"1. Applicant {applicant.index[0]} is refused: p(bad) = {p_bad.max():.2f}. By which cases?"
    )
    print_refusal(explainer, X_train, applicant)

    # One pass over the data gives the explanations of all applicants in both criteria.
    explanations = explainer.explain(X_test, n_examples=1, criterion=list(CRITERIA))
    first = {name: explanations[criterion].frame() for criterion, name in CRITERIA.items()}
    title(f"The case that comes first, over all {len(X_test)} applicants")
    print_first_cases(first, X_train, X_test)

    title("2. Cases that deserve a second look: the highest influence on themselves")
    print_second_look(explainer, X_train, y_train)

    title("3. Hubs: the cases that come first for the most applicants under IF")
    print_hubs(first, X_train)
    save_picture(explainer, applicant, arguments.output)


def credit_model():
    """Words become indicators and numbers are standardised; then a logistic regression."""
    columns = make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include="number")),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
    )
    return make_pipeline(columns, LogisticRegression(C=0.1))


def readable(applicants):
    """The shown columns, in words."""
    shown = applicants[list(SHOWN)].copy()
    for column, words in WORDS.items():
        shown[column] = [words.get(code, code) for code in shown[column]]
    return shown.rename(columns=SHOWN)


def brief(applicants):
    return readable(applicants).drop(columns=["employed", "age"])


def same_columns(some, others):
    """In how many columns the rows of two frames of one shape agree."""
    return (some.to_numpy() == others.to_numpy()).sum(axis=1)


def title(text):
    print(f"\n\n{text}\n{'-' * len(text)}")


def print_model(explainer, X_test, y_test):
    predicted = explainer.predict(X_test)
    print(
        f"{len(explainer.self_influence_)} past cases to train on, {len(X_test)} applicants\n"
        f"test accuracy {np.mean(predicted == y_test):.3f}; "
        f"'good' for everyone would give {np.mean(y_test == 'good'):.3f}\n"
        f"{np.sum(predicted == 'bad')} applicants refused\n"
        f"fit {explainer.distance_to_optimum_:.1e} standard errors from its optimum; above 0.3 "
        "the scores mislead"
    )


def print_refusal(explainer, X_train, applicant):
    """The applicant, and beside it the past cases that speak most for the refusal."""
    explanations = explainer.explain(applicant, n_examples=3, criterion=list(CRITERIA))
    blocks = {"applicant": readable(applicant).T}
    for criterion, name in CRITERIA.items():
        found = explanations[criterion].frame().set_index("row")
        cases = X_train.loc[found.index]
        block = readable(cases)
        block["same columns"] = same_columns(cases, applicant)
        block["outcome"] = found["label"]
        block["p(outcome)"] = found["probability"].map("{:.2f}".format)
        block["score"] = found["score"].map("{:.2f}".format)
        blocks[f"by {name}"] = block.T
    print(pd.concat(blocks, axis=1).fillna("").to_string())
    print(
        f"\nsame columns: in how many of the {X_train.shape[1]} columns the case agrees with the "
        "applicant\np(outcome): the model's probability of what really happened in the case"
    )


def print_first_cases(first, X_train, X_test):
    """Do the explanations resemble what they explain, and do they differ between applicants?"""
    lines = {}
    for name, frame in first.items():
        cases, applicants = X_train.loc[frame["row"]], X_test.loc[frame["query"]]
        lines[name] = {
            "distinct cases": str(frame["row"].nunique()),
            "mean p(outcome)": frame.drop_duplicates("row")["probability"].mean(),
            "mean of same columns": same_columns(cases, applicants).mean(),
            "outcome as predicted": f"{np.mean(frame['label'] == frame['target']):.0%}",
        }
    print(pd.DataFrame.from_dict(lines, orient="index").round(2).to_string())


def print_second_look(explainer, X_train, y_train):
    """The cases that pull the model towards themselves hardest."""
    outcomes = pd.get_dummies(y_train)[explainer.classes_].to_numpy(bool)
    cases = brief(X_train)
    cases["outcome"] = y_train
    cases["p(outcome)"] = explainer.predict_proba(X_train)[outcomes]
    cases["on itself"] = explainer.self_influence_
    print(cases.nlargest(8, "on itself").round(2).to_string())
    print(
        "\nA low p(outcome) says that the model expected the opposite: the outcome may be recorded "
        "wrongly,\nor the columns do not tell what made the case unusual."
    )


def print_hubs(first, X_train):
    """Cases that explain many applicants under influence, and what RelatIF makes of them."""
    times = {name: frame["row"].value_counts() for name, frame in first.items()}
    hubs = times["IF"].index[:5]
    known = first["IF"].drop_duplicates("row").set_index("row").loc[hubs]
    table = brief(X_train.loc[hubs]).rename_axis(None)
    table["outcome"] = known["label"]
    table["p(outcome)"] = known["probability"].round(2)
    for name, counts in times.items():
        table[name] = counts.reindex(hubs, fill_value=0)
    print(table.to_string())
    print("\nIF, RelatIF: the number of applicants for whom the case comes first")
    for name, counts in times.items():
        share = counts.iloc[:10].sum() / counts.sum()
        print(f"The ten most frequent cases come first for {share:.0%} of the applicants by {name}")


def save_picture(explainer, applicant, path):
    """The strongest cases for and against the refusal, in both criteria."""
    both = explainer.explain(applicant, n_examples=8, sign="absolute", criterion=list(CRITERIA))
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
    for axis, (criterion, name) in zip(axes, CRITERIA.items(), strict=True):
        both[criterion].plot(ax=axis).ax_.set_title(name)
    figure.suptitle(f"Applicant {applicant.index[0]}: cases for and against the refusal")
    figure.savefig(path, dpi=120)
    print(f"\nPicture: {path}")


if __name__ == "__main__":
    main()
