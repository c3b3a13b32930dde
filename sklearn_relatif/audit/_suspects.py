"""Which labels or targets look wrong, of training rows and of test rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ._errors import Errors
from ._label_noise import estimate_label_errors
from ._target_noise import estimate_target_errors

#: Rows from which errors can be told from chance.
MIN_ROWS = 30
#: Rows times classes that are held at a time, at most.
MAX_SCORES = 2**25
#: Share of the rows of which a model must be nearly certain, or its contradictions tell little.
MIN_CERTAIN = 1 / 3

NOT_JUDGED = "there are no leave-one-out numbers of the training rows, and no test rows"
TOO_FEW = "{} rows are too few"
TOO_MANY = "{} rows with {} classes are too many"
OVERFLOW = "the numbers of the model overflow"
UNCERTAIN = (
    "the model is nearly certain of the labels of only {:.0%} of the rows, so what it contradicts "
    "may as well be right"
)


class Judged(NamedTuple):
    """Rows, and what a model that has not seen them makes of each.

    Attributes
    ----------
    y : ndarray of shape (n_rows,) or (n_rows, n_targets)
        As the loss takes it.
    predictor : ndarray of shape (n_rows, n_outputs)
    leverage : ndarray of shape (n_rows,) or None
        Of rows that are left out, where it is known: without one, a row is predicted less well.
    """

    y: np.ndarray
    predictor: np.ndarray
    leverage: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Suspects:
    """Rows whose labels or targets are likely to be wrong, or why that is not known.

    Attributes
    ----------
    errors : Errors
        Of the training rows that were judged, followed by the test rows.
    n_training : int
        Training rows that were judged: all or none.
    obstacle : str or None
    """

    errors: Errors
    n_training: int = 0
    obstacle: str | None = None

    @property
    def training(self) -> np.ndarray:
        """Probability of each training row to be wrong; empty if they were not judged."""
        return self.errors.probability[: self.n_training]

    @property
    def test(self) -> np.ndarray:
        """Probability of each test row to be wrong; empty without test rows."""
        return self.errors.probability[self.n_training :]


def without_suspects(obstacle: str) -> Suspects:
    """What is known of errors where something is in the way."""
    return Suspects(Errors(np.empty(0), 0.0, 1.0, 0), obstacle=obstacle)


def find_suspects(study: Any, alone: Judged | None, unseen: Judged | None) -> Suspects:
    """Rows whose labels or targets are likely to be wrong.

    Parameters
    ----------
    study : Study
    alone : Judged or None
        The training rows, each by the model without it.
    unseen : Judged or None
        The test rows.
    """
    parts = [part for part in (alone, unseen) if part is not None]
    if not parts:
        return without_suspects(NOT_JUDGED)
    y, predictor = (np.concatenate([part[place] for part in parts]) for place in (0, 1))
    if len(y) < MIN_ROWS:
        return without_suspects(TOO_FEW.format(len(y)))
    if not np.isfinite(predictor).all():
        return without_suspects(OVERFLOW)
    n_training = 0 if alone is None else len(alone.y)
    if not study.targets.has_classes:
        return Suspects(_wrong_numbers(study.objective.loss, parts, y, predictor), n_training)
    n_classes = len(study.model.classes_)
    if len(y) * n_classes > MAX_SCORES:
        return without_suspects(TOO_MANY.format(f"{len(y):,}", n_classes))
    errors = estimate_label_errors(_scores(study.objective.loss, predictor, n_classes), y)
    if errors.share_certain < MIN_CERTAIN:
        return without_suspects(UNCERTAIN.format(errors.share_certain))
    return Suspects(errors, n_training)


def _scores(loss, predictor, n_classes):
    """Log-likelihood of each class; without probabilities, minus the loss of each."""
    if loss.has_probabilities:
        probabilities = loss.probabilities(predictor).astype(np.float64, copy=False)
        return np.log(np.maximum(probabilities, np.finfo(float).tiny))
    return -np.column_stack(
        [loss.value(np.full(len(predictor), k), predictor) for k in range(n_classes)]
    )


def _wrong_numbers(loss, parts, y, predictor):
    """Rows of which any target is likely to be wrong."""
    kept = [np.ones(len(y)) if h is None else 1 - np.minimum(h, 1) for y, _, h in parts]
    standard = np.sqrt(np.concatenate(kept))[:, None]
    residual = standard * _residual(loss, y, predictor)
    dealt = _residual(loss, np.random.RandomState(0).permutation(y), predictor)
    each = [estimate_target_errors(*of) for of in zip(residual.T, dealt.T, strict=True)]
    return Errors(
        probability=1 - np.prod([1 - errors.probability for errors in each], axis=0),
        deviation=float(np.linalg.norm([errors.deviation for errors in each])),
        p_value=min(1.0, len(each) * min(errors.p_value for errors in each)),
        n_certain=len(y),
    )


def _residual(loss, y, predictor):
    """Errors of prediction, a column a target; where their variance varies, those of deviance."""
    if loss.is_of_errors or loss.n_outputs > 1:
        return np.reshape(y - loss.predict(predictor), (len(y), -1)).astype(np.float64)
    size = np.sqrt(2 * np.maximum(loss.value(y, predictor), 0))
    return -np.sign(loss.residual(y, predictor)) * size[:, None]
