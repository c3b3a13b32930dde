"""The ConvNet that CIFAR-10 is classified by, and how it is trained."""

import numpy as np

from .._measure import seconds
from . import report

WIDTHS = (16, 32, 64)
N_CLASSES = 10
EPOCHS = 40
BATCH_SIZE = 256
#: The highest that the rate of Adam rises to.
RATE = 0.01
WEIGHT_DECAY = 1e-4
SEED = 0
PAPER_ACCURACY = 0.7322


def build(n_channels=3, widths=WIDTHS, n_classes=N_CLASSES):
    """Convolutions of 3 x 3 with ReLU, pooled by 2, by 2, ..., and the last over all places.

    Parameters
    ----------
    n_channels : int
        Of the pictures.
    widths : sequence of int
        Channels of each convolution: 16C-32C-64C-F is the network of the paper, with 24,234
        parameters.
    n_classes : int

    Returns
    -------
    torch.nn.Sequential
    """
    from torch import nn

    layers = []
    for width in widths:
        layers += [nn.Conv2d(n_channels, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        n_channels = width
    layers[-1] = nn.AdaptiveMaxPool2d(1)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(n_channels, n_classes))


def train(images, net, n_epochs=EPOCHS, tell=print):
    """Train a network by Adam, whose rate rises and falls once.

    Parameters
    ----------
    images : Images
        Pictures (n, channels, height, width), and classes from 0 on.
    net : torch.nn.Module
        Trained in place.
    n_epochs : int
    tell : callable
        Is given a line for each epoch.
    """
    import torch
    from torch.nn.functional import cross_entropy

    X, y = _tensors(images.X_train, images.y_train)
    net.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), weight_decay=WEIGHT_DECAY)
    n_batches = -(-len(X) // BATCH_SIZE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, n_epochs * n_batches)
    for epoch in range(n_epochs):
        total = 0.0
        for rows in torch.randperm(len(X)).split(BATCH_SIZE):
            loss = cross_entropy(net(X[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach()) * len(rows)
        right = accuracy(net, images.X_test, images.y_test)
        tell(f"epoch {epoch + 1}: loss {total / len(X):.4f}, test accuracy {right:.2%}")
    net.to(memory_format=torch.contiguous_format).eval()


def accuracy(net, pictures, labels):
    """Share of pictures that the network classifies as they are labelled."""
    import torch

    X, y = _tensors(pictures, labels)
    with torch.no_grad():
        found = torch.cat([net(some).argmax(dim=1) for some in X.split(1000)])
    return float(np.mean((found == y).numpy()))


def _tensors(pictures, labels):
    import torch

    X = torch.as_tensor(pictures).contiguous(memory_format=torch.channels_last)
    return X, torch.as_tensor(labels, dtype=torch.long)


def run(study):
    """Train the network.

    Returns
    -------
    dict with
        "parameters" : list of ndarray
            As ``named_parameters`` of the network has them.
        "seconds", "train_accuracy", "accuracy" : float
    """
    import torch

    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    images, net = study.cifar, build()
    elapsed, _ = seconds(train, images, net)
    return {
        "parameters": [own.detach().numpy() for own in net.parameters()],
        "seconds": elapsed,
        "train_accuracy": accuracy(net, images.X_train, images.y_train),
        "accuracy": accuracy(net, images.X_test, images.y_test),
    }


def load(results):
    """The network of the results of :func:`run`."""
    import torch

    net = build().eval()
    with torch.no_grad():
        for own, values in zip(net.parameters(), results["parameters"], strict=True):
            own.copy_(torch.as_tensor(values))
    return net


def write(results, folder):
    n_params = sum(values.size for values in results["parameters"])
    text = report.paragraph(
        f"""Convolutions of 3 x 3 with padding 1, ReLU and max pooling, of 2 x 2 twice and then of
        all places; {n_params:,} parameters, as the paper has it. Trained by Adam on standardised
        pixels ({EPOCHS} epochs in batches of {BATCH_SIZE}, a rate that rises to {RATE} and falls
        again, weight decay {WEIGHT_DECAY}, no augmentation) in {results["seconds"]:.0f} s: test
        accuracy **{results["accuracy"]:.2%}**, training accuracy
        {results["train_accuracy"]:.2%}. The paper's has a test accuracy of {PAPER_ACCURACY:.2%};
        how it was trained is not stated."""
    )
    return f"## The ConvNet\n\n{text}\n"
