"""pyinfluence: effects on functionals, in closed form, by linearised scores, or by refits.

Its gaps have the sign of the second group; they are turned to how far the groups are apart, as
this package tells it.
"""

import numpy as np
from pyinfluence import (
    FunctionalInfluence,
    RefitFunctionalInfluence,
    functional_value,
    functionals,
)
from pyinfluence.fairness import disparity

from .metrics import METRICS, groups_of


class Attributor:
    """By refits, or else in closed form, with linearised scores where there is none."""

    def __init__(self, problem, kind):
        self.problem, self.by_refits = problem, kind.startswith("retrain")
        # Refits are as close to their optimum as that is.
        self.model = problem.fitted_model().set_params(solver="newton-cholesky", tol=1e-8)
        self.criteria = METRICS[kind]

    def matrices(self, criteria):
        X, y, X_query, y_query = self.problem[:4]
        if self.by_refits:
            engine = RefitFunctionalInfluence(verbose=0)
        else:
            engine = FunctionalInfluence(damping=0)
        engine.fit(self.model, X, y)
        effects = {}
        for name in criteria:
            functional = functional_of(name, groups_of(X_query), self.model)
            effect = engine.explain(X_query, y_query, functional=functional)
            effects[name] = effect * self._sign(name, functional)
        return effects

    def _sign(self, name, functional):
        if not name.startswith(("soft_", "cohens_d")):
            return 1.0
        X_query, y_query = self.problem[2:4]
        return np.sign(functional_value(self.model, X_query, functional, y_query))


def functional_of(name, groups, model):
    """Return pyinfluence's functional by this package's name."""
    return {
        "mean_prediction": lambda: functionals.mean("scores"),
        "log_loss": lambda: functionals.mean("losses"),
        "soft_demographic_parity": lambda: disparity("dp", groups),
        "soft_equal_opportunity": lambda: disparity("eopp", groups, target_of=model),
        "soft_predictive_equality": lambda: disparity("fpr", groups, target_of=model),
        "cohens_d": lambda: functionals.cohens_d(groups),
        "worst_group": lambda: disparity("worst_group_loss", groups),
        "roc_auc": lambda: functionals.auroc(model.classes_[1]),
    }[name]()
