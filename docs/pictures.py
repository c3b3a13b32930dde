"""Draw the pictures of the front page and of the page on pictures, into docs/images.

    python docs/pictures.py

The data ship with scikit-learn.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.plotting import (
    GalleryDisplay,
    LeverageDisplay,
    RemovalFidelityDisplay,
    SelfInfluenceDisplay,
)

IMAGES = Path(__file__).parent / "images"

# Digits: the training row that comes first for most predictions by influence, and three of these.
X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
explainer = RelatIFExplainer(model).fit(X_train, y_train)
explanations = explainer.explain(X_test, n_examples=3, criterion=["influence", "loss_relative"])
first = explanations["influence"].indices[:, 0]
hub = np.bincount(first).argmax()
queries = np.flatnonzero(first == hub)[:3]
shown = {name: explanation[queries] for name, explanation in explanations.items()}
gallery = GalleryDisplay.from_explanations(shown, X_train, X_test[queries], labels=y_test[queries])
gallery.figure_.savefig(IMAGES / "digits.png", dpi=130)

print(
    f"row {hub}, labelled {y_train[hub]}, which the model gives a probability of "
    f"{explainer.training_rows_.probabilities[hub]:.2f}, comes first for {np.sum(first == hub)} of "
    f"{len(first)} predictions by influence"
)
for criterion, explanation in explanations.items():
    print(f"{criterion}: {len(np.unique(explanation.indices[:, 0]))} rows come first")

# Breast cancer: the rows, and how faithful the scores are.
X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
model = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-8))
explainer = RelatIFExplainer(model, criterion="influence", random_state=0).fit(X_train, y_train)
displays = {
    "self_influence": SelfInfluenceDisplay.from_estimator(explainer, X_test),
    "leverage": LeverageDisplay.from_estimator(explainer),
    "fidelity": RemovalFidelityDisplay.from_estimator(explainer, X_test, y_test),
}
for name, display in displays.items():
    display.figure_.savefig(IMAGES / f"{name}.png", dpi=80)
