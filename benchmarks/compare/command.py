"""``python -m benchmarks compare REV1 REV2``: builds both, measures in turns, prints ratios."""

import sys
import tempfile
from contextlib import ExitStack, nullcontext
from pathlib import Path
from statistics import median
from typing import NamedTuple

import joblib

from .._idle import IdleProcess
from .jobs import JOBS
from .ratios import CONFIDENCE, LEAST_ROUNDS, memory_ratio, ratio_of
from .revisions import WORKING_TREE, environment, install, tree_of

#: Even: each revision goes first equally often.
ROUNDS = 12


class Measured(NamedTuple):
    """A job, done by both revisions.

    Attributes
    ----------
    rounds : list of (float, float)
        Seconds of the first and of the second, one pair a round.
    memory : (float, float)
        Peaks in MB above the data.
    """

    rounds: list
    memory: tuple


def add_compare(groups):
    """Add the command to those of a parser."""
    parser = groups.add_parser("compare", help="two revisions at small jobs", description=__doc__)
    a_revision = f"as git names it; {WORKING_TREE!r} is the working tree"
    parser.add_argument("first", metavar="REV1", help=f"what is compared with, {a_revision}")
    parser.add_argument("second", metavar="REV2", help=f"what is judged, {a_revision}")
    parser.add_argument("--envs", metavar="FOLDER", help="where environments are kept for later")
    parser.add_argument("--only", nargs="+", choices=JOBS, default=list(JOBS), metavar="JOB")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"at least {LEAST_ROUNDS}")
    parser.set_defaults(run=run, parser=parser)


def run(options):
    """Build both revisions, and print how they compare."""
    if options.rounds < LEAST_ROUNDS:
        options.parser.error(f"fewer than {LEAST_ROUNDS} rounds tell nothing")
    revisions = options.first, options.second
    n_threads = joblib.cpu_count(only_physical_cores=True)
    kept = tempfile.TemporaryDirectory() if options.envs is None else nullcontext(options.envs)
    with kept as name:
        folder = Path(name).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        sites = [install(tree_of(revision), folder) for revision in revisions]
        python = environment(sites, folder)
        measured, left_out = {}, []
        for job in options.only:
            with ExitStack() as stack:
                processes = []
                for site in sites:  # The first is closed where the second does not start.
                    worker = python, "benchmarks.compare.worker", site, job
                    processes.append(IdleProcess(*worker, n_threads=n_threads))
                    stack.callback(processes[-1].close)
                left_out += refusals(job, revisions, processes)
                if not any("refusal" in process.ready for process in processes):
                    measured[job] = in_turns(processes, options.rounds)
                    print(f"{job}: done", file=sys.stderr, flush=True)
    print(*table(measured, revisions), "", *left_out, *verdicts(measured, revisions), sep="\n")


def in_turns(processes, n_rounds):
    """Ask two processes in turns, in an order that is reversed each round."""
    rounds, order = [], [0, 1]
    for _ in range(n_rounds):
        seconds = {which: processes[which].ask()["seconds"] for which in order}
        rounds.append((seconds[0], seconds[1]))
        order.reverse()
    return Measured(rounds, tuple(process.ready["memory"] for process in processes))


def refusals(job, revisions, processes):
    """Return a line for each revision that cannot do a job."""
    return [
        f"Left out: {job}, which {revision} cannot do ({process.ready['refusal']})."
        for revision, process in zip(revisions, processes, strict=True)
        if "refusal" in process.ready
    ]


def table(measured, revisions):
    """Return the lines of a Markdown table."""
    first, second = revisions
    interval = f"{CONFIDENCE:.0%} interval"
    lines = [
        f"| job | {first}, s | {second}, s | time | {interval} | memory | {second} is |",
        "|---|--:|--:|--:|--:|--:|---|",
    ]
    for job, (rounds, memory) in measured.items():
        ratio, of_memory = ratio_of(rounds), memory_ratio(*memory)
        of_first, of_second = (median(times) for times in zip(*rounds, strict=True))
        lines.append(
            f"| {job} | {of_first:.3f} | {of_second:.3f} | {ratio.median:.3f} "
            f"| {ratio.low:.3f} to {ratio.high:.3f} "
            f"| {'' if of_memory is None else f'{of_memory:.2f}'} | {ratio.verdict} |"
        )
    return lines


def verdicts(measured, revisions):
    """Return a line for each verdict, with its jobs."""
    jobs = {}
    for job, (rounds, _) in measured.items():
        jobs.setdefault(ratio_of(rounds).verdict, []).append(job)
    ends = {
        "slower": "intervals above 1",
        "faster": "intervals below 1",
        "not told apart": "intervals with 1 in them",
    }
    return [
        f"{revisions[1]} is {verdict} at {', '.join(jobs[verdict])}: {end}."
        for verdict, end in ends.items()
        if verdict in jobs
    ]
