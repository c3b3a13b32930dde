"""Arrays of other libraries, perhaps on a device: whose they are, and the way there and back.

What is computed with them is written against the standard of the array API. The few functions that
it lacks are here, by the library's own where there is one.
"""

from __future__ import annotations

import importlib
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._blocks import block_budget

#: Most that a block takes of a device's memory, in bytes, and the share of what is free.
MOST_ON_DEVICE = 2**29
SHARE_OF_FREE = 1 / 16


def is_elsewhere(values: Any) -> bool:
    """Whether these are an array to compute with (those of Arrow are not), and not NumPy's."""
    return (
        hasattr(values, "__dlpack__")
        and hasattr(values, "__matmul__")
        and not isinstance(values, np.ndarray)
    )


def library_name(values: Any) -> str:
    """The library that an array is of."""
    return type(values).__module__.partition(".")[0]


def on_host(values: Any) -> Any:
    """An array of another library as NumPy's; anything else as it is."""
    if not is_elsewhere(values):
        return values
    library = library_name(values)
    if library == "torch":
        return values.detach().cpu().numpy()
    if library == "cupy":
        return values.get()
    if library == "array_api_strict":  # Of whose devices only one hands its numbers over.
        return np.asarray(values.to_device(type(values.device)("CPU_DEVICE")))
    return np.asarray(values)


def estimator_on_host(estimator: Any) -> Any:
    """A copy of a fitted estimator with NumPy's arrays; itself where it has no others."""
    changed = {name: on_host(own) for name, own in vars(estimator).items() if is_elsewhere(own)}
    if not changed:
        return estimator
    moved = copy(estimator)
    vars(moved).update(changed)
    return moved


def estimator_like(estimator: Any, other: Any) -> Any:
    """A fitted estimator, changed, with its arrays where another one of its type has them."""
    for name, own in vars(other).items():
        if is_elsewhere(own):
            found = np.asarray(vars(estimator)[name])
            vars(estimator)[name] = Place.of(own).put(found, found.dtype)
    return estimator


def beside(array: Any, values: np.ndarray) -> Any:
    """NumPy's values as numbers to compute with beside an array, wherever that is."""
    return Place.of(array).put(values) if is_elsewhere(array) else values


def copied(array: Any) -> Any:
    """A copy of an array, wherever that is."""
    return Place.of(array).xp.asarray(array, copy=True) if is_elsewhere(array) else array.copy()


def row_products(a: Any, b: Any) -> np.ndarray:
    """Inner products of the rows of one block with those of another, shape (n,)."""
    if not is_elsewhere(a):
        products: np.ndarray = np.einsum("ij,ij->i", a, b)
        return products
    return np.asarray(on_host(Place.of(a).xp.sum(a * b, axis=1)))


def inner_products(vectors: Any) -> np.ndarray:
    """Inner products of the vectors of each row, from (n, k, P) to (n, k, k), NumPy's."""
    if is_elsewhere(vectors):
        transposed = Place.of(vectors).xp.permute_dims(vectors, (0, 2, 1))
        return np.asarray(on_host(vectors @ transposed))
    products: np.ndarray = np.einsum("nkp,nlp->nkl", vectors, vectors)
    return products


@dataclass(frozen=True)
class Place:
    """Where arrays are: a library and a device of it.

    Attributes
    ----------
    namespace : str
        The module with the library's functions, as the array API has them.
    device : object
        As the library has it.
    """

    namespace: str
    device: Any

    @classmethod
    def of(cls, array: Any) -> Place:
        """That of an array.

        Raises
        ------
        ImportError
            If nothing here makes the library's functions those of the array API.
        """
        compat = _compat()
        return cls(compat.array_namespace(array).__name__, compat.device(array))

    @property
    def xp(self) -> Any:
        """The functions of the array API."""
        return importlib.import_module(self.namespace)

    @property
    def library(self) -> str:
        """The name of the library, for messages and for what only one of them has."""
        name = self.namespace.partition("array_api_compat.")[2] or self.namespace
        return name.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.library} on {self.device}"

    # --- precisions ------------------------------------------------------------------------

    @property
    def has_double(self) -> bool:
        """Whether it computes in double precision, which Apple's devices do not."""
        kinds = self.xp.__array_namespace_info__().dtypes(kind="real floating", device=self.device)
        return "float64" in kinds

    @property
    def widest(self) -> np.dtype:
        """The largest precision that there is."""
        return np.dtype(np.float64 if self.has_double else np.float32)

    def dtype_of(self, array: Any) -> np.dtype:
        """The precision of an array, as NumPy calls it."""
        return np.dtype(str(array.dtype).rpartition(".")[2])

    def own_dtype(self, dtype: Any) -> Any:
        """What the library calls a precision; the widest in place of one that it lacks."""
        dtype = np.dtype(dtype)
        if dtype == np.float64 and not self.has_double:
            dtype = self.widest
        return getattr(self.xp, dtype.name)

    # --- there and back --------------------------------------------------------------------

    def put(self, values: Any, dtype: Any = None) -> Any:
        """An array here, of NumPy's or of the library's, in a precision if one is asked for."""
        if not is_elsewhere(values):
            values = np.ascontiguousarray(values)
            own = self.own_dtype(values.dtype if dtype is None else dtype)
            if values.dtype == np.float64 and not self.has_double:
                values = values.astype(self.widest)
            return self.xp.astype(self.xp.asarray(values, device=self.device), own, copy=False)
        values = self.xp.asarray(values, device=self.device)
        return values if dtype is None else self.cast(values, dtype)

    def cast(self, array: Any, dtype: Any) -> Any:
        """An array in another precision."""
        return self.xp.astype(array, self.own_dtype(dtype), copy=False)

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """An array of zeros."""
        return self.xp.zeros(shape, dtype=self.own_dtype(dtype), device=self.device)

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """An array to be filled."""
        return self.xp.empty(shape, dtype=self.own_dtype(dtype), device=self.device)

    def take(self, array: Any, rows: Any) -> Any:
        """Rows of an array, given by a slice or by NumPy's positions."""
        if isinstance(rows, slice):
            return array[rows, ...]
        positions = np.arange(array.shape[0])[rows]
        return self.xp.take(array, self.put(positions.astype(np.int64)), axis=0)

    # --- memory ----------------------------------------------------------------------------

    def memory(self) -> tuple[int, int] | None:
        """Bytes that are free, and that there are; None where the machine's memory is used."""
        if self.library == "torch" and self.device.type == "cuda":
            cuda = importlib.import_module("torch").cuda
            free, total = cuda.mem_get_info(self.device)
            kept = cuda.memory_reserved(self.device) - cuda.memory_allocated(self.device)
            return free + kept, total
        if self.library == "cupy":
            cupy = importlib.import_module("cupy")
            free, total = self.device.mem_info
            return free + cupy.get_default_memory_pool().free_bytes(), total
        return None

    def block_bytes(self) -> float:
        """Bytes that a temporary block may take."""
        memory = self.memory()
        if memory is None:
            return block_budget()
        return max(block_budget(), min(MOST_ON_DEVICE, SHARE_OF_FREE * memory[0]))

    # --- what the standard lacks -----------------------------------------------------------

    def cholesky(self, matrix: Any) -> Any:
        """Lower factor of a symmetric matrix, or None if it is not positive definite."""
        try:
            factor = self.xp.linalg.cholesky(matrix)
        except (np.linalg.LinAlgError, ValueError, RuntimeError) as error:
            # Of torch it is a RuntimeError, and so is a lack of memory.
            if "memory" in str(error).lower():
                raise
            return None
        return factor if bool(self.xp.all(self.xp.isfinite(self.diagonal(factor)))) else None

    def inverse_of_lower(self, factor: Any) -> Any:
        """``L^-1`` of a lower triangular factor."""
        identity = self.xp.eye(factor.shape[0], dtype=factor.dtype, device=self.device)
        if self.library == "torch":
            solve = importlib.import_module("torch").linalg.solve_triangular
            return solve(factor, identity, upper=False)
        if self.library == "cupy":
            solve = importlib.import_module("cupyx.scipy.linalg").solve_triangular
            return solve(factor, identity, lower=True, overwrite_b=True)
        return self.xp.tril(self.xp.linalg.solve(factor, identity))

    def diagonal(self, matrix: Any) -> Any:
        """The diagonal of a matrix."""
        return self.xp.linalg.diagonal(matrix)

    def largest(self, scores: Any, n_best: int) -> tuple[Any, Any]:
        """The largest entries of each row, largest first, and where they are."""
        if self.library == "torch":
            return tuple(importlib.import_module("torch").topk(scores, n_best, dim=1))
        order = self.xp.argsort(scores, axis=1, descending=True, stable=True)[:, :n_best]
        return self.xp.take_along_axis(scores, order, axis=1), order


def _compat() -> Any:
    """What makes libraries keep to the array API: scikit-learn's own copy, or the package."""
    for name in ("sklearn.externals.array_api_compat", "array_api_compat"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise ImportError(
        "To compute with the arrays of another library, scikit-learn 1.8 or later is needed, or "
        "the package array-api-compat: pip install array-api-compat."
    )
