"""The other end of a worker: starts it, and asks it to run."""

from .._idle import IdleProcess


class Session(IdleProcess):
    """A package at one task on one problem, idle until asked.

    Attributes
    ----------
    tasks : list of str
        What the package can do.
    """

    def __init__(self, python, package, task, problem, n_threads):
        self.package, self.task = package, task
        super().__init__(
            python, "benchmarks.peers.worker", package, task, problem, n_threads=n_threads
        )
        self.tasks = self.ready["tasks"]

    def run(self, save_to="-"):
        """Return {"seconds": ..., "memory": MB above the data}; save the results as asked."""
        return self.ask(save_to)
