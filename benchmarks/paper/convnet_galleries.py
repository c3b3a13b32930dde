"""Figures 5, 7, 9, 10 and 11: pictures of CIFAR-10 and the rows that explain them."""

import numpy as np

from . import galleries, report
from .galleries import N_SHOWN, SEED, Strip
from .study import CRITERIA, NAMES

#: Inches that a picture and its caption take.
PANEL = 0.6, 0.88
#: Of the palette of a gallery, which keeps its file small.
N_COLORS = 256

#: What the labels of CIFAR-10 stand for.
CLASSES = np.array(
    [*("plane", "car", "bird", "cat", "deer"), *("dog", "frog", "horse", "ship", "truck")]
)


def strip(heading, pictures, labels, predictions):
    """Pictures side by side, captioned by the names of their classes."""
    labels, predictions = CLASSES[labels], CLASSES[predictions]
    # Two lines each, so that pictures of all strips stand in rows.
    captions = [
        f"\n{own}" if own == found else f"{own}\n→{found}"
        for own, found in zip(labels, predictions, strict=True)
    ]
    return Strip(heading, pictures, captions)


class Album:
    """Pictures of queries and training rows, with their labels and predictions.

    Parameters
    ----------
    pictures : tuple of ndarray of shape (n, height, width, 3)
        Of training and test rows.
    y_test, predictions : ndarrays of int, shape (n_test,)
    training_rows : TrainingRows
    """

    def __init__(self, pictures, y_test, predictions, training_rows):
        self.train, self.test = pictures
        self.y_test = y_test
        self.predictions = predictions
        self.training_rows = training_rows

    def query(self, query):
        """The strip of a query alone."""
        own = slice(query, query + 1)
        return strip("query", self.test[own], self.y_test[own], self.predictions[own])

    def rows(self, heading, rows):
        """The strip of the first of some training rows."""
        rows = rows[rows >= 0][:N_SHOWN]
        labels, predictions = self.training_rows.labels[rows], self.training_rows.predictions[rows]
        return strip(heading, self.train[rows], labels, predictions)

    def lines(self, explanations, methods, queries):
        """A line for each query: itself, and its best rows by each method."""
        return [
            [
                self.query(query),
                *(self.rows(NAMES[name], explanations[name].indices[query]) for name in methods),
            ]
            for query in queries
        ]

    def two_labels(self, queries, labels, explanation):
        """A line for each ambiguous query: itself, and what supports each of two labels."""
        found = explanation.indices.reshape(len(queries), 2, -1)
        return [
            [
                self.query(query),
                *(
                    self.rows(f"supports {CLASSES[label]}", rows)
                    for label, rows in zip(pair, both, strict=True)
                ),
            ]
            for query, pair, both in zip(queries, labels, found, strict=True)
        ]


def draw_queries(is_wrong, n_wrong, n_right):
    """Queries at random, the misclassified ones first."""
    rng = np.random.default_rng(SEED)
    return np.concatenate(
        [
            rng.choice(np.flatnonzero(kind), size, replace=False)
            for kind, size in ((is_wrong, n_wrong), (~is_wrong, n_right))
        ]
    )


def same_label(indices, labels, predictions):
    """Share of the first rows of all queries that have the label that is predicted."""
    shown = indices[:, :N_SHOWN]
    return float(np.mean((labels[shown] == predictions[:, None]) & (shown >= 0)))


def run(study):
    """The pictures of each gallery, and the row that IF chooses most often."""
    sets = study.load("convnet_table1")
    explanations, predictions = sets["explanations"], sets["predictions"]
    y_test = study.cifar.y_test
    training_rows = explanations["influence"].training_rows
    album = Album(study.cifar_pictures, y_test, predictions, training_rows)
    queries = draw_queries(predictions != y_test, 3, 3)
    row, asked = galleries.hub(explanations)
    return {
        "convnet_gallery": album.lines(explanations, CRITERIA, queries),
        "convnet_neighbors": album.lines(
            explanations, ("loss_relative", "nearest_neighbors"), queries
        ),
        "convnet_labels": album.two_labels(*sets["ambiguous"]),
        "same_label": {
            name: same_label(explanations[name].indices, training_rows.labels, predictions)
            for name in ("influence", "loss_relative", "nearest_neighbors")
        },
        "hub": {
            "count": len(asked),
            "relative_count": int((explanations["loss_relative"].indices[:, 0] == row).sum()),
            "label": CLASSES[training_rows.labels[row]],
            "prediction": CLASSES[training_rows.predictions[row]],
            "probability": float(training_rows.probabilities[row]),
        },
    }


def write(results, folder):
    for name in ("convnet_gallery", "convnet_neighbors", "convnet_labels"):
        galleries.draw(results[name], folder / f"{name}.png", panel=PANEL, n_colors=N_COLORS)
    hub = results["hub"]
    text = report.paragraph(
        f"""A caption of two lines is a label and, below it, what the network takes the picture for
        instead. Six queries drawn at random, the first three of them misclassified. The training
        picture that is IF's first choice most often comes first for {hub["count"]:,} of the 10,000
        queries (for {hub["relative_count"]:,} with ℓ-RelatIF): labelled {hub["label"]}, predicted
        {hub["prediction"]}, with a probability of {hub["probability"]:.2g} for its label."""
    )
    same = {NAMES[name]: share for name, share in results["same_label"].items()}
    of_neighbors = report.paragraph(
        f"""The same queries, with their nearest training pictures by the distance of the pixels.
        Over all queries, of the best {N_SHOWN} rows these shares have the label that is predicted:
        {", ".join(f"{name} {share:.1%}" for name, share in same.items())}."""
    )
    of_labels = report.paragraph(
        f"""The {len(results["convnet_labels"])} test pictures whose two most probable labels are
        closest, and the rows that support each of them (ℓ-RelatIF), from one call `explain(X,
        labels)`:"""
    )
    return f"""## Figures 5 and 7: ConvNet, queries and their best rows

{text}

![Pictures of CIFAR-10 and their best rows by three methods](convnet_gallery.png)

## Figure 9: ConvNet, RelatIF beside nearest neighbours

{of_neighbors}

![Best rows by relative influence beside nearest neighbours](convnet_neighbors.png)

## Figures 10 and 11: ConvNet, two labels of an ambiguous picture

{of_labels}

![What supports each of two labels](convnet_labels.png)
"""
