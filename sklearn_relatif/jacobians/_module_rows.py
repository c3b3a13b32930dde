"""Rows as modules of PyTorch take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import assert_all_finite


def module_rows(X: Any) -> Any:
    """Rows of any shape as a module takes them: an array, or a tensor where that is on a device.

    Raises
    ------
    TypeError
        If they are sparse, or no numbers.
    ValueError
        If they are not finite, or no rows.
    """
    if sparse.issparse(X):
        raise TypeError("Sparse data was passed, but dense data is required. Use '.toarray()'.")
    if not (hasattr(X, "__array__") or isinstance(X, Sequence)):
        raise TypeError(
            "X must be an array, a tensor, a frame or a list of rows, and is a "
            f"{type(X).__name__}: gather the rows of a Dataset or DataLoader first, X = "
            "torch.stack([x for x, _ in dataset]), in the order of y."
        )
    if hasattr(X, "is_meta") and X.is_meta:
        raise ValueError("X is a tensor on the device 'meta', which has shapes and no numbers.")
    if hasattr(X, "is_floating_point") and X.is_floating_point() and X.element_size() < 4:
        X = X.float()  # NumPy has no bfloat16.
    if hasattr(X, "detach") and X.device.type != "cpu":
        X = X.detach()
        if X.is_floating_point() and not bool(X.isfinite().all()):
            raise ValueError("Input X contains NaN or infinity.")
    else:
        X = np.asarray(X.detach() if hasattr(X, "detach") else X)
        if X.dtype.kind == "c":
            raise ValueError("Complex data not supported: X must hold real numbers.")
        X = X.astype(np.float64) if X.dtype.kind == "O" else X
        if X.dtype.kind not in "biuf":
            raise ValueError(
                f"X must hold numbers, in one array with a row an entry; got an array of {X.dtype}."
            )
        assert_all_finite(X, input_name="X")
    if X.ndim < 2:
        raise ValueError(
            f"Expected 2D array, or one of more axes, got {X.ndim}D array instead. Reshape your "
            "data by X.reshape(-1, 1) if a row is one number, or X.reshape(1, -1) if X is one row."
        )
    if 0 in X.shape:
        what = "sample(s)" if not len(X) else "feature(s)"
        raise ValueError(
            f"Found array with 0 {what} (shape={tuple(X.shape)}) while a minimum of 1 is required."
        )
    return X
