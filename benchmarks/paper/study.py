"""What the experiments share: data, fitted models, each other's results, and measurements."""

import sys
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import NamedTuple

import joblib
import numpy as np

from .._measure import seconds
from . import data

CRITERIA = ("influence", "theta_relative", "loss_relative")
#: The damping of the paper.
DAMPING = 0.001
#: Headings of the methods in tables and figures.
NAMES = {
    "influence": "IF",
    "theta_relative": "θ-RelatIF",
    "loss_relative": "ℓ-RelatIF",
    "nearest_neighbors": "k-NN",
}
GEMM_SIZE = 4000


class Study:
    """Where the experiments find data and the results of those before them.

    Parameters
    ----------
    folder : path
        Holds one file of results for each part of the study that has been run.
    mnist : str or None
        Where MNIST is.
    names : str or None
        Where the surnames are.
    cifar : str or None
        Where CIFAR-10 is.
    """

    def __init__(self, folder, mnist=None, names=None, cifar=None):
        self.folder = Path(folder)
        self.mnist_path = mnist
        self.names_path = names
        self.cifar_path = cifar

    @cached_property
    def images(self):
        """MNIST in double precision."""
        return self.images_as(np.float64)

    def images_as(self, dtype):
        return data.mnist(self.mnist_path, dtype)

    @cached_property
    def cifar(self):
        """CIFAR-10 in single precision, as the network takes it."""
        return data.cifar(self.cifar_path)

    @cached_property
    def cifar_pictures(self):
        """The training and the test pictures as they are."""
        return data.cifar_pictures(self.cifar_path)

    def has(self, part):
        return self._file(part).exists()

    def load(self, part):
        """Results of a part that has been run."""
        if not self.has(part):
            raise FileNotFoundError(f"The part {part!r} has to be run first: --only {part}.")
        return joblib.load(self._file(part))

    def save(self, part, results):
        self.folder.mkdir(parents=True, exist_ok=True)
        joblib.dump(results, self._file(part), compress=1)

    def _file(self, part):
        return self.folder / f"{part}.joblib"


class Work(NamedTuple):
    """What a computation took, and the least that it could have taken.

    Attributes
    ----------
    seconds : float
    flops : float
        That the method needs, whatever the code does.
    rate : float
        Flops per second of this machine's single-precision matrix product.
    """

    seconds: float
    flops: float
    rate: float

    @property
    def floor(self):
        """Seconds of the flops at the rate."""
        return self.flops / self.rate

    @property
    def ratio(self):
        return self.seconds / self.floor


class Cost(NamedTuple):
    """What a part of the study took, loading of data included.

    Attributes
    ----------
    seconds : float
    memory : int
        The peak of its process, in bytes.
    work : Work or None
        The computation that it is about, if a floor of it is known.
    """

    seconds: float
    memory: int
    work: Work | None


def work(elapsed, flops):
    """Work, with the rate of a matrix product at this moment."""
    return Work(elapsed, flops, gemm_rate(np.float32))


def hessian_flops(n_rows, n_columns, n_contrasts):
    """Flops of the symmetric blocks of a Hessian of coupled outputs."""
    return n_rows * n_columns**2 * n_contrasts * (n_contrasts + 1) / 2


def peak_memory():
    """This process's peak of memory so far, in bytes."""
    import resource  # which Windows has not

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def gemm_rate(dtype, repetitions=3):
    """Flops per second of a large matrix product."""
    square = np.random.default_rng(0).normal(size=(GEMM_SIZE, GEMM_SIZE)).astype(dtype)
    np.matmul(square, square)
    times = [seconds(np.matmul, square, square)[0] for _ in range(repetitions)]
    return 2 * GEMM_SIZE**3 / median(times)
