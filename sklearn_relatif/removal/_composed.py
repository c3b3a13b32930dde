"""Models that are made of several, without some of their rows: each member without its own."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..objectives import ComposedObjective, Member
from ._base import ModelsWithout, Remover

#: Removals whose models are held at a time.
REMOVALS_AT_A_TIME = 256
#: Where some of the models are trained on, and others led to their optimum.
SOME_NETWORKS = (
    "Some of the models that this one is made of are networks, and others are not: order='newton' "
    "is not for the former, nor order='pbrf' for the latter. Use order='first' (influence) or "
    "order='retrain' (networks trained on without the rows, the others exactly)."
)


class MemberQuery(NamedTuple):
    """Rows to predict, as a member takes them.

    Attributes
    ----------
    features : array-like of shape (n_queries, n_own_features)
    jacobian : jacobian of n_queries rows
    """

    features: Any
    jacobian: Any


@dataclass(frozen=True)
class MemberModels:
    """A member without the rows of several removals, many of which may be none of its own.

    Attributes
    ----------
    n_models : int
    unchanged : ModelsWithout
        One model, of all rows.
    batches : list of ModelsWithout
        Those that differ from it.
    """

    n_models: int
    unchanged: ModelsWithout
    batches: list[ModelsWithout]

    def predictor_before(self, query):
        return self.unchanged.predictor_before(query)

    def predictors(self, query):
        before = self.predictor_before(query)
        predictors = np.repeat(before[:, None], self.n_models, axis=1)
        for batch in self.batches:
            predictors[:, batch.positions] = batch.predictors(query)
        return predictors

    def change(self, norm):
        """A norm of what changes, which a function tells of a batch; shape (n_models,)."""
        change = np.zeros(self.n_models)
        for batch in self.batches:
            change[batch.positions] = norm(batch)
        return change

    def tables(self):
        tables = [self.unchanged.tables()[0]] * self.n_models
        for batch in self.batches:
            for position, table in zip(batch.positions, batch.tables(), strict=True):
                tables[position] = table
        return tables


@dataclass(frozen=True)
class ComposedModels(ModelsWithout):
    """Models by those of their members.

    A query has a query a member in the place of its Jacobian.

    Attributes
    ----------
    positions : ndarray of int, shape (n_models,)
    members : list of MemberModels
    """

    members: list[MemberModels]

    def predictor_before(self, query):
        both = zip(self.members, query.jacobian, strict=True)
        return np.hstack([member.predictor_before(own) for member, own in both])

    def predictors(self, query):
        both = zip(self.members, query.jacobian, strict=True)
        return np.concatenate([member.predictors(own) for member, own in both], axis=2)

    def parameter_change(self):
        return self._together(lambda batch: batch.parameter_change())

    def training_change(self):
        """Root of the summed squared changes of the losses that the members were fitted by."""
        return self._together(lambda batch: batch.training_change())

    def _together(self, norm):
        return np.sqrt(sum(member.change(norm) ** 2 for member in self.members))

    def tables(self):
        """A table a member of each model."""
        return list(zip(*(member.tables() for member in self.members), strict=True))


class ComposedRemover(Remover):
    """What leads each of the members to its models without the rows that it has.

    Parameters
    ----------
    objective : ComposedObjective
    removers : list of Remover
        One a member.
    """

    objective: ComposedObjective

    def __init__(self, objective: ComposedObjective, removers: Sequence[Remover]):
        self.objective = objective
        self.removers = tuple(removers)
        self.trains_each = any(remover.trains_each for remover in removers)

    @property
    def _both(self):
        return zip(self.objective.members, self.removers, strict=True)

    def obstacle(self, order):
        if order in ("newton", "pbrf") and len({own.trains_each for own in self.removers}) > 1:
            return SOME_NETWORKS
        return next(filter(None, (remover.obstacle(order) for remover in self.removers)), None)

    def has_parameter_change(self, order):
        return all(remover.has_parameter_change(order) for remover in self.removers)

    @property
    def loo_obstacle(self):
        return next(filter(None, (remover.loo_obstacle for remover in self.removers)), None)

    def at_optimum(self, query):
        queries = []
        for (member, remover), jacobian in zip(self._both, query.jacobian.members, strict=True):
            own = query._replace(features=member.inputs(query.features), jacobian=jacobian)
            queries.append(remover.at_optimum(own))
        return query._replace(jacobian=queries)

    def models_without(self, removals, order):
        check_classes_stay(self.objective, removals)
        all_rows = self._of_all_rows("pbrf") if order == "pbrf" else self._at_optimum
        for first in range(0, len(removals), REMOVALS_AT_A_TIME):
            some = removals[first : first + REMOVALS_AT_A_TIME]
            members = [
                _member_models(member, remover, unchanged, some, order)
                for (member, remover), unchanged in zip(self._both, all_rows, strict=True)
            ]
            yield ComposedModels(np.arange(first, first + len(some)), members)

    @cached_property
    def _at_optimum(self):
        return self._of_all_rows("retrain")

    def _of_all_rows(self, order):
        """Each member with all its rows, as the models of an order are compared with it."""
        nothing = [np.empty(0, np.intp)]
        return [next(iter(own.models_without(nothing, order))) for own in self.removers]

    def loo_predictor(self):
        check_classes_stay(self.objective, list(np.arange(self.objective.n_rows)[:, None]))
        both = zip(self._both, self._at_optimum, strict=True)
        return np.hstack([_loo_predictor(member, remover, own) for (member, remover), own in both])


def _member_models(member, remover, unchanged, removals, order):
    """The models of a member without its part of some removals."""
    own = [member.own(rows) for rows in removals]
    some = np.array([index for index, rows in enumerate(own) if len(rows)], np.intp)
    batches = [
        replace(batch, positions=some[batch.positions])
        for batch in remover.models_without([own[index] for index in some], order)
    ]
    return MemberModels(len(removals), unchanged, batches)


def _loo_predictor(member, remover, unchanged):
    """A member's predictor of each row of the whole without it, shape (n_rows, n_outputs)."""
    jacobian = member.objective.query_jacobian(member.features)
    query = remover.at_optimum(MemberQuery(member.features, jacobian))
    predictor = unchanged.predictor_before(query)
    if not member.is_drawn_repeatedly:
        counts = member.objective.sample_weight > 0
        predictor[member.rows[counts]] = remover.loo_predictor()[counts]
        return predictor
    removals = list(np.arange(len(predictor))[:, None])
    for first in range(0, len(removals), REMOVALS_AT_A_TIME):
        some = np.arange(first, min(first + REMOVALS_AT_A_TIME, len(removals)))
        rows = [removals[row] for row in some]
        models = _member_models(member, remover, unchanged, rows, "newton")
        predictor[some] = models.predictors(query)[some, np.arange(len(some))]
    return predictor


def check_classes_stay(objective: Any, removals: Sequence[np.ndarray]) -> None:
    """Refuse removals after which a member has no row of one of its classes."""
    for member in objective.members:
        if member.objective.members:
            check_classes_stay(member.objective, [member.own(rows) for rows in removals])
        if member.classes is None:
            continue
        n_rows = _count(member, np.flatnonzero(member.objective.sample_weight > 0))
        for rows in removals:
            lost = n_rows == _count(member, member.own(rows))
            if lost.any():
                raise ValueError(
                    f"Without the rows {reprlib.repr(rows.tolist())} one of the models that the "
                    f"estimator is made of has no row of the classes "
                    f"{member.classes[lost].tolist()} to train with. Leave some of them in; in "
                    "groups, None stands for rows that are never removed."
                )


def _count(member: Member, own: np.ndarray) -> np.ndarray:
    classes: np.ndarray = member.classes  # type: ignore[assignment]  # Asked of none without.
    return np.bincount(member.objective.y[own], minlength=len(classes))
