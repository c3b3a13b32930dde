"""Linear predictors in features that a function, which is held fixed, makes of rows."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

from ._linear import LinearJacobian


class FeatureJacobian(LinearJacobian):
    """Rows by what a function makes of them, which is linear in the parameters that vary.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_rows, n_features)
        Training rows as the function has made them.
    fit_intercept : bool
    features : callable
        From the user's features of any rows to these.
    """

    def __init__(self, X: Any, fit_intercept: bool, features: Callable[[Any], Any]) -> None:
        super().__init__(X, fit_intercept)
        self.make = features

    def made_of(self, X: Any) -> Any:
        """What the function makes of rows."""
        return self.make(X)

    def astype(self, dtype: Any) -> FeatureJacobian:
        """The same rows in another precision."""
        other = copy(self)
        other.X = self.X.astype(dtype, copy=False)
        other.dtype = other.X.dtype
        return other
