"""This package."""

from sklearn_relatif import RelatIFExplainer

from ..bench_explain import CRITERIA, Relatif
from .problem import fitted_model


class Attributor:
    criteria = tuple(CRITERIA)

    def __init__(self, problem):
        self.problem = problem
        self.model = fitted_model(problem)

    def matrices(self, criteria):
        # theta-relative: its scales come with the loss-relative ones
        wanted = "theta_relative" if len(criteria) > 1 else criteria[0]
        X, y, queries = self.problem.X, self.problem.y, self.problem.X_query
        explainer = RelatIFExplainer.from_fitted(self.model, X, y, criterion=wanted)
        return explainer.pairwise_influence(queries, criterion=criteria)

    def explain(self):
        runner = Relatif()
        runner.fit(self.model, self.problem.X, self.problem.y)
        return runner.explain(self.problem.X_query)
