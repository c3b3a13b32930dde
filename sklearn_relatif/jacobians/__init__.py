"""Noun 1: the Jacobian, which is how predictors depend on the parameters."""

from ._gradients import Gradients
from ._kernel import KernelRows, LinearKernel, TrainingKernel
from ._linear import DENSE_ABOVE, LinearJacobian
from ._row_space import (
    RowSpaceJacobian,
    dense_row_space,
    heavy_columns,
    sparse_row_space,
    without_columns,
)
from ._stored import MappedFile, StoredRows, held, is_stored, take_columns

__all__ = [
    "DENSE_ABOVE",
    "Gradients",
    "KernelRows",
    "LinearJacobian",
    "LinearKernel",
    "MappedFile",
    "RowSpaceJacobian",
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
