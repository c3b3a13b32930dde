"""Write the table of estimators: what of it each one has is tried, with the catalogue of the tests.

``python docs/estimators.py`` writes it into ``README.md`` and ``docs/estimators.md``;
tests/test_estimators.py holds both to it.
"""

from __future__ import annotations

import re
import sys
import warnings
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.base import clone

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "docs" / "estimators.md"]
PLACE = re.compile(r"(<!-- estimators -->\n).*?(<!-- end of estimators -->)", re.DOTALL)
HEAD = "| estimator | criteria | curvatures | removal | weights | sparse | several targets |"
CRITERIA = {"influence": "I", "theta_relative": "θ", "loss_relative": "ℓ"}
CURVATURES = {
    "hessian": "H",
    "gauss_newton": "G",
    "fisher": "F",
    "empirical_fisher": "E",
    "identity": "1",
    "active_set": "A",
}
#: Tables of the catalogue with several columns in y.
SEVERAL = ["targets", "labels"]
#: Share of the largest effect by which one step may be off, and is still the end of the way.
CLOSED_FORM = 1e-8
#: Rows that change which parameters are active, where anything does.
LARGE_GROUP = 20


def table() -> str:
    """The table, with a line a class of estimators."""
    sys.path.insert(0, str(ROOT))
    from tests.catalogue import CASES, TREES

    by_class: dict[str, list] = {}
    for case in [*CASES.values(), *TREES.values()]:
        by_class.setdefault(type(case.estimator).__name__, []).append(case)
    rows = [_row(name, cases) for name, cases in sorted(by_class.items()) if name != "Pipeline"]
    return "\n".join([HEAD, re.sub(r"[^|]+", "---", HEAD), *rows]) + "\n"


def write() -> None:
    """Write it where it belongs."""
    lines = table()
    for page in PAGES:
        text = page.read_text("utf-8")
        page.write_text(PLACE.sub(rf"\g<1>{lines}\g<2>", text), "utf-8")


def written(page: Path) -> str:
    """The table as a page has it."""
    found = PLACE.search(page.read_text("utf-8"))
    assert found is not None
    return found.group().split("-->\n", 1)[1].rsplit("<!--", 1)[0]


def _row(name, cases) -> str:
    fitted = [clone(case.estimator).fit(case.table.X, case.table.y) for case in cases]
    both = list(zip(cases, fitted, strict=True))
    cells = [
        f"`{name}`",
        _signs("criterion", CRITERIA, both),
        _signs("curvature", CURVATURES, both),
        _removal(*both[0]),
        *(
            "yes" if is_true else ""
            for is_true in (
                any(case.takes_weights for case in cases),
                any(case.takes_sparse for case in cases),
                _takes_several(cases[0]),
            )
        ),
    ]
    return f"| {' | '.join(cells)} |"


def _signs(parameter, signs, both) -> str:
    """Values of a parameter that can be had with one of the cases."""
    trials = [(name, sign, one) for name, sign in signs.items() for one in both]
    had = {sign: None for name, sign, one in trials if _answers(*one, {parameter: name})}
    return " ".join(had)


def _answers(case, model, asked) -> bool:
    try:
        explainer = _explainer(case, model, **asked)
        return bool(np.isfinite(explainer.pairwise_influence(case.table.X_new)).all())
    except (ValueError, TypeError):
        return False


def _explainer(case, model, **asked):
    from sklearn_relatif import RelatIFExplainer

    # The empirical Fisher information of few rows may have no inverse without it.
    is_empirical = asked.get("curvature") == "empirical_fisher"
    damping = {"damping": 1e-3} if is_empirical else {}
    options = {**case.explainer, **damping, **asked}
    return RelatIFExplainer.from_fitted(model, case.table.X, case.table.y, **options)


def _takes_several(case) -> bool:
    """Whether it is fitted to several targets or labels, and explained with them."""
    for case_of_several in (replace(case, data=data) for data in SEVERAL):
        with suppress(ValueError, TypeError, NotImplementedError):
            table = case_of_several.table
            model = clone(case.estimator).fit(table.X, table.y)
            if _answers(case_of_several, model, {}):
                return True
    return False


def _removal(case, model) -> str:
    """What models without rows are; of those at an optimum, whether one step leads to it."""
    explainer, (_, _, X_new, y_new) = _explainer(case, model), case.table
    with suppress(ValueError):  # The response of a network, which has many optima.
        explainer.removal_effect(X_new, y_new, order="pbrf")
        return "trained on from the fit"
    with suppress(ValueError):  # Of trees, whose structure is held.
        explainer.removal_effect(X_new, y_new, order="structure")
        return "refilled, or regrown"
    groups = np.arange(len(case.table.X)) // LARGE_GROUP
    effects = []
    for order in ("retrain", "newton"):
        with suppress(ValueError):
            effects.append(
                np.hstack(
                    [explainer.removal_effect(X_new, y_new, g, order=order) for g in (None, groups)]
                )
            )
    if not effects:
        return "first order"
    difference = np.abs(effects[-1] - effects[0]).max() / np.abs(effects[0]).max()
    is_one_step = len(effects) == 2 and difference < CLOSED_FORM
    return "exact, in one step" if is_one_step else "exact"


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write()
