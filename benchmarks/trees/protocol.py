"""How the methods are compared: removals for a query, planted errors, single rows.

After Brophy, Hammoudeh & Lowd (JMLR 2023), with every model fitted again by the library.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata, spearmanr
from sklearn.metrics import roc_auc_score

FRACTIONS = (0.005, 0.01, 0.015, 0.02)
SHARE_OF_ERRORS = 0.1


class Refits:
    """Losses of queries without some training rows; the same rows are removed once only.

    Parameters
    ----------
    library : object
        See :mod:`benchmarks.trees.models`.
    split : Split
    loss : object
        Of :mod:`tests.slow_boosting`.
    """

    def __init__(self, library, split, loss):
        self.library, self.split, self.loss = library, split, loss
        self._found = {}

    def without(self, rows):
        """Losses of all queries, (n_queries,); NaN if no row of a class is left."""
        key = frozenset(rows)
        if key not in self._found:
            self._found[key] = self._fitted(np.delete(np.arange(len(self.split.y)), list(key)))
        return self._found[key]

    def _fitted(self, rows):
        split = self.split
        if split.kind != "regression" and len(np.unique(split.y[rows])) < len(np.unique(split.y)):
            return np.full(len(split.y_query), np.nan)
        model = self.library.fit(split.kind, split.X[rows], split.y[rows])
        return self.loss.loss(split.y_query, self.library.predictors(model, split.X_query))


def rises(refits, scores):
    """{method: (n_queries, n_fractions)}: the loss of a query without its most helpful rows.

    Less its loss with them.
    """
    before = refits.without([])
    return {
        name: np.array([_rises(refits, query, row) - before[query] for query, row in enumerate(of)])
        for name, of in scores.items()
    }


def _rises(refits, query, scores):
    order = np.argsort(-scores, kind="stable")
    sizes = [max(1, round(fraction * len(scores))) for fraction in FRACTIONS]
    return np.array([refits.without(order[:size])[query] for size in sizes])


class Correlation(NamedTuple):
    """Of estimates with refits, over single rows: the mean over the queries."""

    pearson: float
    spearman: float


def correlations(refits, scores, rows):
    """{method: Correlation} of estimates with the rises of the loss without each of some rows."""
    before = refits.without([])
    truth = np.column_stack([refits.without([row]) - before for row in rows])
    return {name: _correlation(of[:, rows], truth) for name, of in scores.items()}


def _correlation(estimates, truth):
    """Estimates that are all the same tell nothing: 0."""
    pairs = [(a, b) for a, b in zip(estimates, truth, strict=True) if b.std() > 0]
    tells = [(a, b) for a, b in pairs if a.std() > 0]
    pearson = sum(np.corrcoef(a, b)[0, 1] for a, b in tells)
    spearman = sum(spearmanr(a, b).statistic for a, b in tells)
    return Correlation(pearson / len(pairs), spearman / len(pairs))


def planted(split, seed):
    """The split with wrong labels for a tenth of the rows, and which they are.

    Those of a regression are exchanged among one another.
    """
    random = np.random.RandomState(seed)
    n = len(split.y)
    wrong = random.permutation(n)[: round(SHARE_OF_ERRORS * n)]
    y = split.y.copy()
    if split.kind == "regression":
        y[wrong] = np.roll(split.y[wrong], 1)
    else:
        n_classes = int(split.y.max()) + 1
        y[wrong] = (y[wrong] + random.randint(1, n_classes, len(wrong))) % n_classes
    is_wrong = np.zeros(n, bool)
    is_wrong[wrong] = True
    return split._replace(y=y), is_wrong


class Found(NamedTuple):
    """How well a ranking finds planted errors.

    Attributes
    ----------
    auc : float
    share : float
        Of the errors that are among the first rows, as many as there are errors.
    """

    auc: float
    share: float


def found(suspicions, is_wrong):
    """{ranking: Found} of {ranking: suspicion of each row}."""
    count = is_wrong.sum()
    return {
        name: Found(
            roc_auc_score(is_wrong, values),
            is_wrong[np.argsort(-values, kind="stable")][:count].mean(),
        )
        for name, values in suspicions.items()
    }


def ranks(values):
    """Ranks of the methods in each case, 1 for the largest; ``values`` is (n_methods, n_cases)."""
    return rankdata(-np.asarray(values), axis=0)
