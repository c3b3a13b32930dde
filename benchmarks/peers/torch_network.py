"""Networks as modules of PyTorch in double precision, with their data."""

from itertools import pairwise

import torch
from torch import nn
from torch.utils.data import TensorDataset


def perceptron(n_inputs, n_classes, widths):
    """Layers of tanh on features."""
    sizes = [n_inputs, *widths]
    layers = []
    for n_before, n_after in pairwise(sizes):
        layers += [nn.Linear(n_before, n_after), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], n_classes))


def convnet(n_channels, n_classes, widths):
    """Convolutions of pictures, each with pooling, the last over all that is left."""
    layers = []
    for n_before, n_after in pairwise([n_channels, *widths]):
        layers += [nn.Conv2d(n_before, n_after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    layers[-1] = nn.AdaptiveMaxPool2d(1)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1], n_classes))


def make_net(X, y, widths):
    """The network for rows of features or for pictures (channels, height, width)."""
    kind = perceptron if X.ndim == 2 else convnet
    return kind(X.shape[1], int(y.max()) + 1, list(widths))


class TorchNetwork:
    """A trained net, its data sets, and the names of what is explained.

    Attributes
    ----------
    net : Module
        What is not explained does not require gradients.
    rows, queries : TensorDataset
    last : str
        The name of the last layer.
    """

    def __init__(self, problem):
        torch.set_default_dtype(torch.float64)
        self.net = make_net(problem.X, problem.y, problem.widths).eval()
        nn.utils.vector_to_parameters(torch.from_numpy(problem.weights), self.net.parameters())
        self.rows = TensorDataset(*map(torch.from_numpy, (problem.X, problem.y)))
        self.queries = TensorDataset(*map(torch.from_numpy, (problem.X_query, problem.y_query)))
        self.n_widest = int(problem.widths[0])  # before any pooling
        self.last = str(len(self.net) - 1)
        self.is_last_layer = problem.parameters == "last_layer"
        if self.is_last_layer:
            self.net.requires_grad_(False)
            self.net[-1].requires_grad_(True)

    @property
    def explained(self):
        """Names of the parameters that are explained."""
        return [name for name, own in self.net.named_parameters() if own.requires_grad]

    @property
    def n_explained(self):
        return sum(own.numel() for own in self.net.parameters() if own.requires_grad)

    @property
    def rows_at_a_time(self):
        """For a Hessian by tangents of all parameters at once: some 300 MB for a layer's."""
        features = self.rows.tensors[0]
        n_pixels = features[0, 0].numel()  # 1 of features
        n_values = 10 if self.is_last_layer else self.n_widest * n_pixels
        return max(1, min(1_000, int(3e8 / (8 * self.n_explained * n_values))))

    def loss(self, reduction="mean"):
        return nn.CrossEntropyLoss(reduction=reduction)
