"""The best rows, found in single precision and scored in the precision of the data.

The product of a solved query ``v`` with a row's gradient ``g`` is ``|v| |g| cos(v, g)``. The
cosines of all pairs are computed in single precision, where BLAS is twice as fast, with an error
of at most

    |fl(cos) - cos| <= gamma_m = m u / (1 - m u),    m = n_params + a few,    u = 2^-24

in whatever order they are summed (Higham, Accuracy and Stability of Numerical Algorithms, 2002,
Section 3.1). A row that cannot be among the best even at the upper end of this interval is
discarded. The few that are left are scored again, so that neither the rows that are found nor
their scores show how they were found.
"""

from __future__ import annotations

from threading import Lock

import numpy as np

from ._selection import BestRows
from ._threads import for_each, n_blas_threads
from .objectives import GradientRows, block_budget

#: Rows of the first block, which sets a threshold for the others. Each block has twice as many as
#: the one before it, up to so many scores that they are searched while they are in cache.
FIRST_ROWS = 32
BLOCK_SCORES = 2**20
#: Roundings of the operands and of the criterion, on top of those of a product's summation.
FURTHER_ROUNDINGS = 16
#: Bytes that a candidate takes: a query, a row and a cosine.
CANDIDATE_BYTES = 24


def screened_best(solved, rows, factors, n_best, directions):
    """The best rows of each query, in each criterion.

    Parameters
    ----------
    solved : ndarray of shape (n_queries, n_params)
        What the rows' unit gradients are multiplied with.
    rows : gradient rows
    factors : dict of str to ndarray of shape (n_rows,)
        What a row's products are multiplied with, in each criterion. Not negative.
    n_best : int
    directions : tuple of 1 and -1
        Signs of the scores that are looked for.

    Returns
    -------
    dict of (str, int) to BestRows, or None
        By criterion and direction. None where screening does not apply: the products are not
        dense ones, numbers are outside the range of single precision, or more rows are nearly
        as good as the best than is worth scoring again.
    """
    if not isinstance(rows, GradientRows) or rows.design.is_sparse:
        return None
    search = _Search(solved, rows, factors, n_best, directions)
    for_each(search.visit, list(_growing_blocks(rows, len(solved))))
    pairs = search.candidates()
    if pairs is None:
        return None
    queries, indices = pairs
    products = _products_of_pairs(solved, rows, queries, indices)
    best = {}
    for name, direction in search.least:
        found = BestRows(len(solved), n_best, solved.dtype)
        found.insert(queries, products * (direction * factors[name][indices]), indices)
        best[name, direction] = found
    return best


class _Search:
    """Candidates for the best rows, from cosines that come in blocks.

    Threads may visit blocks in any order and at the same time: thresholds only rise, and an older
    one discards nothing that a newer one would keep.
    """

    def __init__(self, solved, rows, factors, n_best, directions):
        self.rows = rows
        self.factors = factors
        self.directions = directions
        self.vectors, has_direction = _unit_vectors(solved)
        n_roundings = rows.n_params + FURTHER_ROUNDINGS
        # The rounding of the final score is allowed for as well.
        tolerance = _gamma(n_roundings, np.float32) + _gamma(n_roundings, solved.dtype)
        self.tolerance = np.where(has_direction, tolerance, 0.0)
        #: Lower ends of the intervals of the best rows so far.
        self.least = {
            (name, direction): BestRows(len(solved), n_best, np.float64)
            for name in factors
            for direction in directions
        }
        self.lengths = np.zeros(rows.n_rows)
        self.pairs = []
        self.n_pairs, self.max_pairs = 0, block_budget() / CANDIDATE_BYTES
        self.is_hopeless = not np.isfinite(self.vectors).all() or not np.isfinite(tolerance)
        self.lock = Lock()

    def visit(self, block):
        """Find the candidates among a block of rows."""
        if self.is_hopeless:
            return
        with np.errstate(over="ignore", invalid="ignore"):
            gradients, lengths = _unit_gradients(self.rows, block)
            self.lengths[block] = lengths
            scales = {
                name: factor[block] * self.lengths[block] for name, factor in self.factors.items()
            }
            if np.isnan(lengths).any() or not all(map(_is_in_range, scales.values())):
                self.is_hopeless = True
                return
            cosines = self.vectors @ gradients.T
            for direction in self.directions:
                self._add_candidates(direction, cosines, scales, block.start)

    def _add_candidates(self, direction, cosines, scales, first):
        bound = self._bound(direction, scales)
        hits = np.flatnonzero(cosines > bound if direction > 0 else cosines < -bound)
        if not hits.size:
            return
        queries, columns = np.divmod(hits, cosines.shape[1])
        cosines = cosines.ravel()[hits].astype(np.float64)
        tolerance = self.tolerance[queries]
        lower, upper = direction * cosines - tolerance, direction * cosines + tolerance
        is_candidate = np.zeros(len(hits), bool)
        for name, scale in scales.items():
            scale, best = scale[columns], self.least[name, direction]
            is_candidate |= _reaches(upper * scale, best, queries)
            with self.lock:
                better = np.flatnonzero(lower * scale > best.scores[queries, -1])
                best.insert(queries[better], (lower * scale)[better], columns[better] + first)
        self._keep(queries[is_candidate], columns[is_candidate] + first, cosines[is_candidate])

    def _bound(self, direction, scales):
        """Cosines up to here cannot be of use in any criterion, shape (n_queries, 1)."""
        bound = np.full(len(self.vectors), np.inf)
        for name, scale in scales.items():
            if scale.any():
                worst = self.least[name, direction].scores[:, -1]
                np.minimum(bound, worst / scale.max(), out=bound)
        bound = (bound - self.tolerance).astype(np.float32)
        return np.nextafter(bound, np.float32(-np.inf))[:, None]

    def _keep(self, *pairs):
        with self.lock:
            self.pairs.append(pairs)
            self.n_pairs += len(pairs[0])
            if self.n_pairs > self.max_pairs:
                self._discard()
                self.is_hopeless = self.n_pairs > self.max_pairs / 2

    def _discard(self):
        """Discard the pairs that thresholds have overtaken."""
        queries, indices, cosines = map(np.concatenate, zip(*self.pairs, strict=True))
        is_candidate = np.zeros(len(queries), bool)
        for (name, direction), best in self.least.items():
            scale = self.factors[name][indices] * self.lengths[indices]
            upper = (direction * cosines + self.tolerance[queries]) * scale
            is_candidate |= _reaches(upper, best, queries)
        self.pairs = [(queries[is_candidate], indices[is_candidate], cosines[is_candidate])]
        self.n_pairs = np.count_nonzero(is_candidate)

    def candidates(self):
        """Pairs of query and row in their order, once all blocks were visited; or None."""
        if self.is_hopeless:
            return None
        if not self.pairs:
            return np.zeros((2, 0), np.intp)
        self._discard()
        ((queries, indices, _),) = self.pairs
        # A cosine of about zero may have been found in both directions.
        return np.divmod(np.unique(queries * self.rows.n_rows + indices), self.rows.n_rows)


def _reaches(upper, best, queries):
    """Which scores may be positive and among the best."""
    return (upper > 0) & (upper >= best.scores[queries, -1])


def _gamma(n_roundings, dtype):
    """Bound of the relative error that so many roundings make together."""
    error = n_roundings * np.finfo(dtype).eps / 2
    return error / (1 - error) if error < 1 else np.inf


def _unit_vectors(vectors):
    """Unit vectors in single precision, and which of the vectors are not zero."""
    peak = np.abs(vectors).max(axis=1)
    # Squares of what is divided by its largest number neither overflow nor vanish.
    scaled = vectors / np.where(peak > 0, peak, 1)[:, None]
    length = np.linalg.norm(scaled, axis=1)
    scaled /= np.where(peak > 0, length, 1)[:, None]
    return scaled.astype(np.float32), peak > 0


def _unit_gradients(rows, block):
    """Gradients of some rows at unit length, and the lengths that they had.

    The gradients are in single precision. The length is NaN where its square is out of range.
    """
    X, has_intercept = rows.design.X[block], rows.design.fit_intercept
    squares = np.einsum("ij,ij->i", X, X) + X.dtype.type(has_intercept)
    limits = np.finfo(X.dtype)
    in_range = (squares > limits.tiny / limits.eps) & (squares < limits.max)
    if not in_range.all():
        is_zero = ~X.any(axis=1) & (not has_intercept)
        squares[~in_range] = np.where(is_zero, 0, np.nan)[~in_range]
    lengths = np.sqrt(squares)
    inverse = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    features = (X * inverse[:, None]).astype(np.float32, copy=False)
    unit = rows.unit[block].astype(np.float32, copy=False)
    gradients = np.empty((*unit.shape, rows.design.n_columns), np.float32)
    np.multiply(unit[:, :, None], features[:, None, :], out=gradients[:, :, : X.shape[1]])
    if has_intercept:
        gradients[:, :, -1] = unit * inverse[:, None]
    return gradients.reshape(len(unit), -1), lengths


def _is_in_range(scales):
    """Whether no scale is infinite, or smaller than numbers of full precision are."""
    present = scales[scales != 0]
    return not present.size or bool(
        present.min() > np.finfo(np.float64).tiny and present.max() < np.inf
    )


def _growing_blocks(rows, n_queries):
    """Slices of the rows, few at first; the blocks of all threads share the budget."""
    budget = block_budget() / n_blas_threads()
    most = min(BLOCK_SCORES // n_queries, budget // (4 * rows.n_params))
    start, size = 0, FIRST_ROWS
    while start < rows.n_rows:
        stop = min(start + max(1, min(size, int(most))), rows.n_rows)
        yield slice(start, stop)
        start, size = stop, 2 * size


def _products_of_pairs(solved, rows, queries, indices):
    """Product of a solved query and a row's gradient, for each of the pairs in their order.

    All are summed by the same loop, so that the products of equal rows are equal.
    """
    products = np.empty(len(queries), solved.dtype)
    design, first = rows.design, np.searchsorted(queries, np.arange(len(solved) + 1))

    def score(query):
        pairs = slice(first[query], first[query + 1])
        X, unit = design.X[indices[pairs]], rows.unit[indices[pairs]]
        vector = solved[query].reshape(rows.n_outputs, -1)
        eta = np.einsum("nd,kd->nk", X, vector[:, : X.shape[1]])
        if design.fit_intercept:
            eta += vector[:, -1]
        products[pairs] = np.einsum("nk,nk->n", eta, unit)

    for_each(score, np.flatnonzero(np.diff(first)))
    return products
