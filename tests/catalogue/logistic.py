"""Logistic regression."""

from sklearn.linear_model import LogisticRegression

from tests.catalogue._case import Case

CASES = {
    "LogisticRegression": Case(LogisticRegression(tol=1e-10), "binary"),
    "LogisticRegression, softmax": Case(
        # Its solver arrives late at columns far from zero.
        LogisticRegression(C=0.5, tol=1e-10),
        "classes",
        takes_hostile_columns=False,
    ),
}
