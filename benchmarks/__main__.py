"""Run the benchmarks of scale, one after the other, each in a process of its own.

``python -m benchmarks scale [--mnist PATH] [--names PATH] [--envs FOLDER] [--dir SCRATCH]`` prints
what each of them prints. Those that need data of which no path was given are left out, and named.
"""

import argparse
import os
import subprocess
import sys

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
    # The last, because it takes another hour.
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


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("group", choices=["scale"], help="which benchmarks")
    parser.add_argument("--mnist", metavar="PATH", help="npz file with the MNIST images")
    parser.add_argument("--names", metavar="PATH", help="CSV file with surname and language")
    parser.add_argument("--envs", metavar="FOLDER", help="environments of the other packages")
    parser.add_argument("--dir", metavar="SCRATCH", help="folder for temporary files")
    paths = vars(parser.parse_args())
    paths.pop("group")
    scratch = paths.pop("dir")
    environment = os.environ | ({"TMPDIR": os.path.abspath(scratch)} if scratch else {})
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


if __name__ == "__main__":
    main()
