"""Rows that are nearly there twice: copies with some digits changed."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata
from sklearn.neighbors import NearestNeighbors

from ..views import percent
from ._finding import Check, Evidence, Finding
from ._predictors import Predictors

#: Share of the values of a column that differ, if it is fine enough for nearness to be no chance.
FINE = 0.5
#: Rows that are looked at, at most.
MAX_ROWS = 100_000
#: Directions in which neighbours are looked for, and neighbours of each row.
N_DIRECTIONS, N_NEIGHBORS = 4, 5
#: Rows expected to be as near by chance, in the whole table, below which they are called copies.
LEVEL = 0.01


def _find(evidence: Evidence) -> list[Finding]:
    rows, partners = near_copies(evidence.predictors)
    if not len(rows):
        return []
    n_rows, target = len(evidence.index), evidence.view.target
    differ = ""
    if "label" in evidence.columns:
        label = evidence.columns["label"]
        n_differing = int(np.sum(label[rows] != label[partners]))
        differ = f", {n_differing:,} of them to a row with another {target}" if n_differing else ""
    return [
        Finding(
            kind="near_duplicates",
            sentence=f"{len(rows):,} of {n_rows:,} training rows ({percent(len(rows) / n_rows)}) "
            f"are nearly equal to another row{differ}.",
            value=float(len(rows)),
            weight=0.25,
            method="The nearest rows by the ranks of numbers that mostly differ, as far as all "
            "other cells are equal. Told of rows that are so much nearer than their fifth "
            "neighbour that of all rows fewer than one in a hundred would be by chance, by the "
            "number of directions in which the rows spread (Facco et al. 2017).",
            rows=rows,
        )
    ]


def near_copies(predictors: Predictors) -> tuple[np.ndarray, np.ndarray]:
    """Training rows that are nearly equal to others, and for each the nearest of these.

    Parameters
    ----------
    predictors : Predictors

    Returns
    -------
    rows, partners : ndarray of int, shape (n_found,)
    """
    fine = _fine_columns(predictors)
    keys = predictors.keys
    coarse = keys.of_rows - sum((keys.of_columns[name] for name in fine), np.uint64(0))
    # Of rows that are equal, one is looked at.
    _, rows = np.unique(keys.of_rows, return_index=True)
    ranks = np.column_stack([_ranks(values)[rows] for values in fine.values()])
    nearest, distance, chance = _neighbors(ranks)
    is_copy = (len(rows) * chance < LEVEL) & (distance > 0)
    is_copy &= coarse[rows] == coarse[rows[nearest]]
    return rows[is_copy], rows[nearest[is_copy]]


def _fine_columns(predictors):
    """The columns of numbers that mostly differ."""
    columns = {name: predictors.cells.values(name) for name in predictors.names}
    return {
        name: values.astype(np.float64)
        for name, values in columns.items()
        if values.dtype.kind in "iuf" and len(np.unique(values)) > FINE * len(values)
    }


def _ranks(values):
    """Ranks as shares of all rows; missing values count as the median."""
    known = np.where(np.isnan(values), np.nanmedian(values), values)
    return rankdata(known) / len(known)


def _neighbors(ranks):
    """The nearest row of each, how near it is, and the chance that it is so near.

    Where rows are spread evenly in D directions, the nearest is nearer than a share t of the
    distance of the k-th with the probability ``1 - (1 - t^D)^(k - 1)``, and half of the rows have a
    second neighbour at more than ``2^(1/D)`` times the distance of the first.
    """
    centred = ranks - ranks.mean(axis=0)
    directions = np.linalg.svd(centred.T @ centred)[0][:, :N_DIRECTIONS]
    projected = centred @ directions
    search = NearestNeighbors(n_neighbors=N_NEIGHBORS + 1, algorithm="kd_tree").fit(projected)
    distances, places = (found[:, 1:] for found in search.kneighbors(projected))
    apart = distances[distances[:, 0] > 0]
    if len(apart) < len(distances) / 2:
        return places[:, 0], distances[:, 0], np.ones(len(ranks))
    n_directions = np.log(2) / np.log(np.median(apart[:, 1] / apart[:, 0]))
    # In all columns; farther than in some directions.
    full = np.linalg.norm(ranks[:, None] - ranks[places], axis=2)
    best = full.argmin(axis=1)
    every = np.arange(len(ranks))
    nearest, distance = places[every, best], full[every, best]
    share = np.minimum(distance / np.maximum(distances[:, -1], np.finfo(float).tiny), 1)
    return nearest, distance, 1 - (1 - share**n_directions) ** (N_NEIGHBORS - 1)


def _obstacle(evidence: Evidence) -> str | None:
    predictors, n_rows = evidence.predictors, len(evidence.index)
    if predictors.is_sparse:
        return "the rows are sparse"
    if n_rows > MAX_ROWS:
        return f"{n_rows:,} rows are too many"
    if n_rows < 10 * N_NEIGHBORS or len(_fine_columns(predictors)) < 2:
        return "this takes two columns of numbers that mostly differ"
    return None


NEAR_COPIES = Check("rows that are nearly there twice", _find, _obstacle)
