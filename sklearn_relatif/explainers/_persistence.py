"""Saving explainers: the release that saved one, and what may be loaded."""

from __future__ import annotations

import inspect
import sys
from typing import Any

import numpy as np
from scipy import sparse

from .._version import __version__

VERSION_KEY = "_sklearn_relatif_version"
#: Modules and packages of this one whose classes saved explainers consist of.
MODULES_OF_STATE = (
    "_study",
    "adapters._head",
    "adapters._composed",
    "adapters._machine_fits",
    "adapters._targets",
    "curvature",
    "explainers._compact",
    "explainers._neighbors",
    "explainers._relatif",
    "jacobians",
    "losses",
    "objectives",
    "removal._composed",
    "removal._hinge",
    "removal._smooth",
    "removal.active_set",
    "results._explanation",
    "results._removed_rows",
    "results._solver_choice",
    "results._training_rows",
)
#: Classes of these modules that do more than hold and compute: one opens a file, the other has its
#: rows transformed by whatever it is given, at once and whenever NumPy looks at it.
NOT_OF_STATE = ("jacobians._stored.MappedFile", "jacobians._stored.StoredRows")
#: What explainers hold that skops does not know and that does nothing but hold data.
OF_OTHERS = (np.dtype, sparse.csr_array, sparse.csr_matrix)
#: Of Gaussian processes, which are loaded where they are used: the kernels, and what a classifier
#: is made of.
OF_PROCESSES = (
    "_gpc._BinaryGaussianProcessClassifierLaplace",
    "kernels.CompoundKernel",
    "kernels.ConstantKernel",
    "kernels.DotProduct",
    "kernels.ExpSineSquared",
    "kernels.Exponentiation",
    "kernels.Hyperparameter",
    "kernels.Matern",
    "kernels.PairwiseKernel",
    "kernels.Product",
    "kernels.RBF",
    "kernels.RationalQuadratic",
    "kernels.Sum",
    "kernels.WhiteKernel",
)


class VersionedMixin:
    """Saving an explainer with the release that it is of."""

    def __reduce__(self) -> Any:
        # The release is checked before anything else is loaded: the state may name classes that
        # another release does not have, and that would fail less clearly.
        return _blank, (type(self), __version__), self.__getstate__()

    def __getstate__(self) -> dict[str, Any]:
        # Again in the state, for formats that look at nothing else, such as that of skops.
        return {**self.__dict__, VERSION_KEY: __version__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        check_release(state.pop(VERSION_KEY, None))
        self.__dict__.update(state)


def check_release(saved: str | None) -> None:
    """Raise a ValueError if an explainer was saved by another minor release.

    Fitted attributes that do not belong to the public interface may change from one minor
    release to the next, and an explainer that mixes two of them could be silently wrong.
    """
    if saved is None or _minor(saved) != _minor(__version__):
        by = f"sklearn_relatif {saved}" if saved else "an unknown release of sklearn_relatif"
        raise ValueError(
            f"The explainer was saved by {by} and cannot be loaded by {__version__}. Load it with "
            "the release that saved it, or rebuild it from the fitted estimator and its training "
            "data by RelatIFExplainer.from_fitted."
        )


def trusted_types() -> list[str]:
    """Names of the types that a saved explainer consists of, for skops.

    ``skops.io.load(file, trusted=trusted_types())`` loads an explainer around scikit-learn's own
    estimators. A file can have whatever is listed called, with arguments of its own. So the list
    has types of data alone, which neither write nor open anything when they are made: no function,
    no method, no ``functools.partial``, no report. Whatever else a file holds, such as other
    packages' preprocessing, ``skops.io.get_untrusted_types`` lists, and it is yours to judge.

    Returns
    -------
    list of str
        In alphabetical order.

    Examples
    --------
    >>> from sklearn_relatif import trusted_types
    >>> "sklearn_relatif.explainers._relatif.RelatIFExplainer" in trusted_types()
    True
    """
    package = __name__.partition(".")[0]
    places = tuple(f"{package}.{name}." for name in MODULES_OF_STATE)
    of_state = {
        f"{kind.__module__}.{kind.__qualname__}"
        for name, module in sys.modules.items()
        if f"{name}.".startswith(places)
        for kind in filter(inspect.isclass, vars(module).values())
        if f"{kind.__module__}.".startswith(places)
    }
    of_others = {f"{kind.__module__}.{kind.__name__}" for kind in OF_OTHERS}
    of_others |= {f"sklearn.gaussian_process.{name}" for name in OF_PROCESSES}
    return sorted((of_others | of_state) - {f"{package}.{name}" for name in NOT_OF_STATE})


def _blank(kind: Any, saved: str | None) -> Any:
    """An instance without attributes, if this release can load what ``saved`` has saved."""
    check_release(saved)
    return kind.__new__(kind)


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]
