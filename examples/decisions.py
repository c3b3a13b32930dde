"""
May this conclusion be relied on?
=================================

May this conclusion be relied on? An effect of blood pressure, from the data to a deleted patient.

.. code-block:: bash

    python examples/decisions.py
    python examples/decisions.py --output effects.png

A study of 442 diabetics says: where blood pressure is high, the disease takes a severe course; and
where blood sugar is. Before anyone acts on that, four questions:

1. Does the model rest on patients of one age? The effect of each decade of age on predictions for
   other patients, with a bound on its error.
2. On how few patients do the two effects rest?
3. Would the conclusion be another if scaling and penalty had been found without a decade, too?
4. A patient takes back her consent. What is the model that has never seen her, and does it say the
   same?

It ends in a picture of both effects as the patients leave on whom they rest most. Needs pandas and
matplotlib. The data ship with scikit-learn.
"""

import argparse
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relatif import RelatIFExplainer

EFFECTS = {"bp": "blood pressure", "s6": "blood sugar"}


def main():
    parser = argparse.ArgumentParser(description="Audit a conclusion from end to end.")
    parser.add_argument(
        "--output", default="decisions.png", help="the picture (default: %(default)s)"
    )
    arguments = parser.parse_args()

    patients, progress = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    outcome = (progress > 150).map({True: "severe", False: "mild"})
    X_train, X_test, y_train, y_test = train_test_split(
        patients, outcome, stratify=outcome, random_state=0
    )
    explainer = RelatIFExplainer(searched_model()).fit(X_train, y_train)
    effects = effects_of(explainer.estimator_.best_estimator_)
    print("One standard deviation more, and the odds of a severe course are multiplied by")
    for column, name in EFFECTS.items():
        print(f"  {np.exp(effects[column]):.2f} for {name} ({column}: {effects[column]:+.3f})")

    decade = X_train["age"].astype(int) // 10 * 10
    title("1. Does it rest on patients of one age?")
    print_decades(explainer, X_test, y_test, decade)

    title("2. On how few patients do the effects rest?")
    fragile = {column: explainer.fragility(f"coef:{column}") for column in EFFECTS}
    for found in fragile.values():
        print(fill(str(found), 100))

    title("3. And if scaling and penalty had been found without them, too?")
    models = print_whole_fits(explainer, X_test, y_test, decade)

    title("4. A patient takes back her consent")
    models.append(print_without(explainer, fragile["bp"].positions[0]))

    title("So")
    for column, name in EFFECTS.items():
        least = min(effects_of(model)[column] for model in models)
        print(
            f"Effect of {name}: {least:+.3f} or more in all of these models; "
            f"{fragile[column].share:.1%} of the patients decide its sign"
        )
    save_picture(explainer, fragile, arguments.output)


def searched_model():
    """Columns are standardised, and the penalty is chosen among 7 in five folds."""
    model = make_pipeline(StandardScaler(), LogisticRegression(solver="newton-cholesky"))
    penalties = {"logisticregression__C": np.logspace(-2, 1, 7)}
    return GridSearchCV(model, penalties, scoring="neg_log_loss")


def effects_of(pipeline):
    """The coefficients by the names of their columns: log odds for a standard deviation."""
    return dict(zip(pipeline.feature_names_in_, pipeline[-1].coef_[0], strict=True))


def title(text):
    print(f"\n\n{text}\n{'-' * len(text)}")


def print_decades(explainer, X_test, y_test, decade):
    """What each decade does to the loss of other patients, to more digits than are shown."""
    change, bounds = explainer.removal_effect_on(
        "log_loss", X_test, y_test, groups=decade, order="auto", return_bounds=True
    )
    loss = log_loss(y_test, explainer.predict_proba(X_test))
    print(f"The log loss of {len(X_test)} other patients, {loss:.4f}, changes without the patients")
    for age, size in decade.value_counts(sort=False).sort_index().items():
        print(f"  of {age} to {age + 9}: {size:3} patients {change['change'][age]:+.4f}")
    print(
        f"Retraining would give the same, but for {bounds['change'].max():.0e} at most. Above 0: "
        "they help"
    )


def print_whole_fits(explainer, X_test, y_test, decade):
    """Do all that fit does without one decade after the other; return the models."""
    _, parts = explainer.removal_effect_on(
        "log_loss", X_test, y_test, groups=decade, procedure="all", return_parts=True
    )
    print(fill(str(parts), 100))
    without = [np.flatnonzero(decade == age) for age in sorted(decade.unique())]
    searches = explainer.retrain_without(without, procedure="all")
    models = [search.best_estimator_ for search in searches]
    for column, name in EFFECTS.items():
        values = [effects_of(model)[column] for model in models]
        print(f"Effect of {name} in these models: {min(values):+.3f} to {max(values):+.3f}")
    return models


def print_without(explainer, position):
    """Take the patient out of the model; return that of the others."""
    forgotten = explainer.without(position)
    print(fill(str(forgotten.removed_), 100))
    before = effects_of(explainer.estimator_.best_estimator_)
    after = effects_of(forgotten.estimator_)
    for column, name in EFFECTS.items():
        print(f"Effect of {name}: {before[column]:+.3f} with her, {after[column]:+.3f} without")
    return forgotten.estimator_


def save_picture(explainer, fragile, path):
    """Both effects as the patients leave, one by one, on whom they rest most."""
    figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
    for column, found in fragile.items():
        leaving = [found.positions[:size] for size in range(found.size + 1)]
        models = explainer.retrain_without(leaving)
        ax.plot([effects_of(model)[column] for model in models], ".-", label=EFFECTS[column])
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(xlabel="patients that have left", ylabel="effect (log odds)")
    ax.set_title(f"Of {found.n_rows} patients, a few decide an effect's sign")
    ax.legend()
    figure.savefig(path, dpi=120)
    print(f"\nPicture: {path}")


if __name__ == "__main__":
    main()
