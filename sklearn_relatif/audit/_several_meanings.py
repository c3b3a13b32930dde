"""What each number of an audit is called and means where a row has several targets."""

from __future__ import annotations

from ._meanings import (
    IN_SAMPLE,
    NUMBER_FACTS,
    NUMBER_GROUP,
    NUMBER_PREDICTION,
    NUMBER_ROW,
    Meaning,
)

SEVERAL_ROW = NUMBER_ROW | {
    "loss": Meaning(
        "loss",
        "How badly the model fits the row: its training loss, unweighted, summed over the targets.",
        IN_SAMPLE,
    ),
    "leverage": Meaning(
        "leverage",
        "The share of its own fit that the row alone determines, summed over the targets. Large "
        "for unusual features. Leverages sum to the effective number of parameters.",
    ),
    "hub_if": Meaning(
        "first by IF",
        "The number of test rows for which the row moves the sum of the predictions most, by "
        "influence.",
    ),
    "hub_relatif": Meaning(
        "first by RelatIF",
        "The number of test rows for which the row moves the sum of the predictions most, by "
        "relative influence.",
    ),
    "suspicion_rank": Meaning(
        "suspicion",
        "1 for the row whose targets the model contradicts most: its loss, summed over the "
        "targets, is largest.",
        IN_SAMPLE,
    ),
}
SEVERAL_PREDICTION = NUMBER_PREDICTION | {
    "support": Meaning(
        "support",
        "How near the training row that moves the sum of the predictions most comes to the test "
        "row, as the model sees it: for linear models a cosine, 1 for a row that bears on the "
        "model just as the test row would, up or down; for kernel machines and trees the score of "
        "that row.",
    ),
    "best_row": Meaning(
        "best row",
        "The training row that moves the sum of the predictions most, by relative influence.",
    ),
}
#: What there is of each target, and how its heading tells which.
EACH_ROW = {
    "target": "target {}",
    "prediction": "prediction {}",
    "residual": "residual {}",
    "loo_prediction": "prediction {} without",
    "loo_residual": "residual {} without",
    "oob_prediction": "prediction {} of the rest",
    "oob_residual": "residual {} of the rest",
}
EACH_GROUP = {
    "mean_residual": "mean residual {}",
    "error": "error {}",
    "prediction_change": "change {}",
    "error_change": "error change {}",
}
EACH_FACT = {
    "error": "training error {}",
    "loo_error": "leave-one-out error {}",
    "oob_error": "out-of-bag error {}",
    "spread": "baseline {}, training",
    "test_error": "test error {}",
    "test_spread": "baseline {}, test",
}


def meanings_of_several(n_targets: int) -> tuple[dict[str, Meaning], ...]:
    """Those of rows, predictions, groups and facts where a row has several targets."""
    kinds = (
        (SEVERAL_ROW, EACH_ROW),
        (SEVERAL_PREDICTION, EACH_ROW),
        (NUMBER_GROUP, EACH_GROUP),
        (NUMBER_FACTS, EACH_FACT),
    )
    return tuple(meanings | _of_each(meanings, each, n_targets) for meanings, each in kinds)


def _of_each(meanings, each, n_targets):
    return {
        f"{name}_{k}": meanings[name]._replace(heading=heading.format(k))
        for name, heading in each.items()
        if name in meanings
        for k in range(n_targets)
    }
