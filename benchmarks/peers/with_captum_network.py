"""captum on a network: the explicit Hessian in full rank."""

import tempfile
from pathlib import Path

import torch
from captum.influence._core.influence_function import NaiveInfluenceFunction

from .torch_network import TorchNetwork

BATCH = 1_000


class Attributor:
    criteria = ("influence",)

    def __init__(self, problem, method):
        self.torch = TorchNetwork(problem)
        self.summed_damping = float(problem.damping * len(problem.X))
        self.folder = tempfile.TemporaryDirectory()
        self.checkpoint = str(Path(self.folder.name, "net.pt"))
        torch.save(self.torch.net.state_dict(), self.checkpoint)

    def matrices(self, criteria):
        function = NaiveInfluenceFunction(
            self.torch.net,
            self.torch.rows,
            self.checkpoint,
            lambda net, path: net.load_state_dict(torch.load(path)) and 1.0,
            layers=[self.torch.last] if self.torch.is_last_layer else None,
            loss_fn=self.torch.loss("sum"),
            batch_size=BATCH,
            sample_wise_grads_per_batch=True,
            projection_dim=self.torch.n_explained,
            hessian_reg=self.summed_damping,
            hessian_inverse_tol=0.0,
        )
        scores = function.influence(self.torch.queries.tensors, k=None)
        return {"influence": scores.detach().numpy()}
