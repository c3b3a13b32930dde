"""Which training rows must go for a prediction to be another?

It is a question of fragility: the number is the lead of the predicted label over another one, the
threshold 0, and the rows are looked for as for any number of a model (see ``_search.py``). Labels
that a threshold of probabilities gives, and support vector machines, which have no first-order
effects, have a search of their own, in which rows are added one by one. Each of the best
candidates is tried, together with the rows chosen so far, by the model without the whole group
(effects of single rows do not add up): by its Newton step, or along the path of the solution of a
machine, exactly or, where there are many rows, by one step on the active set (a NuSVC is fitted
again). Candidates of machines are the rows that do most when removed alone. Whether a set flips the
label is always decided by exact retraining. A set that does is cut down until every row of it is
needed. The label is that of the model of all rows at its optimum, because that of a model which has
stopped before it may flip without any row removed.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np

from ..removal import newton_step, retrain_without
from ..results import FlipSet
from ..utils._arrays import on_host
from ..utils._validation import check_positive_int
from ._label import LabelSearch, refuse_without_labels
from ._question import Question
from ._search import Search

#: Rows that are tried at each step, together with those chosen already.
CANDIDATES = 32
#: Training rows up to which a support vector machine is followed exactly, which takes seconds.
FEW_ROWS = 1000
#: Rows by which a set may be too large before it is cut down.
SPARE = 8


def find_flip_set(study, X, max_size: int) -> FlipSet:
    """See :meth:`RelatIFExplainer.flip_set`."""
    refuse_without_labels(study)
    check_positive_int("max_size", max_size)
    if study.remover.trains_each:
        raise TypeError(
            f"{type(study.model).__name__} has no flip sets: to look for one takes the models "
            "without each row, of which each would be trained on its own. Ask removal_effect(X, "
            "groups=..., order='retrain') of the rows that explain ranks first, or flip_set of "
            "the last layer, by sklearn_relatif.networks.LastLayer or parameters='last_layer'."
        )
    if study.objective.has_leaves:
        raise TypeError(
            f"{type(study.model).__name__} has no flip sets: to look for one takes the models "
            "without many sets of rows, for each of which trees would be grown again. Ask "
            "removal_effect(X, groups=..., order='retrain') of the rows that explain ranks first."
        )
    search = _FlipSearch(study, X)
    rows, _ = search.smallest(max_size)
    return search.result(rows, max_size)


class _FlipSearch(LabelSearch):
    """Sets of rows, and what the model without them makes of one query."""

    def __init__(self, study, X):
        super().__init__(study, X)
        self.remover = study.remover
        self.query = self.remover.at_optimum(self.query)
        self.objective = self.remover.objective
        self.is_smooth = self.objective.removal_kind == "smooth"
        # One step on the active set can miss even a single row that flips the label.
        is_exact = not self.is_smooth and self.objective.n_rows <= FEW_ROWS
        is_exact = is_exact or self.remover.obstacle("newton") is not None
        self.order = "retrain" if is_exact else "newton"
        # The model of all rows, trained as those without some of them are.
        self.start_at(self.predictors([np.empty(0, np.intp)]))

    def rows_for(self, rival, limit):
        if self.is_smooth and self.study.targets.cut is None:
            return self.rows_of_lead(rival, limit)
        return self.rows_one_by_one(rival, limit)

    def rows_of_lead(self, rival, limit):
        """The same by the search for any number."""
        search = Search(Question(self.study, self.lead_over(rival), 0.0), limit)
        search.run()
        return np.empty(0, np.intp) if search.best is None else search.best.rows

    def rows_one_by_one(self, rival, limit):
        """The same from the rows that do most beside those chosen so far."""
        chosen = known = np.empty(0, np.intp)
        shifts = None if self.is_smooth else self.shifts_without_one
        while len(chosen) < limit + SPARE:
            pool = self.pool(chosen, rival, shifts)
            if shifts is not None and not len(pool) and len(known) < len(chosen):
                # Rows that did nothing hold the solution now.
                known, shifts = chosen, self.shifts_beside(chosen)
                pool = self.pool(chosen, rival, shifts)
            if not len(pool):
                break
            trials = [np.append(chosen, row) for row in pool]
            if len(chosen) or shifts is None:
                eta = self.predictors(trials)
            else:
                eta = self.eta + shifts[pool]
            best = self.lead(eta, rival).argmin()
            chosen = trials[best]
            if self.predicted(eta[[best]]) != self.label and self.flips([chosen])[0]:
                break
        # The step may have seen the flip later than retraining does.
        prefixes = [chosen[:size] for size in range(1, len(chosen) + 1)]
        flipping = np.flatnonzero(self.flips(prefixes))
        found = self.shrink(prefixes[flipping[0]]) if len(flipping) else chosen[:0]
        return found if len(found) <= limit else chosen[:0]

    def shrink(self, rows):
        """Leave rows in the training data, one by one, as long as the label still flips."""
        while len(rows) > 1:
            fewer = [np.delete(rows, place) for place in range(len(rows))]
            flipping = np.flatnonzero(self.flips(fewer))
            if not len(flipping):
                break
            rows = fewer[flipping[-1]]
        return rows

    def pool(self, chosen, rival, shifts):
        """The rows that should lower the lead most, strongest first."""
        effect = np.where(self.removable(chosen), self.effects(chosen, rival, shifts), 0)
        strongest = np.argsort(effect, kind="stable")[:CANDIDATES]
        return strongest[effect[strongest] < 0]

    def effects(self, chosen, rival, shifts):
        """Estimated change of the lead on removing each row, beside those chosen already."""
        if shifts is not None:
            return shifts @ self.direction(rival)
        objective = self.objective
        if len(chosen):
            (weights,) = newton_step(objective, self.remover.curvature, [chosen])
            objective = replace(objective, weights=weights)
        return self.lead_over(rival).row_effects(objective, self.remover.curvature)

    @cached_property
    def shifts_without_one(self):
        """Change of the predictor on removing each row alone, shape (n_rows, n_outputs)."""
        return self.shifts_beside(np.empty(0, np.intp))

    def shifts_beside(self, chosen):
        """Change of the predictor on removing each row beside some, shape (n_rows, n_outputs)."""
        rows = np.flatnonzero(self.removable(chosen))
        shifts = np.zeros((self.objective.n_rows, self.loss.n_outputs))
        groups = [np.append(chosen, row) for row in rows]
        before = self.predictors([chosen]) if len(chosen) else self.eta
        shifts[rows] = self.predictors(groups) - before
        return shifts

    def removable(self, chosen):
        """Whether each row counts, and is not the last of its class beside those chosen."""
        counts = self.objective.sample_weight > 0
        counts[chosen] = False
        left = np.bincount(self.objective.y[counts], minlength=len(self.classes))
        return counts & (left[self.objective.y] > 1)

    def predictors(self, groups):
        """Predictor of the query one step without each group, shape (n_groups, n_outputs)."""
        eta = np.empty((len(groups), self.loss.n_outputs))
        for models in self.remover.models_without(groups, self.order):
            eta[models.positions] = models.predictors(self.query)[0]
        return eta

    def flips(self, groups):
        """Whether retraining without each group changes the label."""
        before = self.classes[self.label]
        models = retrain_without(self.study, groups)
        return np.array([on_host(model.predict(self.X))[0] != before for model in models], bool)

    def result(self, rows, max_size):
        """The rows as the user knows them, and what the model without them says."""
        study, classes = self.study, self.classes
        found = FlipSet(
            rows=study.training_rows.index[rows],
            positions=rows,
            max_size=max_size,
            label=classes[self.label],
            probability_before=self.probability(self.eta),
        )
        if not len(rows):
            return found
        (model,) = retrain_without(study, [rows])
        after = None
        if self.loss.has_probabilities:
            after = float(on_host(model.predict_proba(self.X))[0, self.label])
        return replace(
            found,
            new_label=on_host(model.predict(self.X))[0],
            probability_predicted=self.probability(self.predictors([rows])),
            probability_after=after,
        )
