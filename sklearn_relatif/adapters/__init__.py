"""Noun 6: the adapter, from a fitted estimator to its objective and back."""

from . import _logistic, _margin  # noqa: F401 (importing them registers the reductions)
from ._coefficients import score_weights, with_score_weights
from ._kernel import is_kernel_machine
from ._recording import TrainingData, positions_of_resampled, recording, warn_if_transform_differs
from ._registry import check_supported, reduce_estimator
from ._targets import ClassTargets, RealTargets, flat_labels
from ._wrappers import (
    innermost_path,
    is_sampler,
    is_search,
    is_searched,
    model_rows,
    rebuild,
    samplers,
    split_pipeline,
)

__all__ = [
    "ClassTargets",
    "RealTargets",
    "TrainingData",
    "check_supported",
    "flat_labels",
    "innermost_path",
    "is_kernel_machine",
    "is_sampler",
    "is_search",
    "is_searched",
    "model_rows",
    "positions_of_resampled",
    "rebuild",
    "recording",
    "reduce_estimator",
    "samplers",
    "score_weights",
    "split_pipeline",
    "warn_if_transform_differs",
    "with_score_weights",
]
