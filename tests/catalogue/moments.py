"""Classifiers that are fitted by sums over the rows of their classes."""

import numpy as np
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import NearestCentroid

from tests.catalogue._case import Case

#: Fits are exact but for rounding.
EXACT = {"refits": 1e-9}


#: A covariance without an inverse is refused.
SINGULAR = {"takes_hostile_columns": False}


def squared_margin(model, X, y):
    """The squared distance from the label's centroid, less that from the nearest other."""
    rows, label = np.arange(len(X)), np.searchsorted(model.classes_, y)
    squares = ((X[:, None] - model.centroids_) ** 2).sum(axis=2)
    own = squares[rows, label]
    squares[rows, label] = np.inf
    return own - squares.min(axis=1)


CASES = {
    "GaussianNB": Case(GaussianNB(), "classes", **EXACT),
    "MultinomialNB": Case(MultinomialNB(alpha=0.5), "words", **EXACT),
    "CategoricalNB": Case(
        # Columns of other numbers are other categories.
        CategoricalNB(min_categories=60),
        "words",
        takes_hostile_columns=False,
        **EXACT,
    ),
    "ComplementNB": Case(ComplementNB(), "words", **EXACT),
    "BernoulliNB": Case(BernoulliNB(), "binary", **EXACT),
    "LinearDiscriminantAnalysis": Case(
        LinearDiscriminantAnalysis(), "classes", **EXACT, **SINGULAR
    ),
    "LinearDiscriminantAnalysis, shrunk": Case(
        LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.2),
        "classes",
        **EXACT,
    ),
    "QuadraticDiscriminantAnalysis": Case(
        QuadraticDiscriminantAnalysis(reg_param=0.1),
        "binary",
        **EXACT,
    ),
    "NearestCentroid": Case(
        # It warns of constant columns.
        NearestCentroid(),
        "classes",
        loss=squared_margin,
        takes_hostile_columns=False,
        **EXACT,
    ),
}
