"""Which labels or targets look wrong, of training rows and of test rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from scipy.ndimage import median_filter
from sklearn.neighbors import NearestNeighbors

from ._errors import Errors, named, some_rows
from ._label_noise import estimate_label_errors
from ._target_noise import estimate_target_errors

#: Rows from which errors can be told from chance.
MIN_ROWS = 30
#: Rows times classes that are held at a time, at most.
MAX_SCORES = 2**25
#: Share of the rows of which a model must be nearly certain, or nobody can say that no label is
#: wrong.
MIN_CERTAIN = 1 / 3
#: Typical error of prediction, by that of targets dealt at random, at most.
MAX_ERROR = 0.5
#: Share of the rows whose labels can be wrong, at most, where the model contradicts this share of
#: the others: where it misses a pattern, there seem to be as many.
MAX_WRONG, MAX_CONTRADICTED = 0.15, 0.1
#: Share of the errors that can be named, or they are only how the model fits the rows badly.
MIN_NAMED = 0.1
#: How many rows are compared with each suspect: those that are most like it. Errors stand alone:
#: the share of these rows that may have its label, by the share of rows of which the model is
#: nearly certain, and how large their errors may be, by the typical one.
N_NEIGHBOURS, MAX_ALIKE, MAX_SPREAD = 10, 0.45, 1.25
#: Of the rows with the labels of suspects, the share that a model must be right about, or it does
#: not know these labels: it contradicts whoever has them. And where nothing is suspect, of the way
#: from the same answer for all to the right label of each, how far it must come.
MIN_KNOWN = 0.25
#: Suspects whose neighbours are sought, and rows among which, at most.
MAX_COMPARED, MAX_POOL = 300, 20_000
#: Errors that are rounding, by those of targets dealt at random.
ROUNDING = 1e-9
#: Rows with similar predictions, by which the typical error is told: a share of all, and at least.
SHARE_SIMILAR, MIN_SIMILAR = 0.05, 51
#: The smallest typical error of similar rows, by the median of all.
LEAST_SCALE = 0.1

NOT_JUDGED = "there are no leave-one-out numbers of the training rows, and no test rows"
TOO_FEW = "{} rows are too few"
TOO_MANY = "{} rows with {} classes are too many"
OVERFLOW = "the numbers of the model overflow"
UNCERTAIN = (
    "the model is nearly certain of the labels of only {:.0%} of the rows, so what it contradicts "
    "may as well be as it should"
)
UNSKILLED = (
    "the model hardly tells the labels apart: it is right about {:.0%} of the rows of a label, on "
    "average over the labels"
)
UNKNOWN = (
    "the model contradicts more rows than ambiguity explains, but it is right about only {:.0%} of "
    "all rows with their labels: it hardly knows these, so it cannot tell errors from rows that "
    "have them rightly"
)
MANY = (
    "{:.0%} of the labels would have to be wrong to explain what the model contradicts although it "
    "is nearly certain, and it contradicts {:.0%} of the rows beside these: it rather misses a "
    "pattern, or the columns hardly tell the labels"
)
FEW = (
    "the model contradicts rows as if {:,.0f} labels were wrong, but not one in ten of them could "
    "be named: it may as well miss a pattern"
)
PATTERN = (
    "the model contradicts more rows than ambiguity explains, but of the rows that are most like "
    "these, {:.0%} have their labels too. Errors stand alone: the model misses a pattern, or the "
    "columns hardly tell the labels"
)
EXACT = "{} of {} targets are predicted exactly, which leaves too few errors to compare"
INEXACT = (
    "a typical error of prediction is {:.0%} as large as if targets were dealt at random, so a "
    "wrong target would hardly stand out"
)
UNEVEN = (
    "some errors of prediction are larger than the others explain, but those of the rows that are "
    "most like them are {:.1f} times the typical error too. Wrong targets stand alone: the model "
    "misses a pattern"
)


class Judged(NamedTuple):
    """Rows, and what a model that has not seen them makes of each.

    Attributes
    ----------
    y : ndarray of shape (n_rows,) or (n_rows, n_targets)
        As the loss takes it.
    predictor : ndarray of shape (n_rows, n_outputs)
    features : array-like or CSR matrix of shape (n_rows, n_features)
        As the model takes them.
    leverage : ndarray of shape (n_rows,) or None
        Of rows that are left out, where it is known: without one, a row is predicted less well.
    """

    y: np.ndarray
    predictor: np.ndarray
    features: Any
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
    rows = _together(parts)
    if len(rows.y) < MIN_ROWS:
        return without_suspects(TOO_FEW.format(len(rows.y)))
    if not np.isfinite(rows.predictor).all():
        return without_suspects(OVERFLOW)
    loss = study.objective.loss
    if study.targets.has_classes:
        errors, obstacle = _wrong_labels(loss, rows, len(study.model.classes_))
    else:
        errors, obstacle = _wrong_targets(loss, rows)
    if obstacle is not None:
        return without_suspects(obstacle)
    return Suspects(errors, 0 if alone is None else len(alone.y))


def _together(parts):
    """All rows that were judged."""
    y, predictor = (np.concatenate([part[place] for part in parts]) for place in (0, 1))
    features = [part.features for part in parts]
    is_sparse = any(map(sparse.issparse, features))
    stacked = sparse.vstack(features, "csr") if is_sparse else np.concatenate(features)
    leverage = [np.zeros(len(h.y)) if h.leverage is None else h.leverage for h in parts]
    return Judged(y, predictor, stacked, np.minimum(np.concatenate(leverage), 1))


def _similar(features, suspects):
    """Positions of the rows that are most like each suspect, shape (n_suspects, n_neighbours)."""
    pool = some_rows(np.random.RandomState(0), features.shape[0], MAX_POOL)
    among, sought = features[pool], features[suspects]
    if not sparse.issparse(features):
        among, sought = among.reshape(len(pool), -1), sought.reshape(len(suspects), -1)
        scale = np.std(among, axis=0, dtype=np.float64)
        scale[scale == 0] = 1
        among, sought = among / scale, sought / scale
    n_wanted = min(N_NEIGHBOURS + 1, len(pool))
    search = NearestNeighbors(n_neighbors=n_wanted, algorithm="brute").fit(among)
    near = pool[search.kneighbors(sought, return_distance=False)]
    # Without the suspect itself, or the last where that is not among them.
    others = near != suspects[:, None]
    others[others.all(axis=1), -1] = False
    return near[others].reshape(len(suspects), -1)


# --- labels -------------------------------------------------------------------------------------


def _wrong_labels(loss, rows, n_classes):
    """Errors, and what is in the way of naming them."""
    if len(rows.y) * n_classes > MAX_SCORES:
        return None, TOO_MANY.format(f"{len(rows.y):,}", n_classes)
    scores = _scores(loss, rows.predictor, n_classes)
    errors = estimate_label_errors(scores, rows.y)
    predicted = scores.argmax(axis=1)
    known = _shares_right(rows.y, predicted, n_classes)
    if not errors.are_there:
        return errors, _why_blind(errors.share_certain, known)
    suspects = named(errors.probability)
    return errors, (
        _why_doubtful(
            errors, suspects, known[rows.y[suspects]].mean(), np.mean(predicted != rows.y)
        )
        or _why_a_pattern(errors, suspects[:MAX_COMPARED], rows)
    )


def _why_doubtful(errors, suspects, known_of_suspects, contradicted):
    """Why a model cannot tell suspects from rows whose labels are right; None if it can."""
    if known_of_suspects < MIN_KNOWN:
        return UNKNOWN.format(known_of_suspects)
    wrong = errors.count / len(errors.probability)
    others = contradicted - wrong
    if wrong > MAX_WRONG and others > MAX_CONTRADICTED:
        return MANY.format(wrong, others)
    return FEW.format(errors.count) if len(suspects) < MIN_NAMED * errors.count else None


def _why_a_pattern(errors, suspects, rows):
    """Why suspects are no errors, whose like have their labels; None if they stand alone."""
    alike = rows.y[_similar(rows.features, suspects)] == rows.y[suspects][:, None]
    most = MAX_ALIKE * errors.share_certain
    # A standard error more, which counts where suspects are few.
    most += np.sqrt(most * (1 - most) / alike.size)
    return None if alike.mean() <= most else PATTERN.format(alike.mean())


def _why_blind(share_certain, known):
    """Why a model to which nothing is suspect would not have found errors; None if it would."""
    if share_certain < MIN_CERTAIN:
        return UNCERTAIN.format(share_certain)
    by_chance = 1 / len(known)
    if (known.mean() - by_chance) / (1 - by_chance) < MIN_KNOWN:
        return UNSKILLED.format(known.mean())
    return None


def _shares_right(labels, predicted, n_classes):
    """Of the rows with each label, the share that is predicted."""
    n_rows = np.bincount(labels, minlength=n_classes)
    n_right = np.bincount(labels[predicted == labels], minlength=n_classes)
    return n_right / np.maximum(n_rows, 1)


def _scores(loss, predictor, n_classes):
    """Log-likelihood of each class; without probabilities, minus the loss of each."""
    if loss.has_probabilities:
        probabilities = loss.probabilities(predictor).astype(np.float64, copy=False)
        return np.log(np.maximum(probabilities, np.finfo(float).tiny))
    return -np.column_stack(
        [loss.value(np.full(len(predictor), k), predictor) for k in range(n_classes)]
    )


# --- targets that are numbers -------------------------------------------------------------------


def _wrong_targets(loss, rows):
    """Rows of which any target is likely to be wrong, and what is in the way of naming them."""
    residual = np.sqrt(1 - rows.leverage)[:, None] * _residual(loss, rows.y, rows.predictor)
    dealt = _residual(loss, np.random.RandomState(0).permutation(rows.y), rows.predictor)
    predicted = np.reshape(loss.predict(rows.predictor), residual.shape)
    each, sizes = [], []
    for own, random, place in zip(residual.T, dealt.T, predicted.T, strict=True):
        # Targets that are predicted exactly are right, and tell nothing of the errors of others.
        off = np.flatnonzero(np.abs(own) > ROUNDING * np.median(np.abs(random)))
        if len(off) < MIN_ROWS:
            return None, EXACT.format(len(own) - len(off), len(own))
        scale = _typical(own[off], place[off])
        own, random = own[off] / scale, random[off] / scale
        each.append(_among_all(estimate_target_errors(own, random), off, len(rows.y)))
        sizes.append(np.zeros(len(rows.y)))
        sizes[-1][off] = np.abs(own)
        share = np.median(np.abs(own)) / np.median(np.abs(random))
        if share > MAX_ERROR:
            return None, INEXACT.format(share)
    errors = Errors(
        probability=1 - np.prod([1 - of_one.probability for of_one in each], axis=0),
        deviation=float(np.linalg.norm([of_one.deviation for of_one in each])),
        p_value=min(1.0, len(each) * min(of_one.p_value for of_one in each)),
        n_certain=len(rows.y),
    )
    if not errors.are_there:
        return errors, None
    size = np.max(sizes, axis=0)
    near = _similar(rows.features, named(errors.probability)[:MAX_COMPARED])
    spread = np.median(size[near]) / np.median(size)
    is_alone = spread <= MAX_SPREAD + 1 / np.sqrt(near.size)
    return errors, None if is_alone else UNEVEN.format(spread)


def _among_all(errors, places, n_rows):
    """The errors that were found at some places, of all rows."""
    probability = np.zeros(n_rows)
    probability[places] = errors.probability
    return replace(errors, probability=probability, n_certain=n_rows)


def _residual(loss, y, predictor):
    """Errors of prediction, a column a target; where their variance varies, those of deviance."""
    if loss.is_of_errors or loss.n_outputs > 1:
        return np.reshape(y - loss.predict(predictor), (len(y), -1)).astype(np.float64)
    size = np.sqrt(2 * np.maximum(loss.value(y, predictor), 0))
    return -np.sign(loss.residual(y, predictor)) * size[:, None]


def _typical(residual, predicted):
    """The typical error of the rows whose predictions are similar: it often grows with these."""
    n_rows = len(residual)
    n_similar = min(n_rows, max(MIN_SIMILAR, int(SHARE_SIMILAR * n_rows)))
    order, size = np.argsort(predicted, kind="stable"), np.abs(residual)
    scale = np.empty(n_rows)
    scale[order] = median_filter(size[order], n_similar, mode="nearest")
    return np.maximum(scale, LEAST_SCALE * np.median(size))
