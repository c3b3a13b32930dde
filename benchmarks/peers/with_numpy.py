"""Plain NumPy: all gradients in memory, one factorisation, one product."""

from scipy.linalg import cho_solve

from ..bench_explain import CRITERIA, PlainNumpy


class Attributor:
    criteria = tuple(CRITERIA)

    def __init__(self, problem):
        self.problem = problem
        self.model = problem.fitted_model()

    def matrices(self, criteria):
        runner = PlainNumpy()
        X, y, queries = self.problem.X, self.problem.y, self.problem.X_query
        if len(criteria) > 1:
            runner.fit(self.model, X, y)
            return dict(runner.matrices(queries))
        gradients, factor = runner.factorise(self.model, X, y)
        solved = cho_solve(factor, runner.query_gradients(queries).T)  # fewer than the rows
        return {"influence": solved.T @ gradients.T}

    def explain(self):
        runner = PlainNumpy()
        runner.fit(self.model, self.problem.X, self.problem.y)
        return runner.explain(self.problem.X_query)
