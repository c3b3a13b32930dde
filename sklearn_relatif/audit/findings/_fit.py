"""A fit that is not at its optimum, of which no number can be trusted."""

from __future__ import annotations

import numpy as np

from ...optimality import in_standard_errors, is_at_optimum
from ._finding import Check, Evidence, Finding


def _find(evidence: Evidence) -> list[Finding]:
    distance = evidence.study.distance_to_optimum
    if is_at_optimum(distance):
        return []
    if np.isnan(distance):
        sentence = "It is not known how far the fit is from its optimum, because numbers overflow"
    else:
        sentence = f"The fit is {in_standard_errors(distance)} of the parameters from its optimum"
    return [
        Finding(
            kind="not_at_optimum",
            sentence=f"{sentence}: the numbers of this report mislead.",
            value=float(distance),
            weight=1.0,
            method="The Newton decrement of the fitted parameters, in standard errors.",
            section="model",
        )
    ]


def _is_network(evidence: Evidence) -> str | None:
    objective, distance = evidence.study.objective, evidence.study.distance_to_optimum
    if objective.may_stop_early and np.isfinite(distance):
        return "training of a network may stop anywhere"
    return None


def _has_optimum(evidence: Evidence) -> bool:
    return evidence.study.objective.optimality_obstacle is None


FIT = Check("a fit that is not at its optimum", _find, _is_network, _has_optimum)
