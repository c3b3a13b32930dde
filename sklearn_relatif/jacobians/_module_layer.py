"""The parameters of a module of PyTorch by name, and its last linear layer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._module_function import ModuleFunction


def parameter_names(module: Any, parameters: Any = "all") -> tuple[str, ...]:
    """Names of parameters of a module, in its own order.

    Parameters
    ----------
    module : torch.nn.Module
    parameters : "all" or sequence of str, default="all"
        "all": those that have gradients. A name of a parameter that is used under several counts
        for it.

    Raises
    ------
    ValueError
        If there is no such parameter, or none at all, or they are of several precisions or of one
        that NumPy does not compute in.
    """
    import torch

    named = dict(module.named_parameters())
    if isinstance(parameters, str) and parameters == "all":
        chosen = {name for name, own in named.items() if own.requires_grad}
        if not chosen:
            raise ValueError(
                f"{type(module).__name__} has no parameter with requires_grad=True, so that there "
                "is nothing that training rows could have an influence on. Name those that were "
                "trained: parameters=[...]."
            )
    else:
        aliases = dict(module.named_parameters(remove_duplicate=False))
        is_list = not isinstance(parameters, str) and isinstance(parameters, Collection)
        if not is_list or not len(parameters) or not set(parameters) <= set(aliases):
            raise ValueError(
                "parameters must be 'all', 'last_layer', or a list of names of parameters of the "
                f"module, which are {', '.join(named)}; got {parameters!r}."
            )
        asked = {id(aliases[name]) for name in parameters}
        chosen = {name for name, own in named.items() if id(own) in asked}
    kinds = {own.dtype for name, own in named.items() if name in chosen}
    if len(kinds) > 1 or not kinds <= {torch.float32, torch.float64}:
        raise ValueError(
            f"{type(module).__name__} has parameters of {', '.join(sorted(map(str, kinds)))}; they "
            "must all be of single or all of double precision: module.float() or module.double()."
        )
    return tuple(name for name in named if name in chosen)


def last_linear(module: Any) -> str:
    """The name of the last ``torch.nn.Linear`` of a module.

    Raises
    ------
    ValueError
        If there is none, or its parameters are those of another layer too.
    """
    import torch

    linear = [name for name, own in module.named_modules() if isinstance(own, torch.nn.Linear)]
    if not linear:
        raise ValueError(
            f"{type(module).__name__} has no torch.nn.Linear that could be its last layer; use "
            "parameters='all'."
        )
    name = linear[-1]
    own = {id(parameter) for parameter in module.get_submodule(name).parameters()}
    every = [id(parameter) for _, parameter in module.named_parameters(remove_duplicate=False)]
    if sum(parameter in own for parameter in every) > len(own):
        raise ValueError(
            f"The last torch.nn.Linear of {type(module).__name__}, {name!r}, shares parameters "
            "with another layer, which depends on them too; use parameters='all'."
        )
    return name


@dataclass(frozen=True, eq=False)
class ModuleLayer:
    """The last linear layer of a module, and what the layers before it make of rows.

    Attributes
    ----------
    function : ModuleFunction
        Of all or some of the parameters, those of the layer among them.
    name : str
    outputs : ndarray of shape (n_given, n_outputs)
        ``C``, of the predictors ``C^T f(x)``.
    batch_size : int
    """

    function: ModuleFunction
    name: str
    outputs: np.ndarray
    batch_size: int

    @property
    def layer(self) -> Any:
        return self.function.module.get_submodule(self.name)

    @property
    def has_intercept(self) -> bool:
        return self.layer.bias is not None

    def positions(self) -> np.ndarray:
        """Where its parameters are among those of the function, a row a unit, intercept last."""
        prefix = f"{self.name}." if self.name else ""
        ends = dict(zip(self.function.names, np.cumsum(self.function.sizes), strict=True))
        n_units, n_features = self.layer.weight.shape
        last = ends[f"{prefix}weight"]
        found = np.arange(last - n_units * n_features, last).reshape(n_units, n_features)
        if not self.has_intercept:
            return found
        last = ends[f"{prefix}bias"]
        return np.column_stack([found, np.arange(last - n_units, last)])

    def features(self, X: Any) -> np.ndarray:
        """What the layer takes of rows, as the module takes these, shape (n_rows, n_features).

        Raises
        ------
        ValueError
            If the predictors are not what the layer gives.
        """
        import torch

        function, found = self.function, []
        with function.at_work(), torch.no_grad():
            for start in range(0, len(X), self.batch_size):
                x = function.tensor(X[start : start + self.batch_size])
                seen: list[Any] = []
                hook = self.layer.register_forward_hook(
                    lambda layer, inputs, output, seen=seen: seen.append((inputs[0], output))
                )
                try:
                    given = function.applied(x, {})
                finally:
                    hook.remove()
                found.append(self._taken(seen, given))
        return np.concatenate(found) if found else np.empty((0, self.layer.in_features))

    def _taken(self, seen: list[Any], given: Any) -> np.ndarray:
        """What the layer took, if what it gave is what the module did, up to what C leaves out."""
        if len(seen) == 1 and seen[0][0].ndim == 2 and seen[0][1].shape == given.shape:
            taken, own = (values.cpu().numpy() for values in seen[0])
            given = given.cpu().numpy()
            difference = np.abs((given - own) @ self.outputs).max(initial=0)
            size = max(np.abs(own).max(initial=0), np.abs(given).max(initial=0))
            if difference <= 100 * np.finfo(own.dtype).eps * (1 + size):
                return taken
        raise ValueError(
            f"The last torch.nn.Linear of {type(self.function.module).__name__}, {self.name!r}, "
            "does not make its outputs from one vector a row, so that it is no linear model of "
            "them; use parameters='all', or the names of some parameters."
        )
