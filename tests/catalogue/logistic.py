"""Logistic regression."""

from sklearn.linear_model import LogisticRegression

from tests.catalogue._case import Case

TIGHT = {"solver": "newton-cg", "tol": 1e-10, "max_iter": 1000}
CASES = {
    "LogisticRegression": Case(LogisticRegression(**TIGHT), "binary"),
    "LogisticRegression, softmax": Case(LogisticRegression(C=0.5, **TIGHT), "classes"),
}
