"""Figures 3, 4 and 8, and the explanations by label: pictures of queries and their rows."""

from typing import NamedTuple

import numpy as np

from sklearn_relatif import RelatIFExplainer

from . import report
from .study import DAMPING, NAMES

N_SHOWN = 5
N_QUERIES = 6
SEED = 0


class Strip(NamedTuple):
    """Pictures side by side.

    Attributes
    ----------
    heading : str
    pictures : ndarray of shape (n, side, side)
    captions : list of str
        "4" for a 4 that is predicted as one, "4→9" for one that is predicted as a 9.
    """

    heading: str
    pictures: np.ndarray
    captions: list


def strip(heading, X, labels, predictions):
    side = round(X.shape[1] ** 0.5)
    captions = [f"{a}" if a == b else f"{a}→{b}" for a, b in zip(labels, predictions, strict=True)]
    pictures = np.round(255 * X).astype(np.uint8).reshape(-1, side, side)
    return Strip(heading, pictures, captions)


def rows_strip(heading, images, training_rows, rows):
    """The strip of some training rows."""
    rows = rows[rows >= 0]
    labels, predictions = training_rows.labels[rows], training_rows.predictions[rows]
    return strip(heading, images.X_train[rows], labels, predictions)


def gallery(images, model, explanations, queries):
    """A line for each query: itself, and its best rows by each method."""
    training_rows = explanations["influence"].training_rows
    predictions = model.predict(images.X_test[queries])
    lines = []
    for query, predicted in zip(queries, predictions, strict=True):
        own = strip("query", images.X_test[[query]], images.y_test[[query]], [predicted])
        lines.append(
            [own]
            + [
                rows_strip(NAMES[method], images, training_rows, one.indices[query, :N_SHOWN])
                for method, one in explanations.items()
            ]
        )
    return lines


def draw_queries(images, model):
    """Queries for a gallery, half of them misclassified."""
    rng = np.random.default_rng(SEED)
    is_wrong = model.predict(images.X_test) != images.y_test
    half = N_QUERIES // 2
    return np.concatenate(
        [rng.choice(np.flatnonzero(kind), half, replace=False) for kind in (is_wrong, ~is_wrong)]
    )


def hub(explanations):
    """The row that comes first for most queries under IF, and these queries."""
    first = explanations["influence"].indices[:, 0]
    rows, counts = np.unique(first[first >= 0], return_counts=True)
    row = rows[counts.argmax()]
    return int(row), np.flatnonzero(first == row)


def ambiguous(model, X, n_queries):
    """The queries whose two most probable labels are closest, and these labels."""
    probabilities = model.predict_proba(X)
    order = np.argsort(-probabilities, axis=1)[:, :2]
    best, second = np.take_along_axis(probabilities, order, axis=1).T
    queries = np.argsort(best - second)[:n_queries]
    return queries, model.classes_[order[queries]]


def by_label(images, model, n_queries=3):
    """A line for each ambiguous query: itself, and what supports each of two labels."""
    queries, labels = ambiguous(model, images.X_test, n_queries)
    explainer = RelatIFExplainer.from_fitted(model, images.X_train, images.y_train, damping=DAMPING)
    explanation = explainer.explain(images.X_test[queries], labels, n_examples=N_SHOWN)
    indices = explanation.indices.reshape(n_queries, 2, N_SHOWN)
    lines = []
    for query, pair, found in zip(queries, labels, indices, strict=True):
        own = strip("query", images.X_test[[query]], images.y_test[[query]], pair[:1])
        sides = [
            rows_strip(f"supports {label}", images, explanation.training_rows, rows)
            for label, rows in zip(pair, found, strict=True)
        ]
        lines.append([own, *sides])
    return lines


def run(study):
    model = study.load("models")["weak"]["model"]
    images = study.images_as(np.float32)
    explanations = study.load("table1")["explanations"]
    row, queries = hub(explanations)
    training_rows = explanations["influence"].training_rows
    shown = np.random.default_rng(SEED).choice(queries, min(4, len(queries)), replace=False)
    return {
        "gallery": gallery(images, model, explanations, draw_queries(images, model)),
        "hub": gallery(images, model, explanations, shown),
        "hub_count": len(queries),
        "hub_label": training_rows.labels[row],
        "hub_prediction": training_rows.predictions[row],
        "hub_probability": float(training_rows.probabilities[row]),
        "by_label": by_label(images, model),
    }


def write(results, folder):
    for name in ("gallery", "hub", "by_label"):
        draw(results[name], folder / f"{name}.png")
    return f"""## Figures 3, 4 and 8: pictures

"4→9" is a 4 that the model takes for a 9. Six queries, the first three misclassified, and their
best five rows by each method, θ beside ℓ:

![Queries and their best rows](gallery.png)

The training picture that is IF's first choice for most queries, {results["hub_count"]} of the
10,000: labelled {results["hub_label"]}, predicted {results["hub_prediction"]}, with a probability
of {results["hub_probability"]:.2g} for its label. Four of these queries:

![Queries that share IF's first choice](hub.png)

## Appendices E and G: explanations by label

The three queries whose two most probable labels are closest, and the rows that support each of
them (ℓ-RelatIF), from one call `explain(X, labels)` with two columns of labels:

![What supports each of two labels](by_label.png)
"""


def draw(lines, path, panel=(0.55, 0.8), n_colors=None):
    """Draw lines of strips, with a gap between strips.

    Parameters
    ----------
    lines : list of list of Strip
    path : path
    panel : tuple of float
        Width and height of a picture with its caption, in inches.
    n_colors : int or None
        As of :func:`report.save`.
    """
    widths = [len(lines[0][0].pictures), *[N_SHOWN] * (len(lines[0]) - 1)]
    figure = report.new_figure(panel[0] * sum(widths) + 0.4, panel[1] * len(lines) + 0.3)
    parts = figure.subfigures(1, len(widths), width_ratios=widths)
    for place, (part, width) in enumerate(zip(parts, widths, strict=True)):
        part.suptitle(lines[0][place].heading if len(lines[0]) > 3 else "", fontsize="small")
        panels = part.subplots(len(lines), width, squeeze=False)
        for ax in panels.ravel():
            ax.axis("off")
        for axes, line in zip(panels, lines, strict=True):
            one = line[place]
            for ax, picture, caption in zip(axes, one.pictures, one.captions, strict=False):
                # Those in colour are shown as they are.
                ax.imshow(picture, cmap="gray_r", vmin=0, vmax=255)
                color = "#D55E00" if "→" in caption else "black"
                ax.set_title(caption, fontsize=7, color=color, pad=2)
            if len(line) == 3 and place:
                axes[0].text(
                    -0.05,
                    0.5,
                    one.heading,
                    fontsize=6,
                    rotation=90,
                    transform=axes[0].transAxes,
                    ha="right",
                    va="center",
                )
    report.save(figure, path, n_colors)
