"""pyDVL: the explicit Hessian, and the relative criteria by hand from its factors."""

from pydvl.influence.torch import DirectInfluence
from pydvl.influence.torch.base import TorchBatch, TorchGradientProvider
from torch.utils.data import DataLoader

from .torch_problem import TorchProblem

BATCH = 1_000


class Attributor:
    criteria = ("influence", "theta_relative", "loss_relative")

    def __init__(self, problem):
        self.torch = TorchProblem(problem)
        self.penalty = problem.penalty

    def matrices(self, criteria):
        net, loss = self.torch.net, self.torch.loss()
        rows, queries = self.torch.rows.tensors, self.torch.queries.tensors
        model = DirectInfluence(net, loss, regularization=self.penalty)
        model = model.fit(DataLoader(self.torch.rows, batch_size=BATCH))
        if list(criteria) == ["influence"]:
            return {"influence": model.influences(*queries, *rows).detach().numpy()}

        solved = model.influence_factors(*rows)
        provider = TorchGradientProvider(net, loss, restrict_to=dict(net.named_parameters()))
        gradients = provider.flat_grads(TorchBatch(*rows))
        influence = model.influences_from_factors(solved, *queries).T
        scales = {
            "theta_relative": solved.norm(dim=1),
            "loss_relative": (solved * gradients).sum(1).sqrt(),
        }
        relative = {name: (influence / scale).detach().numpy() for name, scale in scales.items()}
        return {"influence": influence.detach().numpy(), **relative}
