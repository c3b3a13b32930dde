"""This package on a module of PyTorch: by its Hessian, Gauss-Newton matrix, or EK-FAC."""

from sklearn_relatif import RelatIFExplainer

METHODS = {
    "hessian": {"curvature": "hessian", "solver": "cholesky"},
    "gauss_newton": {"curvature": "gauss_newton", "solver": "cholesky"},
    "ekfac": {"curvature": "gauss_newton", "solver": "ekfac"},
}


class Attributor:
    criteria = ("influence",)

    def __init__(self, problem, method):
        from sklearn_relatif.networks import TorchClassifier

        from .torch_network import TorchNetwork

        self.problem = problem
        self.method = method
        net = TorchNetwork(problem).net.requires_grad_(True)
        self.model = TorchClassifier(net, parameters=str(problem.parameters))
        self.model.fit(problem.X, problem.y)

    def matrices(self, criteria):
        return {"influence": explain_queries(self.problem, self.model, self.method)}


def explain_queries(problem, model, method):
    """The influence of all rows on the losses of the queries."""
    X, y, *queries = problem[:4]
    explainer = RelatIFExplainer.from_fitted(
        model, X, y, criterion="influence", damping=float(problem.damping), **METHODS[method]
    )
    return explainer.pairwise_influence(*queries)
