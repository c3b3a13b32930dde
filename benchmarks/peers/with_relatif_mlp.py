"""This package on scikit-learn's own network: by its Hessian, Gauss-Newton matrix, or EK-FAC."""

from sklearn.neural_network import MLPClassifier

from .with_relatif_torch import explain_queries


class Attributor:
    criteria = ("influence",)

    def __init__(self, problem, method):
        self.problem = problem
        self.method = method
        self.model = fitted_model(problem)

    def matrices(self, criteria):
        return {"influence": explain_queries(self.problem, self.model, self.method)}


def fitted_model(problem):
    """The network that the parameters are of."""
    model = MLPClassifier(tuple(problem.widths), activation="tanh", alpha=0.0)
    model.partial_fit(problem.X, problem.y, classes=range(int(problem.y.max()) + 1))
    start = 0
    for table, intercepts in zip(model.coefs_, model.intercepts_, strict=True):
        stop = start + table.size
        table[:] = problem.weights[start:stop].reshape(table.shape[::-1]).T
        start = stop + intercepts.size
        intercepts[:] = problem.weights[stop:start]
    return model
