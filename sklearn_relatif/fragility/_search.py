"""Small sets of rows without which a number crosses a threshold.

The influences of all rows, summed from the largest on, tell how many it takes to first order
(Broderick, Giordano & Meager 2020). That is the start. But rows that are removed together do more
than the sum, and rows that hide one another have next to no influence each. So the sum is taken
again at the model without the rows that it names, of which some come back and others go, until it
names the same ones. It starts from several sets: none, more than are needed (from where rows that
come back show what they hid), the rows that went one by one, and groups of rows that move the
model the same way, which is how rows hide one another: those along an eigenvector of the matrix of
their influences on each other (Peña & Yohai 1995), and the nearest ones of a row in that matrix.
From the smallest set that does, a smaller one is looked for by exchanging rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..search import contract
from ._question import Question, Without

#: How often a set is looked for again at the model without it.
ROUNDS = 10
#: What the lead shall be moved by at the start, beside itself.
OVERSHOOTS = (1.5, 3.0)
#: Multiplications that some more models may take to be worth their while.
BUDGET = 5e9
#: Of one model: passes over the rows beside its Hessian, and what takes as long as all else.
PASSES, OVERHEAD = 20, 1e7
#: Seeds of groups, and sets of them from which the search goes on.
SEEDS, STARTS = 24, 6
#: Rows that go one by one, at most, and groups of a direction, at most.
MOST_ONE_BY_ONE, MOST_DIRECTIONS = 40, 16
#: By how much a row may seem to exceed what is to spare to be put back still, and how many are
#: tried where that is much work.
CLOSE, MOST_PUT_BACK = 4, 8
#: Rows that are tried in the place of others.
LEAVING, ENTERING = 8, 16


class Search:
    """Sets of rows that have been tried, and the smallest of those that do.

    Parameters
    ----------
    question : Question
    max_rows : int
        Largest set to look for.

    Attributes
    ----------
    best : Without or None
    """

    def __init__(self, question: Question, max_rows: int):
        self.question, self.max_rows = question, max_rows
        self.best: Without | None = None
        self._tried: dict[bytes, Without] = {}

    def run(self) -> None:
        """Look for a set from each start, and for smaller ones from there."""
        whole = self.question.whole
        self.settle(whole)
        if self.affords(ROUNDS * len(OVERSHOOTS)):
            for factor in OVERSHOOTS:
                self.settle(self.model(self.leading(whole, factor), whole))
        # Also where the best set is large: one that goes step by step may be far smaller.
        if self.affords(MOST_ONE_BY_ONE):
            self.go_one_by_one()
        for start in self.best_groups():
            self.settle(start)
        self.exchange()
        self.shrink()

    @property
    def limit(self) -> int:
        """The size of the largest set that would be news."""
        return self.max_rows if self.best is None else len(self.best.rows) - 1

    def affords(self, n_models: int) -> bool:
        """Whether so many models are little work."""
        objective = self.question.whole.objective
        n_columns = objective.shape[1]
        each = objective.n_rows * objective.weights.size * (PASSES + n_columns) + OVERHEAD
        return n_models * each < BUDGET

    def model(self, rows: np.ndarray, near: Without) -> Without:
        """The model without some rows, from one that is not far; kept if it is news."""
        key = np.sort(rows).tobytes()
        if key not in self._tried:
            self._tried[key] = self._noted(self.question.beside(near, rows))
        return self._tried[key]

    def models(self, groups: Sequence[np.ndarray]) -> list[Without]:
        """Models without groups of rows, of which the smallest that crosses is kept."""
        keys = [np.sort(rows).tobytes() for rows in groups]
        new = {key: rows for key, rows in zip(keys, groups, strict=True) if key not in self._tried}
        found = map(self._noted, self.question.without(list(new.values())))
        self._tried |= dict(zip(new, found, strict=True))
        return [self._tried[key] for key in keys]

    def _noted(self, model):
        if model.crosses and len(model.rows) <= self.max_rows and self._is_news(model):
            self.best = model
        return model

    def _is_news(self, model):
        if self.best is None:
            return True
        size, least = len(model.rows), len(self.best.rows)
        return size < least or (size == least and model.lead < self.best.lead)

    # --- from a set to one nearby that is as small as first order tells -------------------------

    def settle(self, model: Without) -> None:
        """Look for the set again at the model without it, until it stays the same."""
        for _ in range(ROUNDS):
            gains = self.question.gains(model)
            order = self.question.ranked(gains)
            size = _needed(gains[order], model.lead + gains[model.rows].sum())
            if not size:
                return
            if np.sort(order[:size]).tobytes() in self._tried:
                break
            model = self.model(order[:size], model)
        self.trim(model, gains, order, size)

    def trim(self, model: Without, gains: np.ndarray, order: np.ndarray, size: int) -> None:
        """The fewest of the rows in an order without which the number crosses."""
        least, most = 0, min(len(order), self.limit) + 1
        while most - least > 1:
            size = min(max(size, least + 1), most - 1)
            model = self.model(order[:size], model)
            if model.crosses:
                most = size
                spare = np.cumsum(gains[order[:size]][::-1]) < -model.lead
                size -= max(1, int(np.count_nonzero(spare)))
            else:
                least = size
                size += max(1, _needed(gains[order[size:]], model.lead))

    def leading(self, model: Without, factor: float) -> np.ndarray:
        """The first rows by a model that move its lead by a multiple, or as many as may go."""
        gains = self.question.gains(model)
        order = self.question.ranked(gains)
        size = _needed(gains[order], factor * model.lead) or len(order)
        return order[: min(size, int(factor * self.max_rows))]

    def go_one_by_one(self) -> None:
        """Remove the row that does most, and again from the model without it."""
        model = self.question.whole
        for _ in range(min(self.limit, MOST_ONE_BY_ONE)):
            order = self.question.ranked(self.question.gains(model))
            order = order[~np.isin(order, model.rows)]
            if not len(order):
                return
            model = self.model(np.append(model.rows, order[0]), model)
            if model.crosses:
                return self.settle(model)

    # --- rows that hide one another --------------------------------------------------------------

    def best_groups(self) -> list[Without]:
        """Models without groups of rows that move the model the same way, and the lead most."""
        groups = [rows for order in self.orders() for rows in self.heads(order)]
        while groups and not self.affords(len(groups)):
            groups = groups[::2] if len(groups) > STARTS else []
        models = self.models(groups)
        return sorted(models, key=lambda model: model.lead / max(1, len(model.rows)))[:STARTS]

    def heads(self, order: np.ndarray) -> Iterator[np.ndarray]:
        """The first two, three, four, six, ... rows of an order."""
        size = 2.0
        while size <= min(2 * self.limit, len(order) // 2):
            yield order[: int(size)]
            size *= np.sqrt(2)

    def orders(self) -> Iterator[np.ndarray]:
        """Rows in the order in which they move the model along a direction, or as one row does."""
        whole = self.question.whole
        rows, curvature = whole.objective.rows, whole.curvature
        if curvature.is_iterative or not self.affords(2 * MOST_DIRECTIONS):
            return
        for along in self.question.directions(MOST_DIRECTIONS):
            yield self.question.kept(np.argsort(-along))
            yield self.question.kept(np.argsort(along))
        seeds = self.seeds()
        solved = curvature.solve(rows.block(seeds).astype(curvature.dtype))
        likeness = np.empty((len(seeds), rows.n_rows))
        for some, block in contract(solved, rows):
            likeness[:, some] = block
        for alike in likeness:
            yield self.question.kept(np.argsort(-alike))
            # Where the fit passes through the middle of a group, its rows pull to both sides.
            yield self.question.kept(np.argsort(-np.abs(alike)))

    def seeds(self) -> np.ndarray:
        """Rows around which groups are looked for: of large effects, and of large leverage."""
        gains = self.question.gains(self.question.whole)
        far = self.question.leverage
        few = SEEDS // 2
        return np.unique(np.concatenate([np.argsort(-gains)[:few], np.argsort(-far)[:few]]))

    # --- from a set that does to smaller ones ----------------------------------------------------

    def exchange(self) -> None:
        """Leave a row in, and make up for it by exchanging others."""
        while self.best is not None and len(self.best.rows) > 1:
            before = self.best
            if not self.affords(LEAVING * ENTERING):
                return
            gains = self.question.gains(before)
            fewer = before.rows[np.argsort(-gains[before.rows], kind="stable")][:-1]
            model = self.model(fewer, before)
            while not model.crosses:
                better = min(self.exchanged(model), key=lambda other: other.lead, default=model)
                if better.lead >= model.lead:
                    break
                model = better
            if len(self.best.rows) == len(before.rows):
                return

    def exchanged(self, model: Without) -> list[Without]:
        """Models without a set of as many rows, of which one is another."""
        gains = self.question.gains(model)
        order = self.question.ranked(gains)
        entering = order[~np.isin(order, model.rows)][:ENTERING]
        leaving = model.rows[np.argsort(gains[model.rows], kind="stable")][:LEAVING]
        rest = [model.rows[model.rows != row] for row in leaving]
        return self.models([np.append(rows, row) for rows in rest for row in entering])

    def shrink(self) -> None:
        """Leave rows in, one by one, as long as the number still crosses."""
        while self.best is not None and len(self.best.rows) > 1:
            best = self.best
            gains = self.question.gains(best)[best.rows]
            weakest = best.rows[np.argsort(gains, kind="stable")]
            weakest = weakest[: np.count_nonzero(gains < -CLOSE * best.lead)]
            if not self.affords(len(weakest)):
                weakest = weakest[:MOST_PUT_BACK]
            for row in weakest:
                if self.model(best.rows[best.rows != row], best).crosses:
                    break
            if len(self.best.rows) == len(best.rows):
                return


def _needed(gains: np.ndarray, lead: float) -> int:
    """How many of the first gains exceed a lead together; 0: all of them do not."""
    reached = np.flatnonzero(np.cumsum(gains) > lead)
    return int(reached[0]) + 1 if len(reached) else 0
