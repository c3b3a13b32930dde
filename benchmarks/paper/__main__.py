"""Run the experiments: ``python -m benchmarks.paper --mnist PATH``."""

import argparse
import tempfile
from pathlib import Path

from .._measure import in_child
from .parts import PARTS, has_data, run_part, write_report
from .study import Study


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper", description=__doc__)
    parser.add_argument("--mnist", metavar="PATH", help="npz file; without it, from OpenML")
    parser.add_argument("--names", metavar="PATH", help="CSV file of surname and language")
    parser.add_argument("--cifar", metavar="PATH", help="npz file of CIFAR-10; needs PyTorch")
    parser.add_argument("--output", metavar="FOLDER", default=Path(__file__).parent, type=Path)
    parser.add_argument("--cache", metavar="FOLDER", help="keeps the results of the parts")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        paths = {name: vars(arguments)[name] for name in ("mnist", "names", "cifar")}
        where = (arguments.cache or temporary, *paths.values())
        for name in arguments.only or [name for name in PARTS if has_data(name, paths)]:
            print(name, flush=True)
            # A process for each part: memory is measured, and given back.
            in_child(run_part, name, *where)
        arguments.output.mkdir(parents=True, exist_ok=True)
        write_report(Study(*where), arguments.output)


if __name__ == "__main__":
    main()
