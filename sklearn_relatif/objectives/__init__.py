"""Noun 1: the objective, which is what a fitted estimator minimised.

One module a family of estimators, one registered reduction an estimator. An objective offers
the structured gradients of its rows and the curvature summed over them; it knows no solver.
"""

from . import _logistic, _margin  # noqa: F401 (importing them registers the reductions)
from ._build import NO_PARAMETERS
from ._kernel import UnknownBoundsError, is_kernel_machine
from ._linear import WITHOUT_L1, LinearObjective, block_budget, mirror_lower
from ._products import CurvatureSum
from ._registry import (
    check_supported,
    innermost_path,
    is_sampler,
    is_search,
    is_searched,
    model_rows,
    rebuild,
    reduce_estimator,
    samplers,
    score_weights,
    split_pipeline,
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
    "NO_PARAMETERS",
    "WITHOUT_L1",
    "CurvatureSum",
    "Design",
    "GradientRows",
    "LinearObjective",
    "UnknownBoundsError",
    "block_budget",
    "check_supported",
    "heavy_columns",
    "innermost_path",
    "is_kernel_machine",
    "is_sampler",
    "is_search",
    "is_searched",
    "mirror_lower",
    "model_rows",
    "rebuild",
    "reduce_estimator",
    "reduce_to_row_space",
    "row_blocks",
    "row_space_obstacle",
    "samplers",
    "score_weights",
    "split_pipeline",
    "value_blocks",
    "with_score_weights",
    "without_columns",
]
