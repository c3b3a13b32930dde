"""captum: the explicit Hessian in full rank. It has no relative criteria."""

import tempfile
from pathlib import Path

import torch
from captum.influence._core.influence_function import NaiveInfluenceFunction

from .torch_problem import TorchProblem

BATCH = 1_000


class Attributor:
    criteria = ("influence",)

    def __init__(self, problem):
        self.torch = TorchProblem(problem)
        self.summed_penalty = float(1 / problem.C)
        self.n_parameters = problem.weights.size
        self.folder = tempfile.TemporaryDirectory()
        self.checkpoint = str(Path(self.folder.name, "net.pt"))
        torch.save(self.torch.net.state_dict(), self.checkpoint)

    def matrices(self, criteria):
        function = NaiveInfluenceFunction(
            self.torch.net,
            self.torch.rows,
            self.checkpoint,
            lambda net, path: net.load_state_dict(torch.load(path)) and 1.0,
            loss_fn=self.torch.loss("sum"),
            batch_size=BATCH,
            sample_wise_grads_per_batch=True,
            projection_dim=self.n_parameters,
            hessian_reg=self.summed_penalty,
            hessian_inverse_tol=0.0,
        )
        return {
            "influence": function.influence(self.torch.queries.tensors, k=None).detach().numpy()
        }
