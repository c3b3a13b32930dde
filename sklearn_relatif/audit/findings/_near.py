"""Rows that are nearly there twice: copies with some digits changed."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import NearestNeighbors

from ..views import percent
from ._finding import Check, Evidence, Finding, no_columns
from ._predictors import Predictors
from ._repeats import equal_by_chance

#: Share of the values of a column that differ, if it is fine enough for nearness to be no chance.
FINE = 0.5
#: Rows that are looked at, at least and at most.
ENOUGH_ROWS, MAX_ROWS = 50, 100_000
#: Directions in which neighbours are looked for, and neighbours of each row.
N_DIRECTIONS, N_NEIGHBORS = 4, 5
#: Quantiles between which a scale is straight.
N_QUANTILES = 50
#: Rows of the whole table that chance brings as near, below which they are called copies.
LEVEL = 0.001


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
            method="Rows that are equal when fractions are rounded to four digits, if chance does "
            "not make as many equal; and rows whose cells are so but for numbers that mostly "
            "differ, in which they are so much nearer than their fifth neighbour that chance "
            "brings none as near in a thousand tables, by the number of directions in which the "
            "rows spread (Facco et al. 2017).",
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
    keys, rounded = predictors.keys, predictors.rounded_keys
    _, first = np.unique(keys.of_rows, return_index=True)
    rows, partners = _equal_when_rounded(rounded.of_rows[first])
    # Of an only column, nobody can say how many chance makes equal.
    if len(rounded.of_columns) < 2 or not equal_by_chance(rounded)[1]:
        rows = partners = rows[:0]
    fine = _fine_columns(predictors)
    if len(fine) >= 2:
        numbers = np.column_stack([_spread(values)[first] for values in fine.values()])
        coarse = rounded.of_rows - sum((rounded.of_columns[name] for name in fine), np.uint64(0))
        nearest, is_near = _neighbors(numbers)
        is_near &= coarse[first] == coarse[first[nearest]]
        more = np.setdiff1d(np.flatnonzero(is_near), rows)
        rows, partners = np.append(rows, more), np.append(partners, nearest[more])
    return first[rows], first[partners]


def _equal_when_rounded(keys):
    """Rows that have the same key as others, and for each one of these."""
    _, group, sizes = np.unique(keys, return_inverse=True, return_counts=True)
    order = np.argsort(group, kind="stable")
    before = np.roll(order, 1)
    # The first row of each group has the last one as its partner.
    starts = np.append(0, np.cumsum(sizes))
    before[starts[:-1]] = order[starts[1:] - 1]
    several = sizes[group[order]] > 1
    return order[several], before[several]


def _fine_columns(predictors):
    """The columns of numbers that mostly differ."""
    columns = {name: predictors.cells.values(name) for name in predictors.names}
    return {
        name: values.astype(np.float64)
        for name, values in columns.items()
        if values.dtype.kind in "iuf" and len(np.unique(values)) > FINE * len(values)
    }


def _spread(values):
    """Numbers on a scale on which they are spread about evenly; missing ones as the median.

    As ranks are, but smooth: straight between every so many ranks, and between fewer in the tails.
    """
    known = np.where(np.isnan(values), np.nanmedian(values), values)
    n_rows = len(known)
    width = max(1, n_rows // N_QUANTILES)
    tail = 2 ** np.arange(int(np.log2(width)) + 1) - 1
    places = np.unique([*tail, *range(width, n_rows - width, width), *(n_rows - 1 - tail)])
    knots, first = np.unique(np.sort(known)[places], return_index=True)
    return np.interp(known, knots, places[first] / n_rows)


def _neighbors(numbers):
    """The nearest row of each, and whether chance does not bring rows so near.

    Where rows are spread evenly in D directions, the nearest is nearer than a share t of the
    distance of the k-th with the probability ``1 - (1 - t^D)^(k - 1)``, and half of the rows have a
    second neighbour at more than ``2^(1/D)`` times the distance of the first.
    """
    centred = numbers - numbers.mean(axis=0)
    # Of the smaller table of products, rows or columns.
    if len(centred) < centred.shape[1]:
        directions = centred.T @ np.linalg.svd(centred @ centred.T)[0][:, :N_DIRECTIONS]
        directions /= np.maximum(np.linalg.norm(directions, axis=0), np.finfo(float).tiny)
    else:
        directions = np.linalg.svd(centred.T @ centred)[0][:, :N_DIRECTIONS]
    projected = centred @ directions
    search = NearestNeighbors(n_neighbors=N_NEIGHBORS + 1, algorithm="kd_tree").fit(projected)
    distances, places = (found[:, 1:] for found in search.kneighbors(projected))
    apart = distances[distances[:, 0] > 0]
    if len(apart) < len(distances) / 2:
        return places[:, 0], np.zeros(len(numbers), bool)
    # There are no more than they are looked for in, though rows at equal distances seem to have.
    ratio = max(np.median(apart[:, 1] / apart[:, 0]), 2 ** (1 / projected.shape[1]))
    n_directions = np.log(2) / np.log(ratio)
    # In all columns; farther than in some directions.
    full = np.column_stack([np.linalg.norm(numbers - numbers[place], axis=1) for place in places.T])
    best = full.argmin(axis=1)
    every = np.arange(len(numbers))
    nearest, distance = places[every, best], full[every, best]
    share = np.minimum(distance / np.maximum(distances[:, -1], np.finfo(float).tiny), 1)
    chance = 1 - (1 - share**n_directions) ** (N_NEIGHBORS - 1)
    return nearest, (len(numbers) * chance < LEVEL) & (distance > 0)


def _obstacle(evidence: Evidence) -> str | None:
    predictors, n_rows = evidence.predictors, len(evidence.index)
    if predictors.is_sparse:
        return "the rows are sparse"
    if n_rows > MAX_ROWS:
        return f"{n_rows:,} rows are too many"
    return no_columns(evidence) if n_rows >= ENOUGH_ROWS else f"{n_rows} rows are too few"


NEAR_COPIES = Check("rows that are nearly there twice", _find, _obstacle)
