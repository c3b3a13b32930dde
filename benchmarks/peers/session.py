"""The other end of a worker: starts it, and asks it to run."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Session:
    """A package at one task on one problem, idle until asked.

    Attributes
    ----------
    tasks : list of str
        What the package can do.
    """

    def __init__(self, python, package, task, problem, n_threads):
        self.package, self.task = package, task
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (until close)
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.peers.worker", package, task, problem],
            cwd=CHECKOUT,
            env=os.environ | dict.fromkeys(THREAD_VARIABLES, str(n_threads)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.tasks = self._answer()["tasks"]

    def run(self, save_to="-"):
        """Return {"seconds": ..., "memory": MB above the data}; save the results as asked."""
        self._process.stdin.write(f"{save_to}\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._log.close()

    def _answer(self):
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            print(self._log.read(), file=sys.stderr)
            raise RuntimeError(f"{self.package} stopped at {self.task}; its output is above")
        return json.loads(line)
