"""Models without some rows through everything that ``fit`` does, not all of it done again."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse
from sklearn import get_config

from ..adapters import chosen
from ..utils._progress import show_progress
from ..utils._validation import is_dispatched
from ._doubts import check_classes_stay, refuse_networks, refuse_trees, warn_if_drawn, warn_if_other
from ._models import Asked, WholeModels
from ._refits import NO_ROWS, refits
from ._shortcut import Shortcut
from ._tangents import NotCoveredError


def stepped(asked: Asked, removals: Sequence[np.ndarray], with_held: bool) -> WholeModels:
    """Models without each group of rows, from the optima of all rows by Newton steps.

    Transformers are fitted again exactly, the penalty is chosen again, and the steps go on until
    nothing is left of the gradient.

    Parameters
    ----------
    asked : Asked
    removals : sequence of ndarray of int
    with_held : bool
        Whether also to hold what was chosen for all rows.

    Warns
    -----
    UserWarning
        If some of the removals, or all, have to be done by scikit-learn's own fits.
    """
    study = asked.study
    refuse_networks(study)
    refuse_trees(study)
    check_classes_stay(study, asked.procedure, removals)
    try:
        shortcut = shortcut_of(asked, asked.fitted)
    except NotCoveredError as error:
        _say_refits(len(removals), len(removals), {str(error): len(removals)})
        return refits(asked, removals, with_held)
    queries = shortcut.prepared(asked.X)
    before = study.remover.predictor(study.remover.at_optimum(asked.query))
    found_before = chosen(asked.fitted)
    warn_if_other(before, shortcut.of_all().predictor(queries), found_before, found_before)
    after = np.empty((len(before), len(removals), before.shape[1]))
    held, found = np.empty_like(after), [found_before] * len(removals)
    left_open, reasons = [], Counter[str]()
    for index, rows in enumerate(removals):
        try:
            model = shortcut.without(rows)
        except NotCoveredError as error:
            left_open.append(index)
            reasons[str(error)] += 1
            continue
        after[:, index], held[:, index] = model.predictors(queries)
        found[index] = shortcut.chosen(found_before, model.candidate)
        show_progress("models without rows", index + 1, len(removals), study.verbose)
    if left_open:
        _say_refits(len(left_open), len(removals), reasons)
        others = refits(asked, [removals[index] for index in left_open], with_held)
        after[:, left_open] = others.after
        if others.held is not None:
            held[:, left_open] = others.held
        for index, own in zip(left_open, others.chosen_after, strict=True):
            found[index] = own
    redrawn = asked.procedure.redrawn()
    if redrawn is not None:
        other = shortcut_of(asked, redrawn.without(NO_ROWS).estimator, with_search=False)
        warn_if_drawn(before, other.of_all().predictor(queries), after)
    return WholeModels(before, after, held if with_held else None, found_before, found)


def first(asked: Asked, removals: Sequence[np.ndarray], with_held: bool) -> WholeModels:
    """What models without each group of rows predict, to first order in the weight of the rows.

    That of the transformers is part of it. The penalty stays as it was chosen: of a choice among
    several there is no derivative.

    Parameters
    ----------
    asked, removals, with_held
        As of :func:`stepped`.

    Warns
    -----
    UserWarning
        If there is no derivative: then it is :func:`stepped` that tells.
    """
    study = asked.study
    refuse_networks(study)
    refuse_trees(study)
    check_classes_stay(study, asked.procedure, removals)
    try:
        shortcut = shortcut_of(asked, asked.fitted, with_search=False)
        order = shortcut.first_order()
    except NotCoveredError as error:
        warnings.warn(
            f"order='first' has no derivative here, because {error}; what is told is that of "
            "order='newton'.",
            UserWarning,
            stacklevel=5,
        )
        return stepped(asked, removals, with_held)
    before = study.remover.predictor(study.remover.at_optimum(asked.query))
    found = chosen(asked.fitted)
    warn_if_other(before, shortcut.of_all().predictor(shortcut.prepared(asked.X)), found, found)
    removed, places = np.unique(np.concatenate(removals), return_inverse=True)
    changes = order.changes(order.lifted(asked.X), removed)
    ends = np.cumsum([len(rows) for rows in removals])[:-1]
    moved = np.stack([changes[:, own].sum(axis=1) for own in np.split(places, ends)], axis=1)
    after = before[:, None] + moved
    return WholeModels(before, after, after if with_held else None, found, [found] * len(removals))


def shortcut_of(asked: Asked, fitted: Any, with_search: bool = True) -> Shortcut:
    """The way from the fit of all rows to that of fewer.

    Parameters
    ----------
    asked : Asked
    fitted : estimator
        Fitted by the procedure.
    with_search : bool, default=True
        Whether parameters are chosen again.

    Raises
    ------
    NotCoveredError
        If there is none.
    """
    procedure, study = asked.procedure, asked.study
    if is_dispatched(procedure.X) or sparse.issparse(procedure.X) or procedure.y is None:
        raise NotCoveredError("rows are sparse, or have no targets")
    if study.objective.n_rows != procedure.n_rows:
        raise NotCoveredError("the fit draws the rows that it trains on")
    passed = {name.rpartition("__")[2] for name in procedure.fit_params}
    if passed - {"sample_weight", "groups"} or (passed and get_config()["enable_metadata_routing"]):
        raise NotCoveredError("fit takes more arguments than the weights of the model")
    weight = procedure.sample_weight
    if weight is not None and np.all(weight == 1):
        weight = None
    groups = procedure.fit_params.get("groups")
    y = study.targets.shaped(procedure.y)
    return Shortcut(fitted, procedure.X, y, weight, groups, with_search)


def _say_refits(n_refits: int, n_removals: int, reasons: dict[str, int]) -> None:
    """Say which removals take the long way, and why."""
    causes = "; ".join(f"{reason} ({count})" for reason, count in reasons.items())
    warnings.warn(
        f"{n_refits} of {n_removals} removals are done by fitting everything again: {causes}.",
        UserWarning,
        stacklevel=6,
    )
