"""Regression diagnostics of the training rows: leverage, studentised residuals, Cook's distance.

The quantities of Belsley, Kuh & Welsch (1980) and Cook & Weisberg (1982), for a penalised
generalised linear model: those of the weighted least squares problem that its fit comes down to in
the last step of Fisher scoring (Pregibon 1981; Williams 1987). Where there is a penalty, the
inverse ``C = (X^T W X + Lambda)^-1`` takes the place of ``(X^T W X)^-1`` throughout. That is the
covariance of the parameters, up to the dispersion, in which the penalty is a prior (Wahba 1983;
Wood 2017, section 6.10), as R's mgcv has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ._study import Study
from .criteria import leverages
from .curvature import hessian_inverse
from .losses import ExpectedCurvature
from .objectives import LinearObjective
from .statistics import INTERCEPT, feature_names
from .utils._frames import frame_of
from .utils._text import apart

#: To how much leverages are known at least. Of a row that leaves less of 1 nothing can be said
#: when it is removed, and of a dispersion with fewer degrees of freedom neither.
PRECISION = np.sqrt(np.finfo(np.float64).eps)
#: Residuals of this share of the predictions are rounding.
ROUNDING = 10 * np.finfo(np.float64).eps


def diagnostics(study: Study, dfbetas: bool = True) -> Any:
    """Regression diagnostics of each training row; see :meth:`RelatIFExplainer.diagnostics`.

    Parameters
    ----------
    study : Study
    dfbetas : bool, default=True
        Whether there is a column for each parameter.
    """
    rows = study.training_rows
    return frame_of(diagnostic_columns(study, dfbetas), rows.library, "diagnostics", rows.index)


def diagnostic_columns(study: Study, dfbetas: bool = True) -> dict[str, np.ndarray]:
    """The columns of :func:`diagnostics`, without a library of data frames.

    Parameters
    ----------
    study : Study
    dfbetas : bool, default=True
        Whether there is a column for each parameter.
    """
    objective = _objective_of(study)
    has_targets = study.targets.n_columns > 1 and not objective.has_l1
    parts = _of_each_target(objective) if has_targets else [objective]
    ends = [f"_target{target}" for target in range(len(parts))] if has_targets else [""]
    found = [
        (name + end, column)
        for part, end in zip(parts, ends, strict=True)
        for names, values in _tables(study, part, dfbetas)
        for name, column in zip(names, values.T, strict=True)
    ]
    names = apart(name for name, _ in found)
    return dict(zip(names, (column for _, column in found), strict=True))


def _tables(study: Study, objective: LinearObjective, dfbetas: bool) -> Iterator[Any]:
    """Columns of numbers with their names."""
    residual = _residual(study, objective)
    if objective.shape[0] > 1:
        yield _named(residual | _of_several_outputs(objective))
        return
    if not objective.loss.has_fisher:
        yield _named(residual | {"leverage": leverages(objective, _factored(objective))})
        return
    steps = DeletionSteps(objective)
    yield _named(residual | steps.columns())
    # Of machines in kernel coordinates, nobody knows the parameters by name.
    if dfbetas and hasattr(study.model, "coef_"):
        yield [f"dfbetas_{name}" for name in _parameter_names(study, objective)], steps.dfbetas()


def _named(columns: dict[str, np.ndarray]) -> tuple[list[str], np.ndarray]:
    return list(columns), np.column_stack(list(columns.values()))


def _of_each_target(objective: LinearObjective) -> list[LinearObjective]:
    """The objective of each target of a regression, where they share no more than the rows."""
    return [
        replace(
            objective,
            loss=objective.loss.of_target(target),
            y=objective.y[:, target],
            weights=objective.weights[[target]],
            penalty=np.broadcast_to(objective.penalty, objective.shape)[[target]],
        )
        for target in range(objective.shape[0])
    ]


def _objective_of(study: Study) -> Any:
    """The objective at its optimum, in double precision."""
    name, objective = type(study.model).__name__, study.objective
    has_leverage = objective.leverage_obstacle is None
    tells = "self_influence_ and leverage_ tell" if has_leverage else "self_influence_ tells"
    if objective.members:
        raise TypeError(
            f"{name} has no diagnostics: it is made of several models, each of which has its own. "
            f"Explain one of them by RelatIFExplainer.from_fitted for these; {tells} of its rows."
        )
    if not objective.is_linear:
        raise TypeError(
            f"{name} has no diagnostics: they are of models that are linear in their parameters. "
            f"{tells} of its rows."
        )
    if not objective.loss.has_curvature:
        raise TypeError(
            f"{name} has no diagnostics: its loss has no curvature, so that there is no leverage. "
            "self_influence_ and removal_effect tell of its rows."
        )
    return study.remover.objective


def _factored(objective: LinearObjective) -> Any:
    curvature = hessian_inverse(objective)
    if curvature.is_iterative:
        raise ValueError(
            f"Diagnostics need a factor of the curvature of {objective.weights.size} parameters, "
            "which memory does not hold. Fit a model with fewer features."
        )
    return curvature


def _residual(study: Study, objective: LinearObjective) -> dict[str, np.ndarray]:
    """What is left of the target, in its units; of two classes, of 1 for the second."""
    loss, eta = objective.loss, objective.training_predictor
    if not study.targets.has_classes:
        predicted = study.targets.predicted(loss, eta)
        return {"residual": objective.y - predicted} if predicted.ndim == 1 else {}
    is_binary = loss.has_probabilities and objective.shape[0] == 1
    return {"residual": objective.y - loss.probabilities(eta)[:, 1]} if is_binary else {}


def _of_several_outputs(objective: LinearObjective) -> dict[str, np.ndarray]:
    """Where residuals are vectors, with blocks in the place of numbers (Lesaffre & Albert 1989)."""
    loss = objective.loss
    if not loss.has_fisher or loss.has_dispersion:
        return {"leverage": leverages(objective, _factored(objective))}
    expected = replace(objective, loss=ExpectedCurvature(loss))
    form = expected.forms(_factored(expected))
    weight, forms = (
        np.concatenate([_square(find(rows)) for rows in expected.blocks(expected.shape[0] ** 2)])
        for find in (expected.weighted_second_derivative, form)
    )
    forms = forms / expected.total_weight
    share = weight @ forms
    rest = np.eye(expected.shape[0]) - share
    kept = np.linalg.det(rest)
    kept = np.where(kept > PRECISION, kept, np.nan)
    rest[np.isnan(kept)] = np.nan
    rows = expected.rows
    score = (expected.sample_weight * rows.norm)[:, None, None] * rows.unit[:, :, None]
    step = np.linalg.solve(rest, score)
    leverage = np.einsum("nkk->n", share)
    length = (step.swapaxes(1, 2) @ forms @ step)[:, 0, 0]
    return {
        "leverage": leverage,
        "cooks_distance": length / leverage.sum(),
        "covariance_ratio": 1 / kept,
    }


def _square(diagonals: np.ndarray) -> np.ndarray:
    """Matrices (n, k, k), also of those that are given by their diagonals (n, k)."""
    if diagonals.ndim == 3:
        return diagonals
    return diagonals[:, :, None] * np.eye(diagonals.shape[1])


def _parameter_names(study: Study, objective: LinearObjective) -> list[str]:
    """Names of the parameters that are active, the intercept last."""
    names = feature_names(study)
    if objective.columns is not None:
        names = [names[column] for column in objective.columns]
    return [*names, INTERCEPT] if objective.jacobian.fit_intercept else names


@dataclass(frozen=True, eq=False)
class DeletionSteps:
    """What one step of Fisher scoring from the optimum says of the model without each row.

    With the weights ``w_i = s_i mu'^2 / V`` and the scores ``g_i = s_i (y_i - mu_i) mu' / V``, the
    step without row i moves the parameters by ``-C x~_i g_i / (1 - h_i)``, where
    ``h_i = w_i x~_i^T C x~_i``. For squared error it leads to the optimum.

    Attributes
    ----------
    objective : LinearObjective
        Of one output, at its optimum.
    """

    objective: LinearObjective

    @cached_property
    def expected(self) -> LinearObjective:
        """With expected second derivatives in the place of the observed ones."""
        return replace(self.objective, loss=ExpectedCurvature(self.objective.loss))

    @cached_property
    def curvature(self) -> Any:
        return _factored(self.expected)

    def solve(self, vectors: np.ndarray) -> np.ndarray:
        """``C v`` for each row v; that of the sum, where a curvature is of the mean."""
        return self.curvature.solve(np.array(vectors)) / self.objective.total_weight

    # --- of the rows -------------------------------------------------------------------------

    @cached_property
    def counts(self) -> np.ndarray:
        return self.objective.sample_weight > 0

    @cached_property
    def weight(self) -> np.ndarray:
        """``w_i``."""
        return self.expected.weighted_second_derivative(slice(None))[:, 0].astype(np.float64)

    @cached_property
    def score(self) -> np.ndarray:
        """``g_i``."""
        objective = self.objective
        slope = objective.loss.residual(objective.y, objective.training_predictor)[:, 0]
        return -objective.sample_weight * slope

    @cached_property
    def pearson(self) -> np.ndarray:
        """Pearson residuals ``sqrt(s_i / V) (y_i - mu_i)``; 0 for rows that do not count."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.counts, self.score / np.sqrt(self.weight), 0.0)

    @cached_property
    def deviance(self) -> np.ndarray:
        """Square of the deviance residual of each row."""
        objective = self.objective
        value = objective.loss.value(objective.y, objective.training_predictor)
        return 2 * objective.sample_weight * value

    @cached_property
    def solved(self) -> np.ndarray:
        """``C x~_i``, shape (n_rows, n_columns)."""
        solved = np.empty((self.objective.n_rows, self.objective.jacobian.n_columns))
        for rows in self.objective.blocks(2 * solved.shape[1]):
            solved[rows] = self.solve(self.objective.jacobian.dense_block(rows))
        return solved

    @cached_property
    def forms(self) -> np.ndarray:
        """``x~_i^T C x~_i``."""
        forms = np.empty(self.objective.n_rows)
        for rows in self.objective.blocks(self.solved.shape[1]):
            x = self.objective.jacobian.dense_block(rows)
            forms[rows] = np.einsum("ij,ij->i", x, self.solved[rows])
        return forms

    @cached_property
    def leverage(self) -> np.ndarray:
        return self.weight * self.forms

    @cached_property
    def rest(self) -> np.ndarray:
        """``1 - h_i``; NaN where that is rounding."""
        rest = 1 - self.leverage
        return np.where(rest > PRECISION, rest, np.nan)

    # --- dispersion --------------------------------------------------------------------------

    @cached_property
    def degrees_of_freedom(self) -> float:
        return float(self.counts.sum() - self.leverage.sum())

    @cached_property
    def dispersion(self) -> float:
        """1 where the distribution has none, else Pearson's statistic by its degrees of freedom.

        NaN without any of these, and where a fit is so perfect that residuals are rounding.
        """
        if not self.objective.loss.has_dispersion:
            return 1.0
        freedom, squares = self.degrees_of_freedom, float(np.sum(self.pearson**2))
        size = float(self.weight @ self.objective.training_predictor[:, 0] ** 2)
        is_known = freedom > PRECISION * self.objective.n_rows and squares > ROUNDING**2 * size
        return squares / freedom if is_known else np.nan

    @cached_property
    def dispersion_without(self) -> np.ndarray:
        """That of the model without each row, of the same weighted least squares problem.

        Without row i, the residuals of the others are ``z_k + H_ki z_i / (1 - h_i)`` with the hat
        matrix H of the Pearson residuals z. So their sum of squares needs ``H z``, which is
        ``sqrt(w_i) x~_i^T C Lambda beta`` at the optimum, and the diagonal of ``H^2``, as the sum
        of the leverages without the row does.
        """
        if not self.objective.loss.has_dispersion:
            return np.ones(self.objective.n_rows)
        objective, z, h, rest = self.objective, self.pearson, self.leverage, self.rest
        penalty = np.broadcast_to(objective.penalty, objective.shape)[0]
        h_squared = h - self.weight * np.einsum("ij,j,ij->i", self.solved, penalty, self.solved)
        pull = (objective.penalty * objective.weights + objective.slope).ravel()
        along = np.sqrt(self.weight) * objective.jacobian.apply(self.solve(pull[None]))[:, 0, 0]
        squares = np.sum(z**2) + 2 * along * z / rest + (h_squared - 1) * (z / rest) ** 2
        freedom = self.degrees_of_freedom - self.counts - (h_squared - h) / rest
        is_known = (freedom > PRECISION * objective.n_rows) & np.isfinite(self.dispersion)
        unknown = np.full(objective.n_rows, np.nan)
        # What rounding leaves of a perfect fit may be below zero.
        return np.divide(np.maximum(squares, 0), freedom, out=unknown, where=is_known)

    # --- the numbers -------------------------------------------------------------------------

    def columns(self) -> dict[str, np.ndarray]:
        """All but one number a parameter."""
        h, rest, z, deviation = self.leverage, self.rest, self.pearson, self.dispersion_without
        move = self.score * np.sqrt(self.forms) / rest
        with np.errstate(divide="ignore", invalid="ignore"):
            external = np.sign(z) * np.sqrt((self.deviance + h * z**2 / rest) / deviation)
            internal = z / np.sqrt(self.dispersion * rest)
            return {
                "leverage": h,
                "studentised_internal": np.where(self.counts, internal, np.nan),
                "studentised_external": np.where(self.counts, external, np.nan),
                "cooks_distance": move**2 / (h.sum() * self.dispersion),
                "dffits": move / np.sqrt(deviation),
                "covariance_ratio": (deviation / self.dispersion) ** self._n_free() / rest,
            }

    def dfbetas(self) -> np.ndarray:
        """Change of each active parameter without each row, in its standard errors without it."""
        expand = self.objective.jacobian.expand
        step = expand(self.solved) * (self.score / self.rest)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            return step / np.sqrt(self.dispersion_without[:, None] * self._variances())

    def _variances(self) -> np.ndarray:
        """Diagonal of ``C`` in the columns of the user; NaN where it does not exist.

        As a sum of squares, ``C = C X^T W X C + C Lambda C``, which leaves out directions that
        neither the rows nor the penalty sees.
        """
        objective, expand = self.objective, self.objective.jacobian.expand
        penalty = np.broadcast_to(objective.penalty, objective.shape)[0]
        of_rows = np.einsum("i,ij->j", self.weight, expand(self.solved) ** 2)
        roots = np.diag(np.sqrt(penalty))[penalty > 0]
        variances = of_rows + np.sum(expand(self.solve(roots)) ** 2, axis=0)
        if penalty[0] > 0:
            variances += self._outside() / penalty[0]
        return np.where(variances > 0, variances, np.nan)

    def _outside(self) -> np.ndarray:
        """The share of each user's parameter outside the columns of the objective.

        In the space that the rows of wide data span; the penalty there is the same for all
        features.
        """
        jacobian = self.objective.jacobian
        inside = np.sum(jacobian.expand(np.eye(jacobian.n_columns)) ** 2, axis=0)
        return np.maximum(1 - inside, 0)

    def _n_free(self) -> int:
        """Number of parameters that are determined, in the columns of the user."""
        is_penalised = self.objective.penalty[0, 0] > 0
        return self.curvature.n_free + round(self._outside().sum()) * bool(is_penalised)
