"""A revision at one job, in a process of its own, idle until it is asked to do it again.

Run as ``python -m benchmarks.compare.worker SITE JOB``, where SITE is the folder that the package
of the revision is installed in. The first answer, to no question, is the peak memory of doing the
job once, above what was there before, or the reason why the revision cannot do it. Every further
answer is how long the job took.
"""

import gc
import sys
import tempfile
from pathlib import Path

import joblib

from .._idle import answering, peak_memory
from .._measure import in_child, seconds
from .jobs import JOBS


def main(site, job):
    answer = answering()
    sys.path.insert(0, site)  # before the checkout, in which there is a package, too
    try:
        run, memory = prepared(JOBS[job])
    except Exception as error:  # whatever an old revision makes of the job
        answer(refusal=f"{type(error).__name__}: {error}")
        return
    check_origin(site)
    answer(memory=memory)
    for _ in sys.stdin:
        gc.collect()
        answer(seconds=seconds(run)[0])


def prepared(job):
    """Return a job, done once, and the memory in MB that this took above its problem.

    The problem is made elsewhere, and read from a file: making it takes memory, too.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "problem.joblib")
        in_child(save, job.problem, path)
        run = job.task(joblib.load(path))
    before = peak_memory()
    run()
    return run, peak_memory() - before


def save(problem, path):
    """Make a problem and save it."""
    joblib.dump(problem(), path)


def check_origin(site):
    """Raise a RuntimeError if the package was imported from elsewhere."""
    import sklearn_relatif

    if not Path(sklearn_relatif.__file__).is_relative_to(site):
        raise RuntimeError(f"{sklearn_relatif.__file__} was measured, and not {site}")


if __name__ == "__main__":
    main(*sys.argv[1:])
