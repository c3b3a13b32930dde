"""Which rows the models of resamples would name for the same predictions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import _safe_indexing, check_random_state

from ..criteria import row_factors
from ..curvature import Curvature, own_kind
from ..jacobians import Gradients
from ..objectives import LinearObjective
from ..results import NoResamples, Resampler, SolverChoice
from ..search import score_matrices
from ..utils._blocks import block_budget, row_blocks
from ..utils._validation import check_positive_int
from ._draws import balanced_draws, multinomial_draws
from ._few import FewParameters, is_of_few
from ._models import at_optimum, inverse_of, reweighted, stepped
from ._ranks import RanksTogether, among_best

#: Resamples that do without refits: the standard error of a share is 3.5 points at most.
N_STEPS = 200
#: Length of a second step, to that of the first, up to which two are enough.
MOST_AHEAD = 0.5
#: Of objectives, those that can be weighed anew.
KINDS = ("smooth", "dual")
WAY_OUT = (
    "Fit the explainer again to resamples of the rows, X[rows] and y[rows] with rows = "
    "rng.integers(len(X), size=len(X)), and compare what it explains by."
)
BY_REFITS = (
    "An L1 penalty, or a bound, chooses other coefficients in other data, which no step from the "
    "fitted model tells. Pass n_resamples (200, for example) to fit the model again so often."
)
STEPPED_TOO_FAR = (
    "Two Newton steps from the model of all rows lead a resample to where its curvature vanishes, "
    "as of classes that are told apart. Pass n_resamples (200, for example) to train each model to "
    "its optimum, or fit this one with a stronger penalty."
)
#: Arrays of the size of the scores of a block of queries that are held at once.
ARRAYS_AT_ONCE = 4


@dataclass(frozen=True, eq=False, kw_only=True)
class ResampledModels(Resampler):
    """The models of resamples of the rows that a model was fitted to, and what they explain by.

    With ``w_i`` the number of times that row i was drawn, the model of a resample minimises the sum
    of ``w_i s_i loss_i`` and the same penalties. Scores of its own gradients and its own curvature
    rank all rows, drawn or not: a row that was not is one that the model has not seen, and its
    gradient and its score are defined as those of any other.

    Attributes
    ----------
    objective : LinearObjective
        Of all rows, at the fitted parameters.
    kind : str
        Of curvature.
    damping : float
    solver : SolverChoice
    criterion : {"influence", "theta_relative", "loss_relative"}
    features : array-like or CSR matrix of shape (n_queries, n_features)
        Of the queries, as the model takes them.
    y : ndarray of shape (n_queries,) or (n_queries, n_targets)
        What they ask for.
    refit : callable
        From the draws of a resample (n_rows,) to the objective of a fit by scikit-learn itself,
        for models that the engine for retraining does not lead to.
    """

    objective: LinearObjective
    kind: str
    damping: float
    solver: SolverChoice
    criterion: str
    features: Any
    y: np.ndarray
    refit: Callable[[np.ndarray], LinearObjective]

    def of_queries(self, queries):
        features = _safe_indexing(self.features, queries)
        return replace(self, features=features, y=self.y[queries])

    def shares(self, indices, sign, n_resamples, random_state):
        random = check_random_state(random_state)
        if n_resamples is None:
            counts = self._after_steps(indices, sign, random)
        else:
            check_positive_int("n_resamples", n_resamples)
            counts = self._after_fits(indices, sign, n_resamples, random)
        return np.where(indices >= 0, counts, np.nan)

    def _after_steps(self, indices, sign, random):
        """Shares by models two Newton steps from that of all rows."""
        if self.objective.has_l1:
            raise ValueError(BY_REFITS)
        stays = np.zeros(indices.shape)
        ratios: list[float] = []
        for best, own in self._steps(indices, sign, random):
            stays += best
            ratios.extend(own)
        if not np.median(ratios) <= MOST_AHEAD:
            warnings.warn(
                "The models of resamples are too far from that of all rows for two Newton steps: "
                f"the second is {np.median(ratios):.1f} times as long as the first. Shares may be "
                "off by 10 points in the mean, and some by 40. Pass n_resamples (200, for example) "
                "to fit the models, or fit this one with a stronger penalty.",
                ConvergenceWarning,
                stacklevel=4,
            )
        return stays / N_STEPS

    def _steps(self, indices, sign, random) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """How many of some models keep each row, and how long their second steps are."""
        draws = balanced_draws(self.objective.counts, N_STEPS, random)
        is_hessian = self.solver.is_exact and own_kind(self.objective, self.kind) == "hessian"
        if is_hessian and is_of_few(self.objective):
            draws = yield from self._together(draws, np.float32, indices, sign)
            if some := list(islice(draws, 1)):
                draws = chain(some, draws)
                draws = yield from self._together(draws, np.float64, indices, sign)
        for own in draws:
            model = self._stepped(own)
            best = self.stays(model.objective, model.curvature, indices, sign)
            yield best, np.array([model.ratio])

    def _stepped(self, draws):
        """The model of a resample, two Newton steps from that of all rows."""
        try:
            resample = reweighted(self.objective, draws)
            return stepped(resample, self.solver, self.kind, self.damping)
        except ValueError as error:
            raise ValueError(STEPPED_TOO_FAR) from error

    def _together(self, draws, dtype, indices, sign):
        """The same in shared products; returns the draws that the precision is too low for."""
        some: list[np.ndarray] = []
        try:
            few = FewParameters(self.objective, self.damping, dtype)
            ranks = RanksTogether(few, self.criterion, self.features, self.y)
            while some := list(islice(draws, few.n_at_once)):
                models = few.steps(np.stack(some))
                yield ranks.stays(models, indices, sign), models.ratios
        except np.linalg.LinAlgError:
            pass
        return chain(some, draws)

    def _after_fits(self, indices, sign, n_resamples, random):
        """Shares by models that are fitted again."""
        stays, n_fitted = np.zeros(indices.shape), 0
        for draws in multinomial_draws(self.objective.counts, n_resamples, random):
            try:
                stays += self.stays(*self.refitted(draws), indices, sign)
                n_fitted += 1
            except ValueError as error:
                refusal = error
        if not n_fitted:
            raise refusal
        if n_fitted < n_resamples:
            warnings.warn(
                f"{n_resamples - n_fitted} of {n_resamples} resamples determine no model, and are "
                f"left out: {refusal}",
                ConvergenceWarning,
                stacklevel=4,
            )
        return stays / n_fitted

    def refitted(self, draws: np.ndarray) -> tuple[LinearObjective, Curvature]:
        """The model of a resample at its optimum, and the inverse of its curvature."""
        if self.objective.has_l1:
            return self.inverse(self.refit(draws))
        return self.inverse(at_optimum(reweighted(self.objective, draws)))

    def inverse(self, model: LinearObjective) -> tuple[LinearObjective, Curvature]:
        """A model in the coordinates of the inverse of its curvature, and that."""
        return inverse_of(model, self.solver, self.kind, self.damping)

    @property
    def _is_there(self):
        """Which rows count at all."""
        return self.objective.sample_weight > 0

    def stays(
        self, model: LinearObjective, curvature: Curvature, indices: np.ndarray, sign: str
    ) -> np.ndarray:
        """Whether rows are among the best of a model, (n_queries, n_examples)."""
        rows = self._rows(model)
        scales: dict[str, np.ndarray] = {}
        if self.criterion != "influence":
            scales = curvature.lengths(rows, self.criterion)
        factors = {self.criterion: row_factors(self.criterion, rows, scales)}
        queries = model.query_rows(model.query_jacobian(self.features), self.y)
        stays = np.empty(indices.shape, bool)
        bytes_per_query = ARRAYS_AT_ONCE * rows.n_rows * rows.dtype.itemsize
        for some in row_blocks(queries.n_rows, bytes_per_query, block_budget()):
            scores = score_matrices(queries.part(some), rows, curvature, factors)[self.criterion]
            stays[some] = among_best(scores, indices[some], sign)
        return stays

    def _rows(self, model: LinearObjective) -> Gradients:
        """Unit gradients of all rows under a model, but for those that never counted."""
        rows = model.loss_rows(model.jacobian, model.y)
        counts = self._is_there
        if counts.all():
            return rows
        return Gradients(rows.jacobian, rows.unit * counts[:, None], rows.norm * counts)


def resampler_of(objective: Any, name: str, **options: Any) -> Resampler:
    """What tells how stable the best rows of queries are, as far as that can be known.

    Parameters
    ----------
    objective : Objective
    name : str
        Of the model, for messages.
    **options
        The other attributes of :class:`ResampledModels`.
    """
    if objective.removal_kind not in KINDS:
        return NoResamples(
            "stability is of models with a smooth loss that are linear in their parameters, of "
            f"which {name} is none. {WAY_OUT}"
        )
    if objective.place is not None:
        return NoResamples(
            f"stability is computed with NumPy, and the model is on {objective.place}. Fit the "
            "explainer to NumPy's arrays."
        )
    return ResampledModels(objective=objective, **options)
