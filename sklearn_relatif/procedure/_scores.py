"""Scores by which a search chooses, of many models at once, and how far to trust them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin

#: By how many times what a solver missed the optimum by with all rows it may miss it by more, or
#: less, without some of them.
CAUTION = 1.0


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

    def bounded(self, loss: Any, y: Any, eta: np.ndarray, missed: np.ndarray) -> Scored:
        """Scores of fits at the user's tolerance, and bounds of these.

        Parameters
        ----------
        loss : Loss
        y : ndarray of shape (n_rows,)
        eta : ndarray of shape (n_rows, n_candidates, n_outputs)
            Predictors by the optima.
        missed : ndarray of the same shape
            By how much such fits have missed them with all rows.
        """
        value = self.values(loss, y, eta + missed)
        ends = [self.values(loss, y, eta + share * missed) for share in (-CAUTION, 1 + CAUTION)]
        return Scored(
            value, np.minimum(value, np.minimum(*ends)), np.maximum(value, np.maximum(*ends))
        )


class Hits(Score):
    """The share of test rows whose class is predicted.

    Where a class leads at both ends of a line of predictors, it leads all along it.
    """

    def bounded(self, loss, y, eta, missed):
        y = np.asarray(y)[:, None]
        hits = [_predicted(loss, eta + s * missed) == y for s in (-CAUTION, 1, 1 + CAUTION)]
        value, low, high = _mean(hits[1]), _mean(np.all(hits, axis=0)), _mean(np.any(hits, axis=0))
        return Scored(value, low, high)


def _mean(hits: np.ndarray) -> np.ndarray:
    # One mean a candidate, as scikit-learn has it, so that ties are ties.
    return np.array([np.average(own) for own in hits.T])


def _predicted(loss: Any, eta: np.ndarray) -> np.ndarray:
    return loss.predict(eta.reshape(-1, eta.shape[2])).reshape(eta.shape[:2])


def _accuracy(loss, y, eta):
    return _mean(_predicted(loss, eta) == np.asarray(y)[:, None])


def _log_loss(loss, y, eta):
    n_rows, n_candidates, n_outputs = eta.shape
    repeated = np.repeat(y, n_candidates, axis=0)
    values = loss.log_probability(repeated, eta.reshape(-1, n_outputs))
    return values.reshape(n_rows, n_candidates).mean(axis=0)


def _squares(loss, y, eta):
    y = np.asarray(y, dtype=np.float64).reshape(len(y), 1, -1)
    predicted = loss.predict(eta.reshape(-1, eta.shape[2])).reshape(len(y), eta.shape[1], -1)
    return np.mean((predicted - y) ** 2, axis=0), np.mean((y - y.mean(axis=0)) ** 2, axis=0)


def _r2(loss, y, eta):
    left, all_of_it = _squares(loss, y, eta)
    return np.mean(1 - left / all_of_it, axis=1)


def _minus_squares(loss, y, eta):
    return -np.mean(_squares(loss, y, eta)[0], axis=1)


def _minus_root(loss, y, eta):
    return -np.mean(np.sqrt(_squares(loss, y, eta)[0]), axis=1)


ACCURACY, R2 = Hits(_accuracy), Score(_r2)
#: By the name of a scorer.
SCORES = {
    "accuracy": ACCURACY,
    "neg_log_loss": Score(_log_loss),
    "r2": R2,
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
    return score
