"""Logistic regression."""

from sklearn.linear_model import LogisticRegression

from tests.catalogue._case import Case

#: L-BFGS stops where the objective, of which it sees the digits, falls no more.
LBFGS = {"refits": 1e-5, "slope": 1e-3}
CASES = {
    "LogisticRegression": Case(LogisticRegression(tol=1e-10, max_iter=1000), "binary", **LBFGS),
    "LogisticRegression, softmax": Case(
        # Its solver arrives late at columns far from zero.
        LogisticRegression(C=0.5, tol=1e-10, max_iter=1000),
        "classes",
        takes_hostile_columns=False,
        **LBFGS,
    ),
}
