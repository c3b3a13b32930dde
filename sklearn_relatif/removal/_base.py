"""What every remover, and every batch of models that it finds, can be asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..objectives import Objective

#: Why models that are no networks have no proximal Bregman response.
NO_RESPONSE = (
    "order='pbrf' is of networks, which are at no optimum. This model has one, from which "
    "order='newton' takes one step to the model without rows, and order='retrain' leads there "
    "exactly."
)
NO_STRUCTURE = (
    "order='structure' estimates the leaves of trees again, with the structure of the trees held, "
    "and this is no model of trees. Use order='newton' or order='retrain'."
)


@dataclass(frozen=True)
class ModelsWithout:
    """A batch of models, each without some of the training rows, however they were come by.

    They are compared with the model of all rows at its optimum: what a fit at some tolerance
    lacks of it can be more than what a removal changes. A query is what
    :meth:`Remover.at_optimum` returns.

    Attributes
    ----------
    positions : ndarray of int, shape (n_models,)
        Where the removals of these models stand in the list of all that were asked for.
    """

    positions: np.ndarray

    def predictor_before(self, query: Any) -> np.ndarray:
        """Predictor of queries by the model of all rows, shape (n_queries, n_outputs)."""
        raise NotImplementedError

    def predictors(self, query: Any) -> np.ndarray:
        """Predictors of queries without the rows, shape (n_queries, n_models, n_outputs)."""
        raise NotImplementedError

    def parameter_change(self) -> np.ndarray:
        """Norm of the change of the parameters, shape (n_models,)."""
        raise NotImplementedError

    def training_change(self) -> np.ndarray:
        """Root of the summed squared changes of the training losses, shape (n_models,)."""
        raise NotImplementedError

    def tables(self) -> Sequence[np.ndarray] | np.ndarray:
        """Parameters of each model as its estimator exposes them, the intercept last.

        Only asked for where the objective ``has_tables``; each has shape (n_scores, n_columns).
        """
        raise TypeError(f"{type(self).__name__} have no parameters that can be written down.")

    def objectives(self, removals: Sequence[np.ndarray]) -> Iterator[Any]:
        """The objective of the rows that are left to each model, at its parameters.

        Parameters
        ----------
        removals : sequence of ndarray of int
            All that were asked for.
        """
        raise TypeError(f"{type(self).__name__} have no parameters that can be written down.")


class Remover:
    """What is the model without some of its rows?

    Attributes
    ----------
    objective : Objective
        What the removals start from.
    curvature : Curvature or None
        Its Hessian without damping, where the removals start from that too.
    trains_each : bool
        Whether each model is trained on its own, so that one for each row is out of reach.
    doubt : str or None
        Why the objective is not at its optimum, if none was found.
    """

    objective: Objective
    curvature: Any = None
    trains_each = False
    doubt: str | None = None

    @property
    def intervals(self) -> np.ndarray | None:
        """The smallest and the largest optimal intercept of each problem, (n_outputs, 2).

        None where there is none, or the optimum is the only one.
        """
        return None

    def obstacle(self, order: str) -> str | None:
        """Why the models of an order cannot be had; None if they can."""
        return {"pbrf": NO_RESPONSE, "structure": NO_STRUCTURE}.get(order)

    def has_parameter_change(self, order: str) -> bool:
        """Whether the models of an order have the parameters of that of all rows."""
        return True

    @property
    def loo_obstacle(self) -> str | None:
        """Why there are no predictions of each row without it; None if there are."""
        return self.obstacle("newton")

    def at_optimum(self, query: Any) -> Any:
        """A query whose Jacobian has the columns of the objective at its optimum."""
        return query

    def predictor(self, query: Any) -> np.ndarray:
        """Predictor of queries by the model of all rows at its optimum, (n_queries, n_outputs)."""
        (models,) = self.models_without([np.empty(0, np.intp)], "retrain")
        return models.predictor_before(query)

    def models_without(self, removals: Sequence[np.ndarray], order: str) -> Iterator[ModelsWithout]:
        """Models without each group of rows, in batches.

        Parameters
        ----------
        removals : sequence of ndarray of int
            Positions of the rows that each model does without.
        order : {"newton", "pbrf", "structure", "retrain"}
            One step from the model of all rows, a network's proximal Bregman response, the leaves
            of trees estimated again, or the optimum without the rows.

        Raises
        ------
        ValueError
            If there is an :meth:`obstacle`.
        """
        raise NotImplementedError

    @property
    def lacks_bounds(self) -> str | None:
        """Why the errors of effects have no bounds; None if they have."""
        return "models of this kind are not the optimum of a smooth loss that is known to bend"

    def enclosed_models(
        self, removals: Sequence[np.ndarray], order: str
    ) -> Iterator[tuple[Any, Any]]:
        """:meth:`models_without`, each batch with the balls that the optima lie in.

        Asked for only where nothing :attr:`lacks_bounds`.
        """
        raise NotImplementedError

    def enclosed_steps(
        self, removals: Sequence[np.ndarray], n_steps: int
    ) -> Iterator[tuple[Any, Any]]:
        """The same by one or two steps with the factor of all rows, where that tells anything."""
        raise NotImplementedError

    def loo_predictor(self) -> np.ndarray:
        """Predictor of each training row by one step of the model without it, or exactly.

        Shape (n_rows, n_outputs).

        Raises
        ------
        ValueError
            If there is a :attr:`loo_obstacle`.
        """
        raise NotImplementedError
