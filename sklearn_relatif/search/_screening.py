"""The best rows, found in single precision and scored in the precision of the data.

The product of a solved query ``v`` with a row's gradient ``g`` is ``|v| |g| cos(v, g)``. The
cosines of all pairs are computed in single precision, where BLAS is twice as fast, with an error
of at most

    |fl(cos) - cos| <= gamma_m = m u / (1 - m u),    m = n_params + a few,    u = 2^-24

in whatever order they are summed (Higham, Accuracy and Stability of Numerical Algorithms, 2002,
Section 3.1). Each row's cosines come multiplied with a weight of at most 1, which the row's
gradient already carries: the error is then at most ``gamma_m`` times the weight. A row that cannot
be among the best even at the upper end of this interval is discarded. The few that are left are
scored again, so that neither the rows that are found nor their scores show how they were found.
"""

from __future__ import annotations

from threading import Lock

import numpy as np

from ..utils._blocks import block_budget, row_blocks
from ..utils._threads import CACHED_BYTES, for_each, n_blas_threads
from ._selection import BestRows, BestScores

#: Rows of the first block, which sets a threshold for the others. Each block has twice as many as
#: the one before it, up to a size at which what is done once a block costs nothing.
FIRST_ROWS = 32
BLOCKS_AT_ONCE = 8
#: Blocks of more than one product are so many that no thread has much to do when others are done.
LEAST_BLOCKS = 16
#: Scores that are computed at once: so many that they are searched while they are in cache.
BLOCK_SCORES = 10**6
#: Roundings of the operands and of the criterion, on top of those of a product's summation.
FURTHER_ROUNDINGS = 16
#: Smallest weight of a row, of the largest in its block.
LEAST_WEIGHT = 2.0**-20
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
    if not rows.is_dense:
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

    A row's cosines are multiplied with the row's weight ``w_i``, so that one comparison with one
    number for each query does for all criteria: with ``s_ci`` the row's scale in criterion c and
    ``l_tc`` the threshold of query t, a row is of use only if ``s_ci cos > l_tc`` in some
    criterion, and then, for any positive units ``m_c``,

        w_i cos > min_c l_tc / m_c,    where    w_i >= max_c s_ci / m_c.
    """

    def __init__(self, solved, rows, factors, n_best, directions):
        self.rows = rows
        self.factors = factors
        self.directions = directions
        self.vectors, has_direction = _unit_vectors(solved)
        n_roundings = rows.n_values + FURTHER_ROUNDINGS
        # The rounding of the final score is allowed for as well.
        error = _gamma(n_roundings, np.float32) + _gamma(n_roundings, solved.dtype)
        self.tolerance = np.where(has_direction, error, 0.0)
        #: Lower ends of the intervals of the best rows so far.
        self.least = {
            (name, direction): BestScores(len(solved), n_best)
            for name in factors
            for direction in directions
        }
        self.thresholds = _Thresholds(self.least)
        self.lengths = np.zeros(rows.n_rows)
        self.pairs, self.new_pairs = [], []
        self.n_pairs, self.max_pairs = 0, block_budget() / CANDIDATE_BYTES
        self.n_new, self.max_new = 0, len(solved) * n_best
        self.is_hopeless = not np.isfinite(self.vectors).all() or not np.isfinite(error)
        self.lock = Lock()

    def visit(self, block):
        """Find the candidates among a block of rows."""
        if self.is_hopeless:
            return
        jacobian, unit = self.rows.jacobian[block], self.rows.unit[block]
        with np.errstate(over="ignore", invalid="ignore"):
            lengths = jacobian.known_lengths()
            self.lengths[block] = lengths
            scales = {name: factor[block] * lengths for name, factor in self.factors.items()}
            scales = {name: scale for name, scale in scales.items() if scale.any()}
            weight, bounds = self._weigh(scales)
        if np.isnan(lengths).any() or not all(map(_is_in_range, (*scales.values(), weight))):
            self.is_hopeless = True
            return
        if not scales:
            return
        factor = np.divide(weight, lengths, out=np.zeros_like(weight), where=lengths > 0)
        unit = unit * factor[:, None].astype(unit.dtype)
        n_queries = len(self.vectors)
        parts = list(row_blocks(len(unit), n_queries, BLOCK_SCORES))
        # Memory that is fresh for each product would cost as much as looking at it does.
        n_at_once = parts[0].stop
        gradients = np.empty((n_at_once, self.rows.n_values), np.float32)
        memory = np.empty(n_queries * n_at_once, np.float32)
        for some in parts:
            own = jacobian.gradients(unit[some], some, gradients[: some.stop - some.start]).T
            products = memory[: n_queries * own.shape[1]].reshape(n_queries, -1)
            # All numbers are finite, and at most 1. That one was not is said by some of BLAS' own
            # kernels, of memory beside them (numpy/numpy#24067).
            with np.errstate(invalid="ignore"):
                np.matmul(self.vectors, own, out=products)
            queries, rows, products = _hits(products, bounds)
            if len(queries):
                rows += some.start
                self._keep(queries, rows + block.start, products / weight[rows])

    def _weigh(self, scales):
        """The weights of rows, and for each direction what their products must exceed."""
        thresholds = self.thresholds
        weight: np.ndarray = np.zeros(1)
        for name, scale in scales.items():
            weight = np.maximum(weight, scale / thresholds.units[name])
        largest = weight.max() or 1.0
        # Products of tiny weights would leave the range in which their error is relative.
        weight = np.maximum(weight / largest, LEAST_WEIGHT)
        bounds = {}
        for direction in self.directions:
            low = [thresholds.in_units[name, direction] for name in scales]
            low = np.min(low, axis=0, initial=np.inf) / largest - self.tolerance
            bounds[direction] = np.nextafter(low.astype(np.float32), np.float32(-np.inf))
        return weight, bounds

    def _keep(self, *pairs):
        with self.lock:
            self.new_pairs.append(pairs)
            self.n_new += len(pairs[0])
            if self.n_new >= self.max_new:
                self._raise_thresholds()
            if self.n_pairs > self.max_pairs:
                self._discard()
                self.is_hopeless = self.n_pairs > self.max_pairs / 2

    def _raise_thresholds(self):
        """Let new pairs raise the thresholds, and keep those that are still candidates."""
        queries, rows, cosines = map(np.concatenate, zip(*self.new_pairs, strict=True))
        order = np.argsort(queries, kind="stable")
        queries, rows, cosines = queries[order], rows[order], cosines[order]
        for (name, direction), best in self.least.items():
            scale = self.factors[name][rows] * self.lengths[rows]
            lower = (direction * cosines - self.tolerance[queries]) * scale
            better = np.flatnonzero(lower > best.worst[queries])
            best.insert(queries[better], lower[better])
        self.thresholds = _Thresholds(self.least)
        self.new_pairs, self.n_new = [], 0
        self._add(queries, rows, cosines)

    def _add(self, queries, rows, cosines):
        """Add those of some pairs that thresholds have not overtaken."""
        is_candidate = np.zeros(len(queries), bool)
        for (name, direction), best in self.least.items():
            scale = self.factors[name][rows] * self.lengths[rows]
            upper = (direction * cosines + self.tolerance[queries]) * scale
            is_candidate |= (upper > 0) & (upper >= best.worst[queries])
        self.pairs.append((queries[is_candidate], rows[is_candidate], cosines[is_candidate]))
        self.n_pairs += int(np.count_nonzero(is_candidate))

    def _discard(self):
        """Discard the pairs that thresholds have overtaken."""
        pairs = map(np.concatenate, zip(*self.pairs, strict=True))
        self.pairs, self.n_pairs = [], 0
        self._add(*pairs)

    def candidates(self):
        """Pairs of query and row in their order, once all blocks were visited; or None."""
        if self.is_hopeless:
            return None
        if self.new_pairs:
            self._raise_thresholds()
        if not self.pairs:
            return np.zeros((2, 0), np.intp)
        self._discard()
        ((queries, rows, _),) = self.pairs
        order = np.lexsort((rows, queries))
        return queries[order], rows[order]


class _Thresholds:
    """What the worst of the best rows score so far.

    Attributes
    ----------
    units : dict of str to float
        The typical threshold of each criterion: measured in it, all criteria count about the same.
    in_units : dict of (str, int) to ndarray of shape (n_queries,)
        The threshold of each query.
    """

    def __init__(self, least):
        worst = {key: best.worst for key, best in least.items()}
        means = {name: worst[name, direction].mean() for name, direction in worst}
        self.units = {name: mean if mean > 0 else 1.0 for name, mean in means.items()}
        self.in_units = {key: scores / self.units[key[0]] for key, scores in worst.items()}


def _hits(products, bounds):
    """Queries, rows and products (n_queries, n_rows) that exceed a bound, as three arrays."""
    # Most queries have none in a block, which their largest products tell in the fastest pass.
    is_asked = np.zeros(len(products), bool)
    for direction, bound in bounds.items():
        peak = products.max(axis=1) if direction > 0 else -products.min(axis=1)
        is_asked |= peak > bound
    asked = np.flatnonzero(is_asked)
    if len(asked) < len(products) / 2:
        products = products[asked]
    else:  # A copy would cost more than to look at all of them again.
        asked = np.arange(len(products))
    is_hit = np.zeros(products.shape, bool)
    for direction, bound in bounds.items():
        bound = bound[asked, None]
        is_hit |= products > bound if direction > 0 else products < -bound
    hits = np.flatnonzero(is_hit)
    queries, rows = np.divmod(hits, products.shape[1])
    return asked[queries], rows, products.ravel()[hits].astype(np.float64)


def _gamma(n_roundings, dtype):
    """Bound of the relative error that so many roundings make together."""
    error = n_roundings * np.finfo(dtype).eps / 2
    return error / (1 - error) if error < 1 else np.inf


def _unit_vectors(vectors):
    """Unit vectors in single precision, and which of the vectors are not zero."""
    peak = np.maximum(vectors.max(axis=1), -vectors.min(axis=1))
    unit = np.empty(vectors.shape, np.float32)
    for rows in row_blocks(len(vectors), vectors[0].nbytes, CACHED_BYTES):
        # Squares of what is divided by its largest number neither overflow nor vanish.
        scaled = vectors[rows] / np.where(peak > 0, peak, 1)[rows, None]
        length = np.sqrt(np.einsum("ij,ij->i", scaled, scaled))
        unit[rows] = scaled / np.where(peak[rows] > 0, length, 1)[:, None]
    return unit, peak > 0


def _is_in_range(scales):
    """Whether no scale is infinite, or smaller than numbers of full precision are."""
    present = scales[scales != 0]
    return not present.size or bool(
        present.min() > np.finfo(np.float64).tiny and present.max() < np.inf
    )


def _growing_blocks(rows, n_queries):
    """Slices of the rows, few at first; the blocks of all threads share half the budget."""
    budget = block_budget() / 2 / n_blas_threads()
    at_once = BLOCK_SCORES // n_queries
    most = max(at_once, min(BLOCKS_AT_ONCE * at_once, rows.n_rows // LEAST_BLOCKS))
    most = min(most, budget // (4 * rows.n_values))
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
    vectors = solved.reshape(len(solved), rows.unit.shape[1], -1)

    def score(pairs):
        own = indices[pairs]
        eta = rows.jacobian.apply_each(vectors[queries[pairs]], own)
        products[pairs] = np.einsum("nk,nk->n", eta, rows.unit[own])

    for_each(score, list(row_blocks(len(queries), solved[0].nbytes, CACHED_BYTES)))
    return products
