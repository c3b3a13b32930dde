"""One package at one task, in a process of its own: told to run by a line, answering with a line.

Run as ``python -m benchmarks.peers.worker PACKAGE TASK PROBLEM`` by the interpreter of the
package's environment; what follows a colon in PACKAGE is the method that its attributor is told.
Each line of standard input is the name of a file to save the result to, or "-"; the answer to each
is one line of JSON. The first answer, to none, says that it is ready.
"""

import gc
import sys
import time
from importlib import import_module

import numpy as np

from .._idle import answering, peak_memory
from .problem import load


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
    answer = answering()
    name, *method = package.split(":")
    attributor = import_module(f".with_{name}", __package__).Attributor(load(path), *method)
    baseline = peak_memory()
    answer(tasks=tasks_of(attributor))
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
        answer(seconds=seconds, memory=memory)


if __name__ == "__main__":
    main(*sys.argv[1:])
