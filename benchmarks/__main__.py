"""Run several benchmarks: those of scale, or two revisions at small jobs.

``python -m benchmarks scale [--mnist PATH] [--names PATH] [--envs FOLDER] [--dir SCRATCH]`` runs
the benchmarks of scale, one after the other, each in a process of its own, and prints what each of
them prints. Those that need data of which no path was given are left out, and named.

``python -m benchmarks compare REV1 REV2`` tells whether one revision is faster than another.
"""

import argparse
import os
import subprocess
import sys

from .compare.command import add_compare

#: The modules and their arguments; one in braces is filled in with the option of that name.
SCALE = [
    ("bench_peers", "--envs", "{envs}"),
    ("bench_regression", "--envs", "{envs}"),
    ("bench_explain",),
    ("bench_floor",),
    ("bench_floor", "--mnist", "{mnist}"),
    ("bench_growth",),
    ("bench_many_classes",),
    ("bench_memmap",),
    ("bench_text", "--names", "{names}", "--only", "binary"),
    ("bench_solvers",),
    ("bench_solvers", "--mnist", "{mnist}", "--solvers", "cg", "block_diagonal", "ekfac", "kfac"),
    # Of LiSSA's thousands of products, each with a tenth of the rows, 500 queries take hours.
    ("bench_solvers", "--mnist", "{mnist}", "--solvers", "lissa", "--queries", "20"),
    ("bench_serving",),
    ("bench_distributed",),
    # The last, because it takes another half hour.
    ("bench_text", "--names", "{names}", "--only", "languages"),
]


def missing(arguments, paths):
    """Return the options that the arguments need and that have no value."""
    return [f"--{name}" for name, path in paths.items() if not path and f"{{{name}}}" in arguments]


def run(module, arguments, paths, environment):
    """Run a benchmark and return whether it succeeded; it prints for itself."""
    command = [sys.executable, "-m", f"benchmarks.{module}"]
    command += [argument.format(**paths) for argument in arguments]
    return subprocess.run(command, env=environment).returncode == 0


def add_scale(groups):
    """Add the command to those of a parser."""
    parser = groups.add_parser("scale", help="all benchmarks of large problems")
    parser.add_argument("--mnist", metavar="PATH", help="npz file with the MNIST images")
    parser.add_argument("--names", metavar="PATH", help="CSV file with surname and language")
    parser.add_argument("--envs", metavar="FOLDER", help="environments of the other packages")
    parser.add_argument("--dir", metavar="SCRATCH", help="folder for temporary files")
    parser.set_defaults(run=scale)


def scale(options):
    """Run the benchmarks of scale, and print for each what it prints."""
    paths = {"mnist": options.mnist, "names": options.names, "envs": options.envs}
    scratch = {"TMPDIR": os.path.abspath(options.dir)} if options.dir else {}
    environment = os.environ | scratch
    failed = []
    for module, *arguments in SCALE:
        title = " ".join([module, *arguments])
        absent = missing(arguments, paths)
        print(f"\n## {title}\n", flush=True)
        if absent:
            print(f"Left out: {' and '.join(absent)} not given.", flush=True)
        elif not run(module, arguments, paths, environment):
            failed.append(title)
            print("\nFailed.", flush=True)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    groups = parser.add_subparsers(required=True, metavar="GROUP")
    add_scale(groups)
    add_compare(groups)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
