"""Training rows that explain an outsize share of the predictions."""

from __future__ import annotations

import numpy as np

from ..views import percent
from ._extremes import described, extreme_of
from ._finding import Check, Evidence, Finding

#: Share of the test rows that a training row comes first for, and how many times the share of one
#: row in all it must be, to be told.
SHARE, TIMES = 0.2, 500
#: Share and number of them for a row with an extreme number.
SHARE_OF_EXTREMES, FEW = 0.05, 3
#: Hubs that are looked at, and that are described.
N_LOOKED_AT, N_DESCRIBED = 10, 2


def _find(evidence: Evidence) -> list[Finding]:
    counts = evidence.columns["hub_if"]
    n_test = evidence.model["n_test"]
    first = np.argsort(-counts, kind="stable")[:N_LOOKED_AT]
    hubs = [row for row in first if _is_outsize(evidence, row, counts[row] / n_test)]
    if not hubs:
        return []
    total = counts[hubs].sum() / n_test
    told = " and ".join(
        f"{described(evidence, row)} for {counts[row]:,} of them" for row in hubs[:N_DESCRIBED]
    )
    which = "1 training row comes" if len(hubs) == 1 else f"{len(hubs)} training rows come"
    such_as = "such as " if len(hubs) > N_DESCRIBED else ""
    return [
        Finding(
            kind="hubs",
            sentence=f"{which} first for {percent(total)} of {n_test:,} test rows when these are "
            f"explained by influence: {such_as}{told}.",
            value=float(total),
            weight=0.53,
            method=f"Told of rows that come first for {SHARE:.0%} of the test rows and {TIMES} "
            "times as many as one row's share of all rows is, or, with a number that is "
            "five times as far from the median as those of 98% of the rows, for "
            f"{SHARE_OF_EXTREMES:.0%}.",
            rows=np.array(hubs, np.intp),
            section="hubs",
        )
    ]


def _is_outsize(evidence, row, share):
    if share >= SHARE and share * len(evidence.index) >= TIMES:
        return True
    is_large = share >= SHARE_OF_EXTREMES and evidence.columns["hub_if"][row] >= FEW
    return is_large and extreme_of(evidence.predictors, row) is not None


def _obstacle(evidence: Evidence) -> str | None:
    return None if "hub_if" in evidence.columns else "there are no test rows"


HUBS = Check("rows that explain an outsize share of the predictions", _find, _obstacle)
