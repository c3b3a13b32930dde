"""One package at one task, in a process of its own: told to run by a line, answering with a line.

Run as ``python -m benchmarks.peers.worker PACKAGE TASK PROBLEM`` by the interpreter of the
package's environment; what follows a colon in PACKAGE is the method that its attributor is told.
Each line of standard input is the name of a file to save the result to, or "-"; the answer to each
is one line of JSON. The first answer, to none, says that it is ready.
"""

import gc
import json
import os
import resource
import sys
import time
from importlib import import_module

import numpy as np

from .problem import load


def peak_memory():
    """Return this process's peak memory in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e6 / 1024)


def tasks_of(attributor):
    """Return the tasks that the package can do."""
    possible = {
        "influence": True,
        "matrices": len(attributor.criteria) > 1,
        "explain": hasattr(attributor, "explain"),
    }
    return [task for task, is_possible in possible.items() if is_possible]


def run(attributor, task):
    """Return {name: array} of a task."""
    if task == "explain":
        return {name: scores for name, (_, scores) in attributor.explain().items()}
    return attributor.matrices(["influence"] if task == "influence" else attributor.criteria)


def main(package, task, path):
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the package prints must not be taken for an answer
    name, *method = package.split(":")
    attributor = import_module(f".with_{name}", __package__).Attributor(load(path), *method)
    baseline = peak_memory()
    print(json.dumps({"tasks": tasks_of(attributor)}), file=answers, flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        result = run(attributor, task)
        seconds = time.perf_counter() - start
        memory = peak_memory() - baseline
        if line.strip() != "-":
            for name, array in result.items():
                np.save(f"{line.strip()}-{name}.npy", array)
        del result
        gc.collect()
        print(json.dumps({"seconds": seconds, "memory": memory}), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
