"""Scores by which a search chooses, of many models at once, and how far to trust them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import rankdata
from sklearn.base import ClassifierMixin, RegressorMixin

from ._tangents import NotCoveredError

#: By how many times what a solver missed the optimum by with all rows it may miss it by more, or
#: less, without some of them.
CAUTION = 1.0
#: By how much the same score may differ, computed otherwise.
ROUNDING = 1e-12


class Scored(NamedTuple):
    """Scores of candidates in a fold, and bounds of what fits at the user's tolerance score.

    Attributes
    ----------
    value, low, high : ndarray of shape (n_candidates,)
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Score:
    """A score of the predictions for test rows.

    Parameters
    ----------
    values : callable
        From the loss, targets (n_rows,) and predictors (n_rows, n_candidates, n_outputs) to
        scores (n_candidates,).
    """

    def __init__(self, values: Callable[[Any, Any, np.ndarray], np.ndarray]):
        self.values = values

    def bounded(self, loss: Any, y: Any, eta: np.ndarray, missed: Sequence[np.ndarray]) -> Scored:
        """Scores of fits at the user's tolerance, and bounds of these.

        Parameters
        ----------
        loss : Loss
        y : ndarray of shape (n_rows,)
        eta : ndarray of shape (n_rows, n_candidates, n_outputs)
            Predictors by the optima.
        missed : sequence of ndarray of the same shape
            By how much such fits have missed them with all rows, in each fold.
        """
        found = (eta, *(eta + one for one in missed))
        ends = np.array([self.values(loss, y, own) for own in found])
        low, high = ends.min(axis=0), ends.max(axis=0)
        reach = CAUTION * (high - low) + self.rounding(ends[0])
        return Scored(ends[0], low - reach, high + reach)

    def of_one(self, loss: Any, y: Any, eta: np.ndarray) -> tuple[float, float, float]:
        """The score of one fit (n_rows, 1, n_outputs), and bounds of how it may be rounded."""
        (value,) = self.values(loss, y, eta).tolist()
        return value, value - self.rounding(value), value + self.rounding(value)

    def rounding(self, value: Any) -> Any:
        """By how much scikit-learn may round a score otherwise: such values are no ties."""
        return ROUNDING * (1 + np.abs(value))


class Hits(Score):
    """The share of test rows whose class is predicted.

    Where a class leads at some predictors, it leads at all that lie among them.
    """

    def __init__(self) -> None:
        super().__init__(lambda loss, y, eta: self.mean(_predicted(loss, eta) == y[:, None], y))

    def mean(self, hits: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The score of hits (n_rows, n_candidates) on rows of some classes."""
        return _mean(hits)

    def bounded(self, loss, y, eta, missed):
        own = _predicted(loss, eta) == y[:, None]
        ends = (eta + share * one for one in missed for share in (-CAUTION, 1 + CAUTION))
        hits = np.array([own, *(_predicted(loss, end) == y[:, None] for end in ends)])
        sure, likely = np.all(hits, axis=0), np.any(hits, axis=0)
        return Scored(self.mean(own, y), self.mean(sure, y), self.mean(likely, y))

    def rounding(self, value):
        return 0.0 * value


class BalancedHits(Hits):
    """The mean over the classes of that share among the rows of each."""

    def mean(self, hits, y):
        return np.mean([_mean(hits[y == label]) for label in np.unique(y)], axis=0)


def _mean(hits: np.ndarray) -> np.ndarray:
    # One mean a candidate, as scikit-learn has it, so that ties are ties.
    return np.array([np.average(own) for own in hits.T])


def _predicted(loss: Any, eta: np.ndarray) -> np.ndarray:
    return loss.predict(eta.reshape(-1, eta.shape[2])).reshape(eta.shape[:2])


class Area(Score):
    """The area under the curve of hits over false alarms of two classes.

    Models often tie in it, and then the rounding of scikit-learn decides.
    """

    def __init__(self) -> None:
        super().__init__(lambda loss, y, eta: _by_ranks(y, eta))

    def bounded(self, loss, y, eta, missed):
        # Pairs of rows are many, and close: any of them may be missed by what is usual.
        usual = np.max([one[:, :, :1].std(axis=0) for one in missed], axis=0)
        apart = CAUTION * usual * (np.asarray(y) == 1)[:, None, None]
        ends = [eta + share * one for one in missed for share in (0, 1)]
        low = np.min([_by_ranks(y, end - apart) for end in ends], axis=0)
        high = np.max([_by_ranks(y, end + apart) for end in ends], axis=0)
        return Scored(_by_ranks(y, eta), low - ROUNDING, high + ROUNDING)


def _by_ranks(y, eta):
    """That area by the ranks of the positive rows (Mann and Whitney)."""
    n_positive = int(np.sum(y))
    if not 0 < n_positive < len(y):
        raise NotCoveredError("a fold has no row of a class to test with")
    ranks = rankdata(eta[:, :, 0], axis=0)[y == 1].sum(axis=0)
    return (ranks - n_positive * (n_positive + 1) / 2) / (n_positive * (len(y) - n_positive))


def _log_loss(loss, y, eta):
    n_rows, n_candidates, n_outputs = eta.shape
    repeated = np.repeat(y, n_candidates, axis=0)
    values = loss.log_probability(repeated, eta.reshape(-1, n_outputs))
    values = np.maximum(values, np.log(np.finfo(np.float64).eps))  # As scikit-learn has it.
    return values.reshape(n_rows, n_candidates).mean(axis=0)


def _columns(y):
    """Targets (n_rows, 1, n_targets), beside predictions of candidates."""
    return np.asarray(y, dtype=np.float64).reshape(len(y), 1, -1)


def _errors(loss, y, eta):
    """Of the predictions, shape (n_rows, n_candidates, n_targets)."""
    predicted = loss.predict(eta.reshape(-1, eta.shape[2])).reshape(*eta.shape[:2], -1)
    return predicted - _columns(y)


def _squares(loss, y, eta):
    """The mean square of the errors of each target, shape (n_candidates, n_targets)."""
    return np.mean(_errors(loss, y, eta) ** 2, axis=0)


def _r2(loss, y, eta):
    y = _columns(y)
    if (np.ptp(y, axis=0) == 0).any():  # Of which scikit-learn makes 0, or 1, by its own rule.
        raise NotCoveredError("a fold has targets to test with that are all the same")
    variance = np.mean((y - y.mean(axis=0)) ** 2, axis=0)
    return np.mean(1 - _squares(loss, y, eta) / variance, axis=1)


def _minus_errors(loss, y, eta):
    return -np.mean(np.abs(_errors(loss, y, eta)), axis=(0, 2))


def _minus_squares(loss, y, eta):
    return -np.mean(_squares(loss, y, eta), axis=1)


def _minus_root(loss, y, eta):
    return -np.mean(np.sqrt(_squares(loss, y, eta)), axis=1)


ACCURACY, R2 = Hits(), Score(_r2)
#: By the name of a scorer.
SCORES = {
    "accuracy": ACCURACY,
    "balanced_accuracy": BalancedHits(),
    "roc_auc": Area(),
    "neg_log_loss": Score(_log_loss),
    "r2": R2,
    "neg_mean_absolute_error": Score(_minus_errors),
    "neg_mean_squared_error": Score(_minus_squares),
    "neg_root_mean_squared_error": Score(_minus_root),
}


def score_of(scoring: Any, model: Any, loss: Any) -> Score | None:
    """The score of a ``scoring`` argument, if it is known here.

    Parameters
    ----------
    scoring : str, callable or None
    model : estimator
        The one at the end, whose own score counts where ``scoring`` is None.
    loss : Loss
    """
    if scoring is None or scoring == "warn":
        own = getattr(type(model), "score", None)
        if own is ClassifierMixin.score:
            return ACCURACY
        return R2 if own is RegressorMixin.score else None
    score = SCORES.get(scoring) if isinstance(scoring, str) else None
    if scoring == "neg_log_loss" and not loss.has_probabilities:
        return None
    if scoring == "roc_auc" and loss.n_outputs > 1:
        return None
    return score
