"""pyinfluence: closed form for binary logistic regression. It has no relative criteria."""

from pyinfluence import InfluenceFunctions

from .problem import fitted_model


class Attributor:
    criteria = ("influence",)

    def __init__(self, problem):
        self.problem = problem
        self.model = fitted_model(problem)

    def matrices(self, criteria):
        functions = InfluenceFunctions(mode="loss", damping=0)
        functions.fit(self.model, self.problem.X, self.problem.y)
        scores = functions.explain(self.problem.X_query, self.problem.y_query)
        return {"influence": scores}
