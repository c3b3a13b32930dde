"""This package's effects of removals on metrics."""

from sklearn_relatif import RelatIFExplainer

from .metrics import METRICS, OF_GROUPS, groups_of

ORDERS = {"first": "first", "counts": "newton", "retrain": "retrain", "retrain all": "retrain"}


class Attributor:
    """By the order of what is compared."""

    def __init__(self, problem, kind):
        self.problem, self.order = problem, ORDERS[kind]
        self.model = problem.fitted_model()
        self.criteria = METRICS[kind]

    def matrices(self, criteria):
        X, y, X_query, y_query = self.problem[:4]
        explainer = RelatIFExplainer.from_fitted(self.model, X, y)
        effects = {}
        for name in criteria:
            groups = groups_of(X_query) if name.startswith(OF_GROUPS) else None
            effects[name] = explainer.removal_effect_on(
                name, X_query, y_query, order=self.order, sensitive=groups
            )
        return effects
