"""How faithful a criterion is to what retraining shows."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats
from sklearn.utils import check_random_state

from ..results import ratio_or_zero
from ..search import products
from ._effects import removal_effect, removal_statistics

CORRELATIONS = {"pearson": stats.pearsonr, "spearman": stats.spearmanr}


def correlated(estimate: np.ndarray, truth: np.ndarray, correlation: str) -> float:
    """Correlation of estimates with the truth, over queries and rows."""
    return float(CORRELATIONS[correlation](estimate.ravel(), truth.ravel()).statistic)


def estimate_and_truth(
    study: Any,
    query: Any,
    criterion: str,
    *,
    n_retrainings: int,
    random_state: Any,
    order: str | None = None,
    truth: str = "retrain",
) -> tuple[np.ndarray, np.ndarray]:
    """A criterion on the rows that matter most and on random ones, and what it stands for.

    Parameters
    ----------
    study : Study
    query : Query of n_queries rows
    criterion : {"influence", "theta_relative", "loss_relative"}
    n_retrainings : int
        How many rows, at most.
    random_state : int, RandomState instance or None
        Draws half of them.
    order : {"first", "newton", "structure"} or None
        Instead of the criterion, the effect of the removal to this order.
    truth : {"retrain", "pbrf", "structure"}, default="retrain"
        The order that tells what it is.

    Returns
    -------
    estimate, truth : ndarrays of shape (n_queries, n_retrainings)
    """
    objective = study.objective
    if criterion == "theta_relative" and order is None:
        _check_parameters_change(study, truth)
    queries = objective.query_rows(query.jacobian, query.y)
    factors = study.factors(criterion)
    if criterion == "influence":
        factors = factors * objective.sample_weight / objective.total_weight
    rows = _rows_to_retrain(
        study, _strength(study, queries, factors), n_retrainings, check_random_state(random_state)
    )
    if order is not None:
        groups = np.full(objective.n_rows, None)
        groups[rows] = np.arange(len(rows))
        estimate = removal_effect(study, query, groups, order)
        return estimate, removal_effect(study, query, groups, truth)
    estimate = _scores_of_rows(study, queries, factors, rows)
    without = removal_statistics(study, list(rows), query, truth)
    change = without.loss_change
    if criterion == "theta_relative":
        change = ratio_or_zero(change, without.parameter_change)
    elif criterion == "loss_relative":
        change = ratio_or_zero(change, without.training_change)
    return estimate, change


def _check_parameters_change(study: Any, truth: str) -> None:
    """Refuse to compare theta-relative influence with models whose parameters are others."""
    if not study.remover.has_parameter_change(truth):
        raise ValueError(
            "Theta-relative influence stands for an effect over the change of the parameters, and "
            "trees that are grown again have leaves of their own, whose values do not compare. Use "
            "truth='structure' (of estimate_and_truth or metrics.retraining_fidelity), "
            "criterion='loss_relative' or criterion='influence'."
        )


def _rows_to_retrain(
    study: Any, strength: np.ndarray, n_retrainings: int, random_state: np.random.RandomState
) -> np.ndarray:
    """Half the rows of largest strength, half at random, of those that can be left out."""
    counted = np.flatnonzero(study.objective.sample_weight)
    if study.targets.has_classes:
        y = study.objective.y[counted]
        counted = counted[np.bincount(y)[y] > 1]
    n_rows = min(n_retrainings, len(counted))
    strongest = counted[np.argsort(-strength[counted], kind="stable")[: n_rows - n_rows // 2]]
    others = np.setdiff1d(counted, strongest)
    drawn = random_state.choice(others, n_rows // 2, replace=False)
    return np.concatenate([strongest, drawn])


def _strength(study: Any, queries: Any, factors: np.ndarray) -> np.ndarray:
    """Sum over the queries of the absolute criterion of each row."""
    strength = np.zeros(len(factors))
    for asked, rows, block in products(queries, study.objective.rows, study.curvature):
        strength[rows] += queries.norm[asked] @ np.abs(block)
    return strength * np.abs(factors)


def _scores_of_rows(
    study: Any, queries: Any, factors: np.ndarray, chosen: np.ndarray
) -> np.ndarray:
    """Criterion of chosen rows on the queries, shape (n_queries, n_chosen)."""
    scores = np.empty((queries.n_rows, len(chosen)))
    for asked, rows, block in products(queries, study.objective.rows, study.curvature):
        here = np.flatnonzero((chosen >= rows.start) & (chosen < rows.stop))
        scores[asked, here] = block[:, chosen[here] - rows.start]
    return scores * factors[chosen] * queries.norm[:, None]
