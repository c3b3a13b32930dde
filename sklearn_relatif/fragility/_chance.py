"""How many rows would it take if errors were normal?

A number rests on few rows for either of two reasons: its lead over the threshold is small beside
its noise, or some rows are not like the others. Only the second is news. Under least squares with
normal errors of one variance (divided by the weights of the rows), the estimates, the sum of
squared errors and the direction of the errors among those that the columns leave to them are
independent, and that direction is uniform. So drawing directions gives data with the same columns,
the same estimates and the same noise, of which the number of rows that it takes is a fair draw: the
share of draws that take as few is a p-value of the errors being normal, exact for any size.

Both the data and the draws are measured by the sum of the effects of single rows, each exact.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg

from ..results import NormalErrors
from ._enumeration import Squares
from ._question import Question

#: Draws, and how many at a time.
N_DRAWS, AT_A_TIME = 200, 50
#: Rows that are sorted beside twice those that are expected.
SPARE = 100
#: Numbers of the columns that are held at once.
MOST_VALUES = 5e7
#: Share of the largest singular value below which a direction of the columns is rounding.
ROUNDING = 1e-10


def with_normal_errors(question: Question, seed: int = 0) -> NormalErrors | None:
    """What normal errors would make of a question; None if it has no such errors.

    Parameters
    ----------
    question : Question
    seed : int, default=0
        Of the draws.
    """
    objective = question.whole.objective
    if not Squares.apply(question) or objective.n_rows * objective.shape[1] > MOST_VALUES:
        return None
    squares = Squares(question)
    counted = squares.counted
    columns = objective.jacobian.dense_block(counted) * squares.root[counted, None]
    basis = _span(columns)
    errors = squares.e[counted]
    # What a penalty leaves of the targets' fit is not noise.
    of_columns = basis @ (basis.T @ errors)
    length = np.linalg.norm(errors - of_columns)
    if len(counted) - basis.shape[1] < 2 or length <= ROUNDING * np.linalg.norm(errors):
        return None
    pull = squares.a[counted] / np.maximum(1 - squares.leverage[counted], ROUNDING)
    estimate = _sizes(pull * errors[None], squares.needed)[0]
    rng, sizes = np.random.default_rng(seed), []
    for _ in range(N_DRAWS // AT_A_TIME):
        drawn = rng.normal(size=(AT_A_TIME, len(counted)))
        drawn -= (drawn @ basis) @ basis.T
        drawn *= length / np.linalg.norm(drawn, axis=1, keepdims=True)
        sizes.append(_sizes(pull * (of_columns + drawn), squares.needed, estimate))
    drawn_sizes = np.concatenate(sizes)
    low, typical, high = np.quantile(drawn_sizes, [0.05, 0.5, 0.95], method="nearest")
    as_few = np.count_nonzero(drawn_sizes <= estimate)
    estimated, typical, low, high = (
        float(np.ceil(size)) if size <= len(counted) else np.inf
        for size in (estimate, typical, low, high)
    )
    return NormalErrors(
        estimated_size=estimated,
        typical_size=typical,
        range=(low, high),
        p_value=(1 + as_few) / (1 + N_DRAWS),
    )


def _sizes(gains, needed, expected=np.inf):
    """How many of the largest gains of each line make up what is needed, the last one in part.

    More than there are if all of them do not, by the share that they leave. With twice as many of
    them sorted as are expected, the others seldom need to be.
    """
    n_rows, n_sorted = gains.shape[1], 2 * expected + SPARE
    if n_sorted < n_rows:
        first = np.partition(-gains, int(n_sorted), axis=1)[:, : int(n_sorted)]
        if (-first.sum(axis=1) > (1 + ROUNDING) * needed).all():
            gains = -first
    gains = -np.sort(-gains, axis=1)
    sums = np.cumsum(gains, axis=1)
    most, last = sums.max(axis=1), (sums >= needed).argmax(axis=1)
    line = np.arange(len(gains))
    with np.errstate(divide="ignore", invalid="ignore"):
        sizes = last + 1 - (sums[line, last] - needed) / gains[line, last]
    return np.where(most >= needed, sizes, n_rows + (needed - most) / needed)


def _span(columns):
    """An orthonormal basis of the span of some columns."""
    lengths = np.linalg.norm(columns, axis=0)
    scaled = columns / np.where(lengths > 0, lengths, 1)
    squares, vectors = np.linalg.eigh(scaled.T @ scaled)
    kept = squares > ROUNDING * squares.max()
    basis = scaled @ (vectors[:, kept] / np.sqrt(squares[kept]))
    # It is orthonormal but for rounding over the smallest eigenvalue, and then for rounding.
    factor = linalg.cholesky(basis.T @ basis)
    return linalg.solve_triangular(factor, basis.T, trans="T").T
