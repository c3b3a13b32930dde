"""Draw the pictures of the front page and of the guide.

    python docs/pictures.py

It writes digits.png, rows.png, cooks_distance.png, fidelity.png, curves.png, heatmap.png and,
where a Chromium is found, report.png to docs/images. The data ship with scikit-learn or are those
of the examples.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.cli._command import main
from sklearn_relatif.metrics import plant_label_errors
from sklearn_relatif.plotting import (
    CooksDistanceDisplay,
    DetectionCurveDisplay,
    GalleryDisplay,
    InfluenceHeatmapDisplay,
    LeverageDisplay,
    RemovalCurveDisplay,
    RemovalFidelityDisplay,
    SelfInfluenceDisplay,
)

DOCS = Path(__file__).resolve().parent
CREDIT = DOCS.parent / "examples" / "data" / "german_credit.csv"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def split(X, y):
    return train_test_split(X, y, stratify=y, random_state=0)


def two_panels():
    return plt.subplots(1, 2, figsize=(10, 4), layout="constrained")


def save(figure, name, dpi=80):
    path = DOCS / "images" / name
    figure.savefig(path, dpi=dpi)
    shrink(path)


def shrink(path):
    """Few colours need few values: half of the bytes."""
    Image.open(path).convert("RGB").quantize(128).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def draw_digits():
    """The row that comes first for most predictions by influence, and three of these."""
    X_train, X_test, y_train, y_test = split(*load_digits(return_X_y=True))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    explainer = RelatIFExplainer(model).fit(X_train, y_train)
    explanations = explainer.explain(X_test, n_examples=3, criterion=["influence", "loss_relative"])
    first = explanations["influence"].indices[:, 0]
    hub = np.bincount(first).argmax()
    queries = np.flatnonzero(first == hub)[:3]
    shown = {name: explanation[queries] for name, explanation in explanations.items()}
    gallery = GalleryDisplay.from_explanations(
        shown, X_train, X_test[queries], labels=y_test[queries]
    )
    save(gallery.figure_, "digits.png", dpi=130)
    print(
        f"row {hub}, labelled {y_train[hub]}, which the model gives a probability of "
        f"{explainer.training_rows_.probabilities[hub]:.2f}, comes first for "
        f"{np.sum(first == hub)} of {len(first)} predictions by influence"
    )
    for criterion, explanation in explanations.items():
        print(f"{criterion}: {len(np.unique(explanation.indices[:, 0]))} rows come first")


def draw_displays():
    X_train, X_test, y_train, y_test = split(*load_breast_cancer(return_X_y=True))
    model = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-8, max_iter=1000))
    explainer = RelatIFExplainer(model, random_state=0).fit(X_train, y_train)

    figure, (left, right) = two_panels()
    SelfInfluenceDisplay.from_estimator(explainer, X_test, ax=left)
    LeverageDisplay.from_estimator(explainer, ax=right)
    save(figure, "rows.png")

    figure, axes = two_panels()
    for ax, order in zip(axes, ("first", "newton"), strict=True):
        RemovalFidelityDisplay.from_estimator(explainer, X_test, y_test, order=order, ax=ax)
    save(figure, "fidelity.png")

    figure, (left, right) = two_panels()
    CooksDistanceDisplay.from_estimator(explainer, ax=left)
    regression = RelatIFExplainer(LinearRegression()).fit(*load_diabetes(return_X_y=True))
    CooksDistanceDisplay.from_estimator(regression, ax=right)
    save(figure, "cooks_distance.png")

    labels, is_wrong = plant_label_errors(y_train, 0.1, random_state=0)
    noisy = RelatIFExplainer(model).fit(X_train, labels)
    figure, (left, right) = two_panels()
    DetectionCurveDisplay.from_estimator(noisy, is_wrong, ax=left)
    rankings = ["self_influence", "loss"]
    removal = RemovalCurveDisplay.from_estimator(
        noisy, X_test, y_test, rankings=rankings, scoring="neg_log_loss", random_state=0, ax=right
    )
    save(figure, "curves.png")
    print({name: scores.round(3).tolist() for name, scores in removal.scores.items()})


def draw_heatmap():
    X_train, X_test, y_train, y_test = split(*load_digits(return_X_y=True))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    explainer = RelatIFExplainer(model).fit(X_train, y_train)
    wrong = np.flatnonzero(explainer.predict(X_test) != y_test)[:8]
    heatmap = InfluenceHeatmapDisplay.from_estimator(explainer, X_test[wrong])
    save(heatmap.figure_, "heatmap.png")


def draw_report():
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print("report.png: not drawn, there is no Chromium")
        return
    path = DOCS / "images" / "report.png"
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        command = ["audit", str(CREDIT), "--target", "class", "--groups", "purpose"]
        if main([*command, "--output", str(page)]) != 0:
            raise RuntimeError("The command did not write the report.")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        options += [f"--user-data-dir={folder}/profile", "--window-size=1180,1560"]
        options += [f"--screenshot={path}", page.as_uri()]
        subprocess.run([browser, *options], check=True, capture_output=True, timeout=120)
    shrink(path)


if __name__ == "__main__":
    draw_digits()
    draw_displays()
    draw_heatmap()
    draw_report()
