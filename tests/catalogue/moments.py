"""Classifiers that are fitted by sums over the rows of their classes."""

import warnings

import numpy as np
from scipy import sparse
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import NearestCentroid
from sklearn.utils import get_tags

from tests.catalogue._case import Case

#: Fits are exact but for rounding.
EXACT = {"refits": 1e-9}


def _warns_of_sparse_rows():
    """Whether NearestCentroid scales sparse rows in a way that this release of SciPy warns of."""
    X = sparse.csr_matrix(np.eye(4))
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        NearestCentroid().fit(X, [0, 0, 1, 1]).predict_proba(X)
    return any(issubclass(one.category, sparse.SparseEfficiencyWarning) for one in found)


def _failures(*further):
    """Of scikit-learn's checks, those that give weights, and others."""
    return {"failures": TAKES_NO_WEIGHTS["failures"] | dict(further)}


NO_WEIGHTS = "The model takes no sample_weight."
TAKES_NO_WEIGHTS = {
    "failures": dict.fromkeys(
        [
            "check_sample_weights_pandas_series",
            "check_sample_weights_not_an_array",
            "check_sample_weights_list",
            "check_sample_weights_shape",
            "check_sample_weights_not_overwritten",
            "check_sample_weight_equivalence_on_dense_data",
            "check_classifiers_one_label_sample_weights",
        ],
        NO_WEIGHTS,
    )
}
HAS_SOLVERS = "solver" in QuadraticDiscriminantAnalysis().get_params()
WARNED_OF = ("array", "matrix") if _warns_of_sparse_rows() else ()
#: Whether this release tells of NearestCentroid that it takes sparse rows.
TOLD_OF = ("sparse_data",) if get_tags(NearestCentroid()).input_tags.sparse else ()
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
        LinearDiscriminantAnalysis(), "classes", **EXACT, **SINGULAR, **TAKES_NO_WEIGHTS
    ),
    "LinearDiscriminantAnalysis, shrunk": Case(
        LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.2),
        "classes",
        **EXACT,
        **TAKES_NO_WEIGHTS,
    ),
    "QuadraticDiscriminantAnalysis": Case(
        QuadraticDiscriminantAnalysis(reg_param=0.1),
        "binary",
        **EXACT,
        # Older releases warn where newer ones do not mind.
        **_failures(*[] if HAS_SOLVERS else [("check_dtype_object", "It has few rows.")]),
    ),
    "NearestCentroid": Case(
        # It warns of constant columns.
        NearestCentroid(),
        "classes",
        loss=squared_margin,
        takes_hostile_columns=False,
        **_failures(
            *((f"check_sample_weight_equivalence_on_{rows}", NO_WEIGHTS) for rows in TOLD_OF),
            *((f"check_estimator_sparse_{kind}", "It warns.") for kind in WARNED_OF),
        ),
        **EXACT,
    ),
}
