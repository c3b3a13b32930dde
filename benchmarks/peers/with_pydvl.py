"""pyDVL: the explicit Hessian, and the relative criteria by hand from its factors."""

import torch
from pydvl.influence.torch import DirectInfluence
from pydvl.influence.torch.base import TorchBatch, TorchGradientProvider
from torch.utils.data import DataLoader

from .._measure import N_EXAMPLES
from .torch_problem import TorchProblem

BATCH = 1_000


class Attributor:
    criteria = ("influence", "theta_relative", "loss_relative")

    def __init__(self, problem):
        self.torch = TorchProblem(problem)
        self.penalty = problem.penalty

    def matrices(self, criteria):
        tensors = self._influence() if list(criteria) == ["influence"] else self._all_criteria()
        return {name: scores.detach().numpy() for name, scores in tensors.items()}

    def explain(self):
        with torch.no_grad():
            best = {
                name: scores.topk(N_EXAMPLES, dim=1)
                for name, scores in self._all_criteria().items()
            }
        return {name: (found.indices.numpy(), found.values.numpy()) for name, found in best.items()}

    def _influence(self):
        rows, queries = self.torch.rows.tensors, self.torch.queries.tensors
        return {"influence": self._fitted().influences(*queries, *rows)}

    def _all_criteria(self):
        rows, queries = self.torch.rows.tensors, self.torch.queries.tensors
        model = self._fitted()
        solved = model.influence_factors(*rows)
        parameters = dict(self.torch.net.named_parameters())
        provider = TorchGradientProvider(self.torch.net, self.torch.loss(), parameters)
        gradients = provider.flat_grads(TorchBatch(*rows))
        influence = model.influences_from_factors(solved, *queries).T
        return {
            "influence": influence,
            "theta_relative": influence / solved.norm(dim=1),
            "loss_relative": influence / (solved * gradients).sum(1).sqrt(),
        }

    def _fitted(self):
        model = DirectInfluence(self.torch.net, self.torch.loss(), regularization=self.penalty)
        return model.fit(DataLoader(self.torch.rows, batch_size=BATCH))
