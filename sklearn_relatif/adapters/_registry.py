"""From the type of an estimator to its adapter, by name, so that nothing has to be imported."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module, metadata
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from ._base import Adapter, KeptData
from ._ways_out import way_out
from ._wrappers import is_placeholder

#: Entry points of other packages: modules, or what is in them, that register when imported.
ENTRY_POINTS = "sklearn_relatif.adapters"
#: Libraries for which there is a module in ``extras``.
EXTRAS = {"catboost", "glum", "lightgbm", "skglm", "skorch", "statsmodels", "xgboost"}
_adapters: dict[str, Adapter] = {}


def register(names: str | Iterable[str], adapter: Adapter) -> None:
    """Have an adapter answer for some types of estimators, and for what is derived from these.

    Packages that bring adapters either call this themselves, or name a module that does as an
    entry point of the group ``"sklearn_relatif.adapters"``. It is imported when an estimator is
    met that nobody has registered.

    Parameters
    ----------
    names : str or iterable of str
        Each is the name of a class after that of its module, or of a package above:
        ``"sklearn.linear_model.Ridge"``. A class that is registered already gets this adapter.
    adapter : Adapter
    """
    for name in [names] if isinstance(names, str) else names:
        _adapters[name] = adapter


def find_adapter(estimator: Any) -> Adapter | None:
    """The adapter of an unwrapped estimator, which need not be fitted; None if there is none."""
    adapter = _registered(type(estimator))
    if adapter is None:
        _load_extras(type(estimator))
        _load_entry_points()
        adapter = _registered(type(estimator))
    return adapter


def adapter_of(estimator: Any) -> Adapter:
    """The adapter of an unwrapped estimator, which need not be fitted.

    Parameters
    ----------
    estimator : estimator
        Wrappers have been removed by :func:`split_pipeline`.

    Returns
    -------
    Adapter

    Raises
    ------
    TypeError
        If neither its type nor one that it is derived from is registered.
    """
    adapter = find_adapter(estimator)
    if adapter is None:
        raise TypeError(_unsupported_message(estimator))
    return adapter


def kept_data(model: Any) -> KeptData | None:
    """What stands for a fitted model that keeps its own rows; see :meth:`Adapter.kept_data`."""
    adapter = None if isinstance(model, BaseEstimator) else find_adapter(model)
    return None if adapter is None else adapter.kept_data(model)


def trained_before(estimator: Any, X: Any, y: Any, sample_weight: Any) -> Any:
    """An estimator that is fitted, for one whose fit trains nothing; any other as it is.

    Raises
    ------
    TypeError
        If it is no estimator at all.
    """
    if not hasattr(estimator, "fit"):
        raise TypeError(_unsupported_message(estimator))
    adapter = _registered(type(estimator))
    return estimator if adapter is None else adapter.trained_before(estimator, X, y, sample_weight)


def reduce_estimator(estimator: Any, X: Any, y: np.ndarray, sample_weight: np.ndarray) -> Any:
    """The objective of a fitted estimator by its adapter; see :meth:`Adapter.reduce`."""
    return adapter_of(estimator).reduce(estimator, X, y, sample_weight)


def _registered(kind: type) -> Adapter | None:
    names = (name for base in kind.__mro__ for name in _names(base))
    return next((_adapters[name] for name in names if name in _adapters), None)


def _names(kind: type) -> Iterator[str]:
    """The names that a class may be registered by, the longest first."""
    place = kind.__module__
    while place:
        yield f"{place}.{kind.__name__}"
        place = place.rpartition(".")[0]


def _load_extras(kind: type) -> None:
    """Register what is here of the libraries that a class, and those it is derived from, are of."""
    parts = {part for base in kind.__mro__ for part in base.__module__.split(".")}
    for package in EXTRAS & {part.removeprefix("_") for part in parts}:
        for name, adapter in import_module(f"{__package__}.extras._{package}").ADAPTERS.items():
            register(name, adapter)


@cache
def _load_entry_points() -> None:
    for entry_point in metadata.entry_points(group=ENTRY_POINTS):
        try:
            entry_point.load()
        except Exception as error:
            warnings.warn(
                f"The entry point {entry_point.name!r} of the group {ENTRY_POINTS!r} failed, so "
                f"that its estimators cannot be explained: {type(error).__name__}: {error}",
                UserWarning,
                stacklevel=4,
            )


def _unsupported_message(estimator: Any) -> str:
    names = {name.rpartition(".")[2] for name in _adapters}
    supported = ", ".join(sorted(name for name in names if not name.startswith("_")))
    name = type(estimator).__name__
    if is_placeholder(estimator):
        name = f"The placeholder {estimator!r}"
    return (
        f"{name} cannot be explained.{way_out(estimator)} Supported estimators: {supported}; "
        "also as the last step of a Pipeline, as the best estimator of a search with "
        "refit=True, in a FrozenEstimator, behind a threshold, or with a transformed target."
    )
