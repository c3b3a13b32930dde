"""pyinfluence: closed form for binary logistic regression and for ridge regressions.

It has no relative criteria.
"""

from pyinfluence import InfluenceFunctions


class Attributor:
    criteria = ("influence",)

    def __init__(self, problem):
        self.problem = problem
        self.model = problem.fitted_model()

    def matrices(self, criteria):
        functions = InfluenceFunctions(mode="loss", damping=0)
        functions.fit(self.model, self.problem.X, self.problem.y)
        scores = functions.explain(self.problem.X_query, self.problem.y_query)
        return {"influence": scores}
