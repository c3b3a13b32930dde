"""dattri on a network: the explicit Hessian, or EK-FAC (which it has for linear layers only).

Exact is a single batch of all rows: it would add up inverses of the Hessians of smaller ones.
"""

import torch
from dattri.algorithm.influence_function import IFAttributorEKFAC, IFAttributorExplicit
from dattri.task import AttributionTask
from torch.utils.data import DataLoader

from .torch_network import TorchNetwork


class Attributor:
    criteria = ("influence",)

    def __init__(self, problem, method):
        self.torch = TorchNetwork(problem)
        self.damping = float(problem.damping)
        self.method = method

    def matrices(self, criteria):
        attributor = self._attributor()
        rows, queries = (
            DataLoader(data, batch_size=len(data)) for data in (self.torch.rows, self.torch.queries)
        )
        attributor.cache(rows)
        return {"influence": attributor.attribute(rows, queries).detach().numpy().T}

    def _attributor(self):
        net, loss = self.torch.net, self.torch.loss()

        def loss_of(parameters, data):
            features, labels = data
            if features.ndim in (1, 3):  # of one row, inside of vmap
                features, labels = features[None], labels.reshape(1)
            return loss(torch.func.functional_call(net, parameters, features), labels)

        task = AttributionTask(loss_of, net, net.state_dict())
        if self.method == "explicit":
            names = self.torch.explained if self.torch.is_last_layer else None
            return IFAttributorExplicit(task, layer_name=names, regularization=self.damping)
        return IFAttributorEKFAC(task, damping=self.damping)
