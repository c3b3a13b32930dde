"""Modules of PyTorch as functions of their parameters."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from threading import RLock
from typing import Any, NamedTuple

import numpy as np

from ..utils._arrays import Place

#: What is faster where gradients have to be found row by row.
FASTER = (
    "By the last layer alone a network is explained without: parameters='last_layer' of "
    "TorchClassifier and TorchRegressor, or sklearn_relatif.networks.LastLayer around a net."
)
#: Rows that a module is tried on, before it is relied on.
TRIED = 3
#: A functional call puts other parameters into a module for as long as it takes.
_one_at_a_time = RLock()


class Abilities(NamedTuple):
    """What ``torch.func`` can do with a module.

    Attributes
    ----------
    is_batched : bool
        Whether ``vmap`` takes it, so that gradients of many rows are found at once.
    has_tangents : bool
        Whether all that it does has forward derivatives.
    n_activations : int
        Numbers that its layers give for a row, all together.
    """

    is_batched: bool
    has_tangents: bool
    n_activations: int


@dataclass(eq=False)
class ModuleFunction:
    """A module as a function of some of its parameters, all else held, in evaluation mode.

    Attributes
    ----------
    module : torch.nn.Module
        A copy of the user's, in evaluation mode, where the numbers shall be computed.
    names : tuple of str
        The parameters that vary, in the order of the one vector that they make.
    finish : callable, default=None
        What is done to the outputs, if anything is.
    """

    module: Any
    names: tuple[str, ...]
    finish: Callable[[Any], Any] | None = None

    def __post_init__(self) -> None:
        self._able, self._is_tried = Abilities(True, True, 0), False

    @classmethod
    def of(
        cls, module: Any, names: tuple[str, ...] = (), device: Any = None, finish: Any = None
    ) -> ModuleFunction:
        """A copy of a module, which stays as it is, as a function of some parameters.

        Parameters
        ----------
        module : torch.nn.Module
        names : tuple of str, default=()
            See :func:`parameter_names`.
        device : torch.device, str or None, default=None
            None: where the module is.
        finish : callable, default=None
        """
        own = deepcopy(module).eval().requires_grad_(False)
        return cls(own if device is None else own.to(device), names, finish)

    @property
    def own(self) -> dict[str, Any]:
        """The parameters as they are, by their names."""
        named = dict(self.module.named_parameters())
        return {name: named[name].detach() for name in self.names}

    @property
    def device(self) -> Any:
        return next(self.module.parameters()).device

    @cached_property
    def is_recurrent(self) -> bool:
        """Whether there are layers of which cuDNN has derivatives in training mode only."""
        import torch

        return any(isinstance(own, torch.nn.RNNBase) for own in self.module.modules())

    @property
    def is_on_host(self) -> bool:
        """Whether it is computed in the memory that NumPy has its arrays in."""
        return bool(self.device.type == "cpu")

    @property
    def place(self) -> Place | None:
        """Where its derivatives stay; None where they are NumPy's."""
        return None if self.is_on_host else Place.of(next(self.module.parameters()).detach())

    @property
    def dtype(self) -> Any:
        """The precision, as torch calls it."""
        return next(own.dtype for own in self.module.parameters() if own.is_floating_point())

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(own.numel() for own in self.own.values())

    @property
    def layer_sizes(self) -> list[int]:
        """How many of the parameters each layer has: what is of one submodule, weight and bias."""
        by_layer = groupby(self.own.items(), key=lambda named: named[0].rpartition(".")[0])
        return [sum(own.numel() for _, own in layer) for _, layer in by_layer]

    def vector(self) -> np.ndarray:
        """The parameters as one vector, shape (n_params,)."""
        return np.concatenate([own.cpu().numpy().ravel() for own in self.own.values()])

    def astype(self, dtype: Any) -> ModuleFunction:
        """The same function in another precision."""
        import torch

        precision = getattr(torch, np.dtype(dtype).name)
        return ModuleFunction(deepcopy(self.module).to(precision), self.names, self.finish)

    def split(self, vector: Any) -> dict[str, Any]:
        """A vector, or vectors (m, n_params), as the parameters that it is made of."""
        parts = vector.split(self.sizes, dim=-1)
        shapes = (own.shape for own in self.own.values())
        return {
            name: part.reshape(*vector.shape[:-1], *shape)
            for name, part, shape in zip(self.names, parts, shapes, strict=True)
        }

    def joined(self, parts: dict[str, Any], n_axes: int) -> Any:
        """Vectors along the last axis, of parameters behind so many other axes."""
        import torch

        return torch.cat([parts[name].flatten(n_axes) for name in self.names], dim=n_axes)

    # --- what the module gives -------------------------------------------------------------

    def of_row(self, chosen: dict[str, Any], x: Any) -> Any:
        """What the module gives for one row, shape (n_outputs,)."""
        return self.of_rows(chosen, x[None])[0]

    def of_rows(self, chosen: dict[str, Any], x: Any) -> Any:
        """What it gives for rows, shape (n, n_outputs)."""
        from torch.func import functional_call

        given = functional_call(self.module, chosen, (x,))
        given = given.reshape(len(x), -1)
        return given if self.finish is None else self.finish(given)

    def tensor(self, values: Any) -> Any:
        """Numbers where the module is: whole ones as they count, others in its precision.

        Modules may take bytes for pictures, and scale them; these stay bytes.
        """
        import torch

        if isinstance(values, np.ndarray):
            if values.dtype.kind in "iu" and values.dtype != np.uint8:
                values = values.astype(np.int64, copy=False)
            # Torch warns of what it must not write to.
            values = torch.from_numpy(np.require(values, requirements=["C", "W"]))
        found = values.to(self.device)
        return found.to(self.dtype) if found.is_floating_point() else found

    def values(self, X: Any, batch_size: int, chosen: Any = None) -> np.ndarray:
        """What it gives for rows, a batch at a time, shape (n, n_outputs)."""
        import torch

        with self.at_work(), torch.no_grad():
            chosen = self.own if chosen is None else chosen
            found = [
                self.applied(self.tensor(X[start : start + batch_size]), chosen).cpu().numpy()
                for start in range(0, len(X), batch_size)
            ]
        return np.concatenate(found)

    def applied(self, x: Any, chosen: dict[str, Any]) -> Any:
        """What it gives for rows of the user's.

        Raises
        ------
        ValueError
            If it does not take them, or gives something else than a number, or a vector of them, a
            row.
        """
        name = type(self.module).__name__
        try:
            return self.of_rows(chosen, x)
        except (AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
            raise ValueError(
                f"{name} must give a tensor with an entry a row, and does not for rows of shape "
                f"{tuple(x.shape[1:])} and {x.dtype}: {error}. {_other_kind(x)}"
            ) from error

    # --- derivatives -----------------------------------------------------------------------

    def pulled(self, own: dict[str, Any], x: Any, pulls: Any) -> Any:
        """``J_i^T r_im`` of rows, from pulls (n, m, n_outputs) to (n, m, n_params).

        Pulls at the same row share what the module gives for it.
        """
        import torch
        from torch.func import vjp, vmap

        is_batched = self._able.is_batched

        def of_row(x: Any, pulls: Any) -> Any:
            back: Any = vjp(lambda own: self.of_row(own, x), own)[1]
            if len(pulls) == 1:  # A vmap over one would take its time.
                return {name: one[None] for name, one in back(pulls[0])[0].items()}
            if is_batched:
                return vmap(back)(pulls)[0]
            each = [back(pull)[0] for pull in pulls]
            return {name: torch.stack([one[name] for one in each]) for name in self.names}

        if is_batched:
            return self.joined(vmap(of_row)(x, pulls), 2)
        return torch.stack([self.joined(of_row(*row), 1) for row in zip(x, pulls, strict=True)])

    def summed(self, own: dict[str, Any], x: Any, pull: Any) -> Any:
        """``sum_i J_i^T r_i``, from pulls (n, n_outputs) to (n_params,)."""
        from torch.func import vjp

        back: Any = vjp(lambda own: self.of_rows(own, x), own)[1]
        return self.joined(back(pull)[0], 0)

    def along(self, function: Callable, own: dict[str, Any], tangents: dict[str, Any]) -> Any:
        """Derivatives of a function of the parameters along m tangents, the first axis of each."""
        import torch
        from torch.func import jvp, vjp, vmap

        is_batched, has_tangents = self._able.is_batched, self._able.has_tangents

        def along(tangent: Any) -> Any:
            if has_tangents:
                return jvp(function, (own,), (tangent,))[1]
            # The transpose is linear in what it is applied to, and is transposed again.
            found: Any = vjp(function, own)
            again: Any = vjp(lambda pull: found[1](pull)[0], torch.zeros_like(found[0]))
            return again[1](tangent)[0]

        if is_batched and has_tangents:
            return vmap(along)(tangents)
        n_tangents = len(next(iter(tangents.values())))
        each = [along({name: t[m] for name, t in tangents.items()}) for m in range(n_tangents)]
        return torch.stack(each)

    # --- what it can do --------------------------------------------------------------------

    def try_on(self, x: Any) -> Abilities:
        """What ``torch.func`` can do with it, tried on some rows when first asked for.

        Raises
        ------
        ValueError
            If what the module gives for a row depends on the others, or on chance.

        Warns
        -----
        UserWarning
            If gradients have to be found row by row.
        """
        if not len(x):
            return self._able
        if not self._is_tried:
            x = x[:TRIED]
            self.check_rows_alone(x)
            pulls, n_activations = self._ones(x), self._count_activations(x)
            self._able = Abilities(True, True, n_activations)
            is_batched = _does(lambda: self.pulled(self.own, x, pulls[:, None]))
            self._able = Abilities(is_batched, True, n_activations)
            has_tangents = _does(lambda: self._differentiate_twice(x, pulls))
            self._able = Abilities(is_batched, has_tangents, n_activations)
            self._is_tried = True
            if not is_batched:
                warnings.warn(
                    f"torch.func.vmap does not take {type(self.module).__name__}, so that "
                    f"gradients are found row by row, which takes many times as long. {FASTER}",
                    UserWarning,
                    stacklevel=2,
                )
        return self._able

    def _ones(self, x: Any) -> Any:
        import torch

        return torch.ones_like(self.of_rows(self.own, x))

    def _differentiate_twice(self, x: Any, pulls: Any) -> None:
        tangents = {name: own[None] for name, own in self.own.items()}
        self.along(lambda own: self.of_rows(own, x), self.own, tangents)
        self.along(lambda own: self.summed(own, x, pulls), self.own, tangents)

    def _count_activations(self, x: Any) -> int:
        """Numbers that the layers give for a row."""
        import torch

        given = []

        def count(layer: Any, inputs: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor):
                given.append(output.numel())

        hooks = [layer.register_forward_hook(count) for layer in self.module.modules()]
        try:
            with torch.no_grad():
                self.of_rows(self.own, x)
        finally:
            for hook in hooks:
                hook.remove()
        return sum(given) // len(x)

    def check_rows_alone(self, x: Any) -> None:
        """Raise an error if what the module gives for a row depends on others, or on chance."""
        import torch

        x = self.tensor(x[:TRIED])
        with self.at_work(), torch.no_grad(), torch.random.fork_rng(devices=[]):
            together = self.of_rows(self.own, x)
            alone = torch.stack([self.of_row(self.own, own) for own in x])
        tolerance = torch.finfo(alone.dtype).eps ** 0.5 * (1 + float(alone.abs().max()))
        if not torch.allclose(together, alone, rtol=0, atol=tolerance, equal_nan=True):
            raise ValueError(
                f"What {type(self.module).__name__} gives for a row in evaluation mode depends on "
                "the other rows of its batch, or on chance (batch statistics, dropout outside of "
                "torch.nn.Dropout): rows have no gradients of their own then."
            )

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """One call at a time, by operators that have all derivatives, in full precision.

        Whatever the caller has switched on of that is as it was afterwards.
        """
        import torch
        from torch.nn.attention import SDPBackend, sdpa_kernel

        with _one_at_a_time, ExitStack() as stack:
            stack.enter_context(warnings.catch_warnings())
            # Of operators that are slow under vmap, about which nobody here can do anything.
            warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.autocast(self.device.type, enabled=False))
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
            stack.enter_context(
                torch.backends.cudnn.flags(
                    enabled=torch.backends.cudnn.enabled and not self.is_recurrent, allow_tf32=False
                )
            )
            if torch.backends.mha.get_fastpath_enabled():
                torch.backends.mha.set_fastpath_enabled(False)
                stack.callback(torch.backends.mha.set_fastpath_enabled, True)
            yield


def _other_kind(x: Any) -> str:
    """What else the numbers of rows may have been meant to be."""
    if x.is_floating_point():
        return "If the rows are tokens, pass whole numbers: X.astype(int)."
    return (
        "Whole numbers stay whole numbers, as tokens are; if these are measurements or pixels, "
        "pass X.astype('float32'), scaled as in the training."
    )


def _does(function: Callable) -> bool:
    """Whether torch can do what a function asks."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of operators that are slow under vmap.
            function()
    except (NotImplementedError, RuntimeError, TypeError, ValueError):
        return False
    return True
