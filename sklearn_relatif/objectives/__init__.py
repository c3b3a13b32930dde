"""Noun 1: the objective, which is what a fitted estimator minimised.

One module a family of estimators, one registered reduction an estimator. An objective offers
the structured gradients of its rows and the curvature summed over them; it knows no solver.
"""

from . import _logistic, _margin  # noqa: F401 (importing them registers the reductions)
from ._kernel import is_kernel_machine
from ._linear import LinearObjective, block_budget, mirror_lower
from ._products import CurvatureSum
from ._registry import (
    innermost_path,
    is_supported,
    model_rows,
    rebuild,
    reduce_estimator,
    refit_reweights,
    score_weights,
    split_pipeline,
    unsupported_message,
    with_score_weights,
)
from ._row_space import (
    heavy_columns,
    reduce_to_row_space,
    row_space_obstacle,
    without_columns,
)
from ._rows import Design, GradientRows, row_blocks, value_blocks

__all__ = [
    "CurvatureSum",
    "Design",
    "GradientRows",
    "LinearObjective",
    "block_budget",
    "heavy_columns",
    "innermost_path",
    "is_kernel_machine",
    "is_supported",
    "mirror_lower",
    "model_rows",
    "rebuild",
    "reduce_estimator",
    "reduce_to_row_space",
    "refit_reweights",
    "row_blocks",
    "row_space_obstacle",
    "score_weights",
    "split_pipeline",
    "unsupported_message",
    "value_blocks",
    "with_score_weights",
    "without_columns",
]
