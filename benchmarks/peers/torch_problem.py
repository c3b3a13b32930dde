"""The problem as tensors and a linear module, in double precision."""

import torch
from torch import nn
from torch.utils.data import TensorDataset


class TorchProblem:
    """A net without bias, its data sets, and its loss with the reduction asked for."""

    def __init__(self, problem):
        torch.set_default_dtype(torch.float64)
        self.is_binary = problem.is_binary
        self.rows = TensorDataset(*self._tensors(problem.X, problem.y))
        self.queries = TensorDataset(*self._tensors(problem.X_query, problem.y_query))
        n_outputs, n_columns = problem.weights.shape
        self.net = nn.Sequential(nn.Linear(n_columns, n_outputs, bias=False))
        with torch.no_grad():
            self.net[0].weight.copy_(torch.from_numpy(problem.weights))

    def loss(self, reduction="mean"):
        kind = nn.BCEWithLogitsLoss if self.is_binary else nn.CrossEntropyLoss
        return kind(reduction=reduction)

    def _tensors(self, X, y):
        y = torch.from_numpy(y)
        return torch.from_numpy(X), y[:, None].double() if self.is_binary else y
