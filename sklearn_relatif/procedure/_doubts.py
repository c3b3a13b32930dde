"""Whether fitting again can tell at all what removed rows do."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..removal import refuse_lost_classes
from ..utils._validation import check_sample_weight
from ._models import same_choice
from ._procedure import Procedure

#: How far predictors of one and the same model may be apart when it is fitted again, relative to
#: the largest: models at their optimum are closer than this by far.
CLOSE = 1e-6


def refuse_networks(study: Any) -> None:
    """Refuse models that end somewhere else for more reasons than the rows that are missing."""
    if study.remover.trains_each:
        raise ValueError(
            f"{type(study.model).__name__} is a network, and fitted again it ends somewhere else "
            "for more reasons than the rows that are missing: its effects with procedure='all' "
            "cannot be told. Use procedure='model', which trains it on from where it is; or "
            "compare what the models of retrain_without(rows, procedure='all') predict."
        )


def refuse_trees(study: Any) -> None:
    """Refuse models that no steps lead through everything that ``fit`` does."""
    if study.objective.has_leaves:
        raise ValueError(
            f"{type(study.model).__name__} is of trees, which grow otherwise behind other "
            "preprocessing: no derivative and no step goes through all that fit does. With "
            "procedure='all' use order='retrain'; order='first' and order='structure' are for "
            "procedure='model', which holds what is in front of the trees."
        )


def check_classes_stay(study: Any, procedure: Procedure, removals: Sequence[np.ndarray]) -> None:
    """Refuse removals that leave no row of a class."""
    targets = study.targets
    if procedure.y is not None and targets.has_classes:
        weight = check_sample_weight(procedure.sample_weight, procedure.n_rows)
        y = targets.of_training(targets.shaped(procedure.y), weight)
        refuse_lost_classes(y, weight, targets.classes, removals)


def warn_if_other(
    before: np.ndarray, again: np.ndarray, chosen: dict[str, Any], chosen_again: dict[str, Any]
) -> None:
    """Say that doing it all again for all rows does not lead to the model that is explained.

    Parameters
    ----------
    before, again : ndarray of shape (n_queries, n_outputs)
        Predictors by the model that is explained, and by one that was fitted again.
    chosen, chosen_again : dict of str to object
        What their fits have chosen.
    """
    if not same_choice(chosen, chosen_again):
        what = f"chooses {chosen_again} in place of {chosen}"
    elif _are_apart(before, again):
        what = f"moves predictors by up to {np.abs(again - before).max():.2g}"
    else:
        return
    warnings.warn(
        f"Fitting everything again to all of the rows {what}, so that the effects are not of the "
        "removed rows alone. If something in the estimator draws at random, give it a number as "
        "random_state; of a model that was fitted before, check its rows, weights and parameters.",
        UserWarning,
        stacklevel=6,
    )


def warn_if_drawn(before: np.ndarray, redrawn: np.ndarray, after: np.ndarray) -> None:
    """Say that what is drawn at random matters, since it is drawn otherwise from fewer rows.

    Parameters
    ----------
    before, redrawn : ndarray of shape (n_queries, n_outputs)
        Predictors by the model of all rows, and by one with other draws.
    after : ndarray of shape (n_queries, n_removals, n_outputs)
        By those without rows.
    """
    if not _are_apart(before, redrawn):
        return
    by_draws, by_removals = _size(redrawn - before), _size(after - before[:, None])
    warnings.warn(
        "The estimator draws at random, and fits without rows draw otherwise. Another random_state "
        f"alone moves predictors by {by_draws:.2g} (root mean square), the removals by "
        f"{by_removals:.2g}: effects that are not far larger than what draws do say nothing of the "
        "rows. Use procedure='model', which holds what was drawn.",
        UserWarning,
        stacklevel=6,
    )


def _are_apart(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.abs(one - other).max(initial=0) > CLOSE * np.abs(one).max(initial=1))


def _size(change: np.ndarray) -> float:
    return float(np.sqrt(np.mean(change**2)))
