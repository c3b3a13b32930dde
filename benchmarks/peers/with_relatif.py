"""This package."""

from sklearn_relatif import RelatIFExplainer

from ..bench_explain import CRITERIA, Relatif


class Attributor:
    criteria = tuple(CRITERIA)

    def __init__(self, problem):
        self.problem = problem
        self.model = problem.fitted_model()

    def matrices(self, criteria):
        # theta-relative: its scales come with the loss-relative ones
        wanted = "theta_relative" if len(criteria) > 1 else criteria[0]
        X, y, *queries = self.problem[:4]
        explainer = RelatIFExplainer.from_fitted(self.model, X, y, criterion=wanted)
        return explainer.pairwise_influence(*queries, criterion=criteria)

    def explain(self):
        runner = Relatif()
        runner.fit(self.model, self.problem.X, self.problem.y)
        return runner.explain(self.problem.X_query)
