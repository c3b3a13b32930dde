"""The objective of a model that is made of several, each fitted by itself.

Parameters of the members do not depend on one another, so that the sum of what they minimised is
one objective whose Hessian is block diagonal. With the weight ``s_i`` of a row, and ``s_ip`` of
what it counts in member p (its draws, its class weight there, 0 if it takes no part)::

    J = (1/S) sum_p S_p J_p,        g_i = [ (s_ip / s_i) g_ip ]_p,        H = diag( (S_p / S) H_p ),

and ``(s_i / S) g_t^T H^-1 g_i`` is what removing the row from all members does, to first order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..jacobians import ComposedJacobian, Gradients
from ..losses import side_by_side
from ._base import Objective


@dataclass(frozen=True)
class Member:
    """One of the models that an estimator is made of.

    Attributes
    ----------
    objective : Objective
        What it minimised, on its own rows.
    rows : ndarray of int, shape (n_own_rows,)
        Which of the rows of the whole these are; one that was drawn several times may come so
        often.
    inputs : callable
        From rows of the whole to its own features.
    features : array-like of shape (n_rows, n_own_features)
        Those of all rows of the whole.
    classes : ndarray or None
        The labels that it tells apart, of which a removal may leave no row.
    """

    objective: Any
    rows: np.ndarray
    inputs: Callable[[Any], Any]
    features: Any
    classes: np.ndarray | None

    @property
    def n_outputs(self) -> int:
        return self.objective.loss.n_outputs

    @property
    def n_residuals(self) -> int:
        """Of a row, which are as many as there are outputs where rows enter by the loss."""
        n_residuals: int = self.objective.rows.unit.shape[1]
        return n_residuals

    @cached_property
    def is_whole(self) -> bool:
        """Whether its rows are those of the whole, in their order."""
        n_rows = self.features.shape[0]
        return len(self.rows) == n_rows and bool((self.rows == np.arange(n_rows)).all())

    @cached_property
    def is_drawn_repeatedly(self) -> bool:
        return len(np.unique(self.rows)) < len(self.rows)

    @cached_property
    def jacobian(self) -> Any:
        """That of all rows of the whole."""
        if self.is_whole:
            return self.objective.rows.jacobian
        return self.objective.row_jacobian(self.objective.query_jacobian(self.features))

    @cached_property
    def training_predictor(self) -> np.ndarray:
        """That of all rows of the whole, shape (n_rows, n_outputs)."""
        if self.is_whole:
            return self.objective.training_predictor
        return self.objective.predictor(self.objective.query_jacobian(self.features))

    @cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        """Its rows that count, in the order of those of the whole, and where each begins."""
        counted = np.flatnonzero(self.objective.counts)
        order = counted[np.argsort(self.rows[counted], kind="stable")]
        return order, np.searchsorted(self.rows[order], np.arange(self.features.shape[0] + 1))

    def own(self, rows: np.ndarray) -> np.ndarray:
        """Positions among its own rows of some rows of the whole, as far as they count here."""
        order, starts = self._places
        found = [order[starts[row] : starts[row + 1]] for row in rows]
        return np.sort(np.concatenate(found)) if found else np.empty(0, np.intp)


@dataclass(frozen=True)
class ComposedObjective(Objective):
    """Several objectives as one, with what a query asks of the predictions of all of them.

    Attributes
    ----------
    loss : ComposedLoss
        Of queries. That of the training rows is each member's own.
    y : ndarray of shape (n_rows,) or (n_rows, n_targets)
    sample_weight : ndarray of shape (n_rows,)
        What each row counts in the whole.
    members : tuple of Member
    """

    loss: Any
    y: np.ndarray
    sample_weight: np.ndarray
    members: tuple[Member, ...] = ()

    removal_kind = "composed"
    minimises_loss = False

    @property
    def has_tables(self):
        return all(member.objective.has_tables for member in self.members)

    @property
    def has_l1(self):
        return any(member.objective.has_l1 for member in self.members)

    @property
    def is_bent(self):
        return any(member.objective.is_bent for member in self.members)

    @property
    def may_stop_early(self):
        return any(member.objective.may_stop_early for member in self.members)

    @property
    def is_linear(self):
        return all(member.objective.is_linear for member in self.members)

    @cached_property
    def dtype(self):
        return np.result_type(*(member.objective.dtype for member in self.members))

    @property
    def has_first_order(self):
        return all(member.objective.has_first_order for member in self.members)

    @property
    def leverage_obstacle(self):
        obstacles = [member.objective.leverage_obstacle for member in self.members]
        return next(filter(None, obstacles), None)

    @property
    def has_closed_form(self):
        return all(member.objective.has_closed_form for member in self.members)

    @cached_property
    def counts(self):
        counts = self.sample_weight > 0
        for member in self.members:
            counts[member.rows[member.objective.counts]] = True
        return counts

    @property
    def shares(self) -> list[float]:
        """``S_p / S`` of each member."""
        return [member.objective.total_weight / self.total_weight for member in self.members]

    @property
    def weights(self) -> np.ndarray:
        """Parameters of all members, shape (1, n_params)."""
        return np.concatenate([m.objective.weights.ravel() for m in self.members])[None]

    @property
    def shape(self):
        return self.weights.shape

    def with_objectives(self, objectives: Sequence[Objective]) -> ComposedObjective:
        """The same with the members' objectives in other coordinates or precisions."""
        both = zip(self.members, objectives, strict=True)
        return replace(self, members=tuple(replace(m, objective=own) for m, own in both))

    def holding(self, other: Any, rows: np.ndarray) -> ComposedObjective:
        """The same with what the rows of each member hold in those of another one."""
        held = []
        for member, before in zip(self.members, other.members, strict=True):
            order = np.argsort(before.rows, kind="stable")
            places = order[np.searchsorted(before.rows, rows[member.rows], sorter=order)]
            held.append(member.objective.holding(before.objective, places))
        return self.with_objectives(held)

    def relative_gradient(self) -> float:
        """The largest of the members."""
        return float(np.max([member.objective.relative_gradient() for member in self.members]))

    # --- rows ------------------------------------------------------------------------------

    def _composed(self, jacobians):
        return ComposedJacobian(jacobians, [member.n_outputs for member in self.members])

    def _of_rows(self, jacobians):
        """Of terms by which rows enter the fits, instead of predictors."""
        return ComposedJacobian(jacobians, [member.n_residuals for member in self.members])

    @cached_property
    def jacobian(self):
        return self._of_rows([member.jacobian for member in self.members])

    @cached_property
    def training_predictor(self):
        return np.hstack([member.training_predictor for member in self.members])

    @cached_property
    def rows(self) -> Gradients:
        directions = [self._of_member(member) for member in self.members]
        norm, unit = (values.astype(self.dtype) for values in side_by_side(directions))
        return Gradients(self.jacobian, unit, norm)

    def _of_member(self, member):
        """``(s_ip / s_i) r_ip`` of all rows, as norms and unit vectors."""
        own, rows = member.objective.rows, member.rows
        norm = np.zeros(self.n_rows)
        # Whoever was drawn several times pulls so often, and in the same direction.
        np.add.at(norm, rows, own.norm * self._share(member))
        unit = np.zeros((self.n_rows, member.n_residuals))
        unit[rows] = own.unit
        return norm, unit

    def _share(self, member):
        """``s_ip / s_i`` of a member's rows."""
        weight = self.sample_weight[member.rows]
        return member.objective.sample_weight / np.where(weight > 0, weight, 1)

    def penalty_steps(self, curvature):
        """Those of the members, 0 for the parameters of the others."""
        steps = []
        both = zip(self.members, curvature.members, curvature.parameters, strict=True)
        for member, inverse, own in both:
            for share, step in member.objective.penalty_steps(inverse):
                whole = np.zeros(self.weights.size)
                whole[own] = step
                steps.append((np.bincount(member.rows, share, self.n_rows), whole))
        return steps

    def query_jacobian(self, X):
        return self._composed(
            [member.objective.query_jacobian(member.inputs(X)) for member in self.members]
        )

    def query_rows(self, jacobian, y) -> Gradients:
        norm, unit = self.loss.query_direction(y, self.predictor(jacobian))
        # Each in the precision of its member.
        targets = [target for target, _ in self.loss.targets(y)]
        both = zip(self.members, jacobian.members, targets, strict=True)
        members = [m.objective.query_rows(own, target).jacobian for m, own, target in both]
        return Gradients(self._composed(members), unit.astype(self.dtype), norm.astype(self.dtype))

    def loss_rows(self, jacobian, y) -> Gradients:
        """Unit gradients of the losses of any rows, as training rows of labels ``y`` have them."""
        directions, jacobians = [], []
        both = zip(self.loss.targets(self.y), self.loss.targets(y), strict=True)
        for member, own, (trained, asked) in zip(self.members, jacobian.members, both, strict=True):
            rows = member.objective.loss_rows(own, asked[0])
            share = self._share_of_targets(member, _keys(*trained), _keys(*asked))
            directions.append((rows.norm * share, rows.unit))
            jacobians.append(rows.jacobian)
        norm, unit = (values.astype(self.dtype) for values in side_by_side(directions))
        return Gradients(self._of_rows(jacobians), unit, norm)

    def _share_of_targets(self, member, trained, asked):
        """``s_ip / s_i`` of rows asked for, where nothing but their target decides on it."""
        share, counts = np.zeros(self.n_rows), self.sample_weight > 0
        np.add.at(share, member.rows, self._share(member))
        of_target = np.zeros(max(trained.max(), asked.max()) + 1)
        of_target[trained[counts]] = share[counts]
        if not np.allclose(of_target[trained[counts]], share[counts]):
            raise ValueError(
                "What a row counts in the models that this one is made of is more than its label "
                "tells: they drew their rows. So rows cannot be embedded by their labels; "
                "transform without y embeds queries, and ExplanationIndex holds the training rows."
            )
        return of_target[asked]

    def predictor(self, jacobian):
        both = zip(self.members, jacobian.members, strict=True)
        return np.hstack([member.objective.predictor(own) for member, own in both])

    def curvature_diagonal(self, kind):
        """None: the members' curvatures are prepared each by itself."""
        return None


def _keys(target: np.ndarray, counts: Any) -> np.ndarray:
    """What tells the classes of rows apart, 0 for those that take no part, shape (n,)."""
    key = 1 + target if target.dtype.kind in "iu" else np.ones(len(target), np.intp)
    return np.where(np.asarray(counts) > 0, key, 0)
