"""Noun 1: the Jacobian, which is how predictors depend on the parameters."""

from ._gradients import GradientRows
from ._kernel import KernelRows, LinearKernel, TrainingKernel
from ._linear import DENSE_ABOVE, Design
from ._row_space import (
    RowSpaceDesign,
    dense_row_space,
    heavy_columns,
    sparse_row_space,
    without_columns,
)
from ._stored import MappedFile, StoredRows, held, is_stored, take_columns

__all__ = [
    "DENSE_ABOVE",
    "Design",
    "GradientRows",
    "KernelRows",
    "LinearKernel",
    "MappedFile",
    "RowSpaceDesign",
    "StoredRows",
    "TrainingKernel",
    "dense_row_space",
    "heavy_columns",
    "held",
    "is_stored",
    "sparse_row_space",
    "take_columns",
    "without_columns",
]
