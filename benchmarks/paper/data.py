"""The data of the paper's experiments, and small stand-ins that ship with scikit-learn."""

import csv
from typing import NamedTuple

import numpy as np
from sklearn.datasets import fetch_openml, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

#: The L2 penalty per training row of the second model of Tables 2 and 4.
STRONG_PENALTY = 0.001


class Images(NamedTuple):
    """Pictures as rows of pixels between 0 and 1, and the digits that they show.

    Those of CIFAR-10 are arrays (channels, height, width) of standardised pixels.
    """

    X_train: np.ndarray
    y_train: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray

    @property
    def side(self):
        """Pixels along one side of a picture."""
        return round(self.X_train.shape[1] ** 0.5)


def mnist(path=None, dtype=np.float64):
    """Return MNIST from an npz file, or from OpenML if there is no path.

    Parameters
    ----------
    path : str or None
        An npz file with x_train, y_train, x_test and y_test.
    dtype : dtype
        Precision of the pixels.
    """
    if path is None:
        X, y = fetch_openml("mnist_784", version=1, return_X_y=True, as_frame=False)
        y, train, test = y.astype(np.uint8), slice(60_000), slice(60_000, None)
        X_train, y_train, X_test, y_test = X[train], y[train], X[test], y[test]
    else:
        X_train, y_train, X_test, y_test = _arrays(path)
    X_train, X_test = X_train.astype(dtype), X_test.astype(dtype)
    X_train /= 255  # in place: a copy would count as memory of what is measured
    X_test /= 255
    return Images(X_train.reshape(-1, 784), y_train, X_test.reshape(-1, 784), y_test)


def cifar(path):
    """Return CIFAR-10 from an npz file, as float32 (n, 3, 32, 32), standardised by channel.

    Parameters
    ----------
    path : str
        An npz file with x_train and x_test, uint8 (n, 32, 32, 3), y_train and y_test.
    """
    X_train, y_train, X_test, y_test = _arrays(path)
    X_train, X_test = (np.moveaxis(X, 3, 1).astype(np.float32) for X in (X_train, X_test))
    for channel in range(X_train.shape[1]):  # one by one: no copy of all pictures
        mean, deviation = X_train[:, channel].mean(dtype=float), X_train[:, channel].std()
        for X in (X_train, X_test):
            X[:, channel] -= np.float32(mean)
            X[:, channel] /= deviation
    return Images(X_train, y_train, X_test, y_test)


def cifar_pictures(path):
    """Return the training and the test pictures of CIFAR-10 as they are, (n, 32, 32, 3)."""
    X_train, _, X_test, _ = _arrays(path)
    return X_train, X_test


def _arrays(path):
    with np.load(path) as file:
        return [file[name] for name in ("x_train", "y_train", "x_test", "y_test")]


def digits():
    """Return scikit-learn's digits of 8 x 8 pixels, 450 of them as queries."""
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
    return Images(X_train, y_train, X_test, y_test)


class Surnames(NamedTuple):
    """Names and their languages."""

    train: np.ndarray
    y_train: np.ndarray
    test: np.ndarray
    y_test: np.ndarray


def surnames(path, held_out=(), n_test=2000):
    """Return surnames from a CSV file with the columns ``surname`` and ``language``.

    A pair that the file repeats counts once: a held-out name is not to be explained by itself.

    Parameters
    ----------
    path : str
    held_out : sequence of str
        Names that are to be among those held out.
    n_test : int
        Names held out at random.
    """
    with open(path, encoding="utf-8", newline="") as file:
        pairs = {(row["surname"], row["language"]): None for row in csv.DictReader(file)}
    names, languages = np.array(list(pairs)).T
    is_test = np.isin(names, held_out)
    is_test[np.random.default_rng(0).choice(len(names), n_test, replace=False)] = True
    return Surnames(names[~is_test], languages[~is_test], names[is_test], languages[is_test])


def surnames_by_language(path, held_out=(), share=0.15):
    """Return surnames as `surnames` does, but a share of each language held out, repeats as well.

    Names that the file repeats may stand on both sides.
    """
    with open(path, encoding="utf-8", newline="") as file:
        pairs = [(row["surname"], row["language"]) for row in csv.DictReader(file)]
    names, languages = np.array(pairs).T
    is_test = np.isin(names, held_out)
    rng = np.random.default_rng(0)
    for language in np.unique(languages):
        own = np.flatnonzero(languages == language)
        is_test[rng.choice(own, round(share * len(own)), replace=False)] = True
    return Surnames(names[~is_test], languages[~is_test], names[is_test], languages[is_test])


def fit(images, penalty=None):
    """Fit multinomial logistic regression.

    Parameters
    ----------
    images : Images
    penalty : float or None
        ``lambda`` of the mean objective ``mean loss + lambda/2 ||W||^2``, which is C = 1/(lambda
        n). None: scikit-learn's C=1.
    """
    C = 1.0 if penalty is None else 1 / (penalty * len(images.X_train))
    return LogisticRegression(C=C, max_iter=10_000).fit(images.X_train, images.y_train)
