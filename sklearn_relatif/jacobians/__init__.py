"""Noun 1: the Jacobian, which is how predictors depend on the parameters."""

from ._array_linear import ArrayLinearJacobian
from ._base import FiniteJacobian, Jacobian
from ._classes import ClassDensity, ClassJacobian, dense
from ._composed import ComposedJacobian, slices_of
from ._empty_columns import PresentColumnsJacobian, empty_columns
from ._features import FeatureJacobian
from ._gradients import Gradients
from ._kernel import KernelFeatures, KernelJacobian, LinearKernel, TrainingKernel
from ._kernel_space import KernelSpaceJacobian, PairwiseKernel, ProcessKernel
from ._layered import LayeredJacobian, Layers
from ._leaves import (
    BoostedJacobian,
    BoostedRows,
    DenseLeafVectors,
    ForestJacobian,
    ForestRows,
    LeafJacobian,
    LeafRows,
    LeafVectors,
)
from ._linear import LinearJacobian
from ._module import ModuleJacobian, log_of_probabilities
from ._module_function import ModuleFunction
from ._module_layer import ModuleLayer, last_linear, parameter_names
from ._module_rows import module_rows
from ._products import has_few_products, products_of_features, work_of_products
from ._row_space import RowSpaceJacobian, heavy_columns, without_columns
from ._stored import MappedFile, StoredRows, held, is_stored, take_columns

__all__ = [
    "ArrayLinearJacobian",
    "BoostedJacobian",
    "BoostedRows",
    "ClassDensity",
    "ClassJacobian",
    "ComposedJacobian",
    "DenseLeafVectors",
    "FeatureJacobian",
    "FiniteJacobian",
    "ForestJacobian",
    "ForestRows",
    "Gradients",
    "Jacobian",
    "KernelFeatures",
    "KernelJacobian",
    "KernelSpaceJacobian",
    "LayeredJacobian",
    "Layers",
    "LeafJacobian",
    "LeafRows",
    "LeafVectors",
    "LinearJacobian",
    "LinearKernel",
    "MappedFile",
    "ModuleFunction",
    "ModuleJacobian",
    "ModuleLayer",
    "PairwiseKernel",
    "PresentColumnsJacobian",
    "ProcessKernel",
    "RowSpaceJacobian",
    "StoredRows",
    "TrainingKernel",
    "dense",
    "empty_columns",
    "has_few_products",
    "heavy_columns",
    "held",
    "is_stored",
    "last_linear",
    "log_of_probabilities",
    "module_rows",
    "parameter_names",
    "products_of_features",
    "slices_of",
    "take_columns",
    "without_columns",
    "work_of_products",
]
