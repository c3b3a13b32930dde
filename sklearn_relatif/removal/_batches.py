"""Which models go together: groups of rows that share their products well."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..utils._blocks import row_blocks
from ._descent import MEMORY

#: Columns of the products that models share: enough for BLAS to run at its full rate.
BATCH_COLUMNS = 1024
#: Bytes that the vectors of a batch of models may take.
BATCH_BYTES = 256 * 2**20


def counted_rows(objective, groups):
    """The groups as sorted arrays, without the rows of which J does not depend."""
    counted, has_weight = objective.counts, objective.sample_weight > 0
    groups = [np.unique(np.asarray(rows, dtype=np.intp)) for rows in groups]
    groups = [rows[counted[rows]] for rows in groups]
    n_rows = np.count_nonzero(has_weight)
    if any(np.count_nonzero(has_weight[rows]) == n_rows for rows in groups):
        raise ValueError("A group holds all training rows, so that none is left to train with.")
    return groups


def batches(objective, groups) -> Iterator[tuple[np.ndarray, bool]]:
    """Groups of similar size, as many as share their products well, and whether they are small.

    A group is small if downdating a factor by it costs less than a new factor.
    """
    n_outputs, n_params = objective.shape[0], objective.weights.size
    n_blocks = 1 if objective.loss.couples_outputs else n_outputs
    sizes = np.array([max(1, len(rows)) for rows in groups])
    ranks = sizes * (n_outputs // n_blocks)
    small = (sizes == 1) | (ranks <= n_params // n_blocks / 4)
    similar = np.where(small, np.ceil(np.log2(sizes)), np.inf)
    for kind in np.unique(similar):
        members = np.flatnonzero(similar == kind)
        is_small = bool(small[members[0]])
        model_bytes = 8 * n_params * (2 * MEMORY + 8)
        if is_small:
            model_bytes += 8 * n_params * 2 * ranks[members].max()
        elif factors_at_once(objective):
            model_bytes += _factor_bytes(objective)
        most = min(BATCH_COLUMNS // n_outputs, BATCH_BYTES // model_bytes)
        for batch in row_blocks(len(members), 1, max(1, most)):
            yield members[batch], is_small


def factors_at_once(objective) -> int:
    """How many models may have factors of their own at a time; 0: there is no room for any."""
    return BATCH_BYTES // _factor_bytes(objective)


def _factor_bytes(objective):
    n_params = objective.weights.size
    return 8 * n_params**2 // (1 if objective.loss.couples_outputs else objective.shape[0])
