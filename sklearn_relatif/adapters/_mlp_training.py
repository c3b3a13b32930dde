"""What the solvers of perceptrons trained on: rows, their weights, and how strong the penalty was.

With ``L2 = alpha / 2 * |coefs|^2``, L-BFGS minimised the sum over the rows plus ``L2`` once. Of SGD
and Adam each step is one of a batch b of ``n_b`` rows, and adds ``L2`` to the sum over these::

    1/S_b [ sum_{i in b} s_i loss_i + L2 ],    S_b = sum_{i in b} s_i.

What all steps of a pass do on the average is the gradient of the mean of this over the batches,
which in the form of a sum over all rows is ``sum_i s_i loss_i + n mean_b(1 / n_b) L2``: for each
batch the penalty counts once more, so that it counts rows. (With weights, to first order in what
the sums of the batches differ by. Without shuffling the batches are known, and it is exact.)
"""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import train_test_split

#: Rows of a batch, unless ``batch_size`` says otherwise.
AUTO_BATCH = 200
HELD_OUT_BY_CHANCE = (
    "random_state={!r} does not tell which: set it to an int and fit again, or set rows aside "
    "yourself and leave early_stopping out"
)
HELD_OUT_OF_OTHERS = (
    "those that random_state={!r} draws of these rows do not have best_validation_score_: pass "
    "exactly the rows that it was fitted on, in their order, and the weights if there were any"
)


class Trained(NamedTuple):
    """The terms of the sum that a solver minimised.

    Attributes
    ----------
    sample_weight : ndarray of shape (n_rows,)
        What each row counts; 0 for those that were held out.
    strength : float
        Of the penalty, ``strength / 2 * |coefs|^2``.
    share : ndarray of shape (n_rows,) or None
        Share of the penalty that leaves with each row, where it counts rows.
    """

    sample_weight: np.ndarray
    strength: float
    share: np.ndarray | None


def trained_on(model: Any, y: np.ndarray, predicted: Any, sample_weight: np.ndarray) -> Trained:
    """What a fitted perceptron was trained on.

    Parameters
    ----------
    model : fitted MLPClassifier or MLPRegressor
    y : ndarray of shape (n_rows,) or (n_rows, n_targets)
        Targets as the loss takes them.
    predicted : callable
        From positions of rows to predictions in the form of y.
    sample_weight : ndarray of shape (n_rows,)

    Warns
    -----
    UserWarning
        If rows were held out and it cannot be told which, or if the solver has seen other rows.
    """
    if not is_stochastic(model):
        return Trained(sample_weight, model.alpha, None)
    n_rows, held_out = len(y), np.zeros(len(y), bool)
    n_trained = n_rows
    if model.early_stopping:
        found = _held_out(model, y, predicted, sample_weight)
        if found is None:
            # What follows is of all rows, in batches as there were of those that were trained on.
            n_trained -= int(np.ceil(model.validation_fraction * n_rows))
            _warn_of_held_out(model, n_rows - n_trained)
        else:
            held_out[found] = True
            n_trained -= len(found)
    _warn_of_other_rows(model, n_trained)
    weight = np.where(held_out, 0.0, sample_weight)
    size = _batch_size(model, n_trained)
    if size == n_trained:
        n_counted = n_rows - np.count_nonzero(held_out)
        return Trained(weight, model.alpha * n_counted / n_trained, None)
    share = np.where(held_out, 0.0, 1.0)
    counted = np.flatnonzero(share)
    share /= len(counted)
    if model.shuffle or len(counted) > n_trained:
        sizes = np.diff([*range(0, n_trained, size), n_trained])
        return Trained(weight, model.alpha * len(counted) * np.mean(1 / sizes), share)
    batches = [counted[start : start + size] for start in range(0, n_trained, size)]
    total, sums = weight.sum(), np.array([weight[batch].sum() for batch in batches])
    for batch, of_batch in zip(batches, sums, strict=True):
        weight[batch] *= total / (len(batches) * of_batch)
    return Trained(weight, model.alpha * total * np.mean(1 / sums), share)


def is_stochastic(model: Any) -> bool:
    """Whether a perceptron is trained a batch at a time."""
    return model.solver in ("sgd", "adam")


def _batch_size(model: Any, n_rows: int) -> int:
    size = AUTO_BATCH if model.batch_size == "auto" else model.batch_size
    return int(min(size, n_rows))


def _held_out(
    model: Any, y: np.ndarray, predicted: Any, sample_weight: np.ndarray
) -> np.ndarray | None:
    """Positions of the rows that ``early_stopping`` held out, or None if they are not known.

    The initial parameters are drawn first, unless they were there from a fit before. What was
    drawn is proved by the score that the model had on it.
    """
    if not isinstance(model.random_state, Integral):
        return None
    for is_first in (True, False):
        draws = np.random.RandomState(int(model.random_state))
        if is_first:
            for coef, intercept in zip(model.coefs_, model.intercepts_, strict=True):
                draws.uniform(size=coef.shape)
                draws.uniform(size=intercept.shape)
        positions = np.arange(len(y))
        options = {"test_size": model.validation_fraction, "random_state": draws}
        if hasattr(model, "classes_") and model.n_outputs_ == 1:
            options["stratify"] = y
        _, held_out = train_test_split(positions, **options)
        score = accuracy_score if hasattr(model, "classes_") else r2_score
        found = score(y[held_out], predicted(held_out), sample_weight=sample_weight[held_out])
        if abs(found - model.best_validation_score_) <= np.sqrt(
            np.finfo(model.coefs_[0].dtype).eps
        ):
            return held_out
    return None


def _warn_of_held_out(model: Any, n_held_out: int) -> None:
    by_chance = not isinstance(model.random_state, Integral)
    reason = HELD_OUT_BY_CHANCE if by_chance else HELD_OUT_OF_OTHERS
    warnings.warn(
        f"early_stopping=True held {n_held_out} of these rows out of the training, and "
        f"{reason.format(model.random_state)}. All rows are explained as if the model had been "
        "trained on them.",
        UserWarning,
        stacklevel=4,
    )


def _warn_of_other_rows(model: Any, n_rows: int) -> None:
    """Where passes were made over another number of rows, as by ``partial_fit`` in parts."""
    n_passes = len(model.loss_curve_)
    if model.t_ == n_passes * n_rows:
        return
    warnings.warn(
        f"In {n_passes} passes the solver has seen {model.t_ / n_passes:.7g} rows on the average, "
        f"and of these there are {n_rows} to train on. The network was trained on other rows than "
        "these, or by partial_fit on parts of them, of which nothing is known: explanations are "
        "those of a network that was trained on exactly these rows, in batches of "
        f"{_batch_size(model, n_rows)}.",
        UserWarning,
        stacklevel=4,
    )
