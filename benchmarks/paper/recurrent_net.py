"""A recurrent network that tells the language of a name, in PyTorch."""

from copy import deepcopy

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

LEARNING_RATE = 1e-3
BATCH_SIZE = 64


class Alphabet:
    """The letters of names as numbers from 1 on; 0 stands behind the end of a name."""

    def __init__(self, names):
        self.letters = sorted(set("".join(names)))
        self._numbers = {letter: number for number, letter in enumerate(self.letters, 1)}

    def tokens(self, names):
        """Names as rows of numbers, shape (n_names, longest)."""
        found = np.zeros((len(names), max(map(len, names))), np.int64)
        for row, name in zip(found, names, strict=True):
            row[: len(name)] = [self._numbers[letter] for letter in name]
        return found


class RecurrentNet(nn.Module):
    """One layer of LSTM over the letters, each one-hot, and a linear layer on its last state.

    Parameters
    ----------
    n_letters, n_units, n_classes : int
    """

    def __init__(self, n_letters, n_units, n_classes):
        super().__init__()
        self.n_letters = n_letters
        self.lstm = nn.LSTM(n_letters, n_units, batch_first=True)
        self.head = nn.Linear(n_units, n_classes)

    def states(self, tokens):
        """The last states of names, shape (n, n_units), given their letters as of `Alphabet`."""
        letters = nn.functional.one_hot(tokens, self.n_letters + 1)[..., 1:]
        lengths = (tokens > 0).sum(dim=1).cpu()  # which is where PyTorch wants them
        packed = pack_padded_sequence(
            letters.to(self.head.weight.dtype), lengths, batch_first=True, enforce_sorted=False
        )
        return self.lstm(packed)[1][0][-1]

    def forward(self, tokens):
        return self.head(self.states(tokens))


def train(shape, tokens, y, epochs, seed=0):
    """Nets after each of some numbers of epochs of the same training, by Adam.

    Parameters
    ----------
    shape : (n_letters, n_units, n_classes)
    tokens : ndarray of int, shape (n, longest)
    y : ndarray of int, shape (n,)
    epochs : collection of int
    seed : int

    Returns
    -------
    dict
        {number of epochs: RecurrentNet}
    """
    torch.manual_seed(seed)
    tokens, y = torch.from_numpy(tokens), torch.from_numpy(y)
    net = RecurrentNet(*shape)
    optimizer = torch.optim.Adam(net.parameters(), LEARNING_RATE)
    found = {}
    for epoch in range(1, max(epochs) + 1):
        for batch in torch.randperm(len(y)).split(BATCH_SIZE):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(tokens[batch]), y[batch]).backward()
            optimizer.step()
        if epoch in epochs:
            found[epoch] = deepcopy(net).eval()
    return found
