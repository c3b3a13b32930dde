"""Noun 6: the adapter, from a fitted estimator to its objective and back."""

from . import (  # noqa: F401 (they register)
    _calibrated,
    _discriminant,
    _ensembles,
    _forests,
    _gaussian_process,
    _glm,
    _gradient_boosting,
    _head,
    _hist_boosting,
    _huber,
    _kernel,
    _kernel_ridge,
    _kernel_values,
    _lasso,
    _last_layer,
    _least_squares,
    _linear_svr,
    _logistic,
    _margin,
    _mlp,
    _naive_bayes,
    _problems,
    _sgd,
    _torch,
)
from ._base import Adapter, KeptData, OutputLayer
from ._boosting import BoostingAdapter
from ._chosen import chosen, held
from ._head import linear_head
from ._last_layer import last_layer_objective
from ._linear import LinearAdapter, Parameters
from ._machine_fits import MachineFits
from ._origins import UNKNOWN, column_origins
from ._recording import (
    Recordings,
    TrainingData,
    positions_of_resampled,
    recording,
    warn_if_transform_differs,
)
from ._registry import (
    adapter_of,
    find_adapter,
    kept_data,
    reduce_estimator,
    register,
    trained_before,
)
from ._targets import (
    BoundedTargets,
    ClassTargets,
    ColumnTargets,
    NoTargets,
    RealTargets,
    Targets,
)
from ._wrappers import (
    fitted_around,
    innermost_path,
    is_frozen,
    is_sampler,
    is_searched,
    model_rows,
    rebuild,
    samplers,
    split_pipeline,
    targets_of,
    thresholded,
)

__all__ = [
    "UNKNOWN",
    "Adapter",
    "BoostingAdapter",
    "BoundedTargets",
    "ClassTargets",
    "ColumnTargets",
    "KeptData",
    "LinearAdapter",
    "MachineFits",
    "NoTargets",
    "OutputLayer",
    "Parameters",
    "RealTargets",
    "Recordings",
    "Targets",
    "TrainingData",
    "adapter_of",
    "chosen",
    "column_origins",
    "find_adapter",
    "fitted_around",
    "held",
    "innermost_path",
    "is_frozen",
    "is_sampler",
    "is_searched",
    "kept_data",
    "last_layer_objective",
    "linear_head",
    "model_rows",
    "positions_of_resampled",
    "rebuild",
    "recording",
    "reduce_estimator",
    "register",
    "samplers",
    "split_pipeline",
    "targets_of",
    "thresholded",
    "trained_before",
    "warn_if_transform_differs",
]
