"""dattri: its explicit solver, one call for each criterion, all rows in one batch.

With smaller batches it would add up inverses of the Hessians of the batches.
"""

import torch
from dattri.algorithm.influence_function import IFAttributorExplicit
from dattri.task import AttributionTask
from torch.utils.data import DataLoader

from .torch_problem import TorchProblem

METHODS = {"influence": None, "theta_relative": "theta", "loss_relative": "l"}


class Attributor:
    criteria = tuple(METHODS)

    def __init__(self, problem):
        self.torch = TorchProblem(problem)
        self.penalty = problem.penalty

    def matrices(self, criteria):
        net, loss = self.torch.net, self.torch.loss()

        def loss_of(parameters, data):
            features, labels = data
            return loss(torch.func.functional_call(net, parameters, features), labels)

        task = AttributionTask(loss_of, net, net.state_dict())
        attributor = IFAttributorExplicit(task, regularization=self.penalty)
        rows, queries = (
            DataLoader(data, batch_size=len(data)) for data in (self.torch.rows, self.torch.queries)
        )
        attributor.cache(rows)
        return {
            name: attributor.attribute(rows, queries, relatif_method=METHODS[name])
            .detach()
            .numpy()
            .T
            for name in criteria
        }
