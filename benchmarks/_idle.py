"""Processes that stay idle until they are asked: a line asks, and a line of JSON answers."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
PROCESS_STATUS = Path("/proc/self/status")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class IdleProcess:
    """A module of the benchmarks in a process of its own, seen by the one that asks it.

    Attributes
    ----------
    ready : dict
        Its first answer, to no question.
    """

    def __init__(self, python, module, *arguments, n_threads):
        self._command = [str(part) for part in (python, "-m", module, *arguments)]
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (until close)
        self._process = subprocess.Popen(
            self._command,
            cwd=CHECKOUT,
            env=os.environ | dict.fromkeys(THREAD_VARIABLES, str(n_threads)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.ready = self._answer()

    def ask(self, line=""):
        """Return the answer to a line."""
        self._process.stdin.write(f"{line}\n")
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
            raise RuntimeError(f"{' '.join(self._command)} stopped; its output is above")
        return json.loads(line)


def answering():
    """Return a function that answers with its keywords, in the process that is asked.

    Whatever else is printed from here on goes to standard error, not to be taken for an answer.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return lambda **what: print(json.dumps(what), file=answers, flush=True)


def peak_memory():
    """Return this process's peak memory in MB."""
    if PROCESS_STATUS.exists():  # On Linux, ru_maxrss starts from the size of the parent.
        lines = PROCESS_STATUS.read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6
    import resource  # which Windows has not

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e6 / 1024)
