"""Small jobs, in the package's public interface: what revisions are compared at.

A job is a problem, which knows nothing of the package, and a task, which takes the problem,
prepares what is not timed, and returns a function of nothing, which is timed.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.datasets import load_breast_cancer, make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

CRITERIA = ("influence", "theta_relative", "loss_relative")


class Problem(NamedTuple):
    """A fitted model, the rows that it was fitted to, their labels, and rows to explain."""

    model: object
    X: object
    y: np.ndarray
    X_query: object


class Job(NamedTuple):
    """Both are functions: of nothing, and of what the first returns."""

    problem: Callable
    task: Callable


# --- problems ---------------------------------------------------------------------------------


def made(model, n_rows, n_columns, n_classes=2, n_queries=500):
    """Return a problem of made rows."""
    X, y = make_classification(
        n_rows + n_queries,
        n_columns,
        n_informative=n_columns // 4,
        n_redundant=0,
        n_classes=n_classes,
        flip_y=0.05,
        random_state=0,
    )
    return Problem(model.fit(X[:n_rows], y[:n_rows]), X[:n_rows], y[:n_rows], X[n_rows:])


def words(n_rows=400, n_columns=20_000, n_words=60, n_queries=100):
    """Return a problem of sparse rows, fewer than columns, with words as rare as those of texts."""
    rng = np.random.default_rng(0)
    n_texts = n_rows + n_queries
    y = rng.integers(4, size=n_texts)
    shares = 1 / np.arange(1, n_columns + 1)
    columns = rng.choice(n_columns, (n_texts, n_words), p=shares / shares.sum())
    # One word in five is another one in texts of each class.
    columns = (columns + 7 * y[:, np.newaxis] * (columns % 5 == 0)) % n_columns
    rows = np.repeat(np.arange(n_texts), n_words)
    ones = np.full(rows.size, 1 / np.sqrt(n_words))
    X = sparse.csr_matrix((ones, (rows, columns.ravel())), (n_texts, n_columns))
    model = LogisticRegression(max_iter=1000)
    return Problem(model.fit(X[:n_rows], y[:n_rows]), X[:n_rows], y[:n_rows], X[n_rows:])


def table(n_rows=450):
    """Return a problem of a small table."""
    X, y = load_breast_cancer(return_X_y=True)
    model = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-8, max_iter=1000))
    return Problem(model.fit(X[:n_rows], y[:n_rows]), X[:n_rows], y[:n_rows], X[n_rows:])


# --- tasks ------------------------------------------------------------------------------------


def explain(problem, criteria=CRITERIA):
    """Prepare an explainer and explain the queries."""
    from sklearn_relatif import RelatIFExplainer

    model, *rows, X_query = problem
    criteria = list(criteria)
    return lambda: RelatIFExplainer.from_fitted(model, *rows).explain(X_query, criterion=criteria)


def pairwise(problem):
    """Score all rows for all queries."""
    from sklearn_relatif import RelatIFExplainer

    model, *rows, X_query = problem
    explainer = RelatIFExplainer.from_fitted(model, *rows)
    return lambda: explainer.pairwise_influence(X_query)


def remove(order, n_groups, problem):
    """Tell what the removal of each of some pairs of rows does to the queries."""
    from sklearn_relatif import RelatIFExplainer

    model, X, y, X_query = problem
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    pairs = np.arange(len(y)) // 2
    groups = np.where(pairs < n_groups, pairs, np.nan)
    return lambda: explainer.removal_effect(X_query, groups=groups, order=order)


def audit(problem):
    """Audit, and write the page."""
    from sklearn_relatif import RelatIFExplainer

    model, *rows, X_query = problem
    y_query = model.predict(X_query)

    def run():
        report = RelatIFExplainer.from_fitted(model, *rows).audit(X_query, y_query)
        with tempfile.TemporaryDirectory() as folder:
            report.to_html(Path(folder, "audit.html"))

    return run


def import_it(_):
    """Start an interpreter that imports the package."""
    import sklearn_relatif

    site = Path(sklearn_relatif.__file__).parents[1]
    command = [sys.executable, "-c", "import sklearn_relatif"]
    return lambda: subprocess.run(command, cwd=site, check=True)


LOGISTIC = LogisticRegression(max_iter=1000)
FOREST = RandomForestClassifier(min_samples_leaf=5, random_state=0)
BOOSTING = HistGradientBoostingClassifier(max_iter=50, early_stopping=False, random_state=0)
FEW_ROWS = partial(made, LOGISTIC, 6_000, 30, n_classes=4, n_queries=200)
#: By their names.
JOBS = {
    "binary": Job(partial(made, LOGISTIC, 50_000, 50, n_queries=1_000), explain),
    "classes": Job(partial(made, LOGISTIC, 3_000, 64, n_classes=10), explain),
    "pairwise": Job(partial(made, LOGISTIC, 20_000, 64, n_classes=4, n_queries=1_000), pairwise),
    "svm": Job(partial(made, SVC(), 5_000, 20, n_queries=1_000), explain),
    "text": Job(words, explain),
    "newton": Job(FEW_ROWS, partial(remove, "newton", 3_000)),
    "retrain": Job(FEW_ROWS, partial(remove, "retrain", 60)),
    "forest": Job(
        partial(made, FOREST, 5_000, 20, n_queries=200), partial(explain, criteria=["influence"])
    ),
    "boosting": Job(
        partial(made, BOOSTING, 5_000, 20, n_queries=200), partial(explain, criteria=["influence"])
    ),
    "audit": Job(table, audit),
    "import": Job(object, import_it),
}
