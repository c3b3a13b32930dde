"""Time and memory of whole audits from the command line, the page included.

Run ``python -m benchmarks.bench_audit [--adult PATH] [--names PATH] [--only TABLE]``. The table of
flights is made here, as large as that of the R package nycflights13: 327,346 flights, with 232
columns once categories are one-hot. PATHs are CSV files with an ``income`` and a ``language``
column; what has no path is left out. The README of this folder says what is measured.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

N_FLIGHTS = 327_346
#: Categories of each column; with four numbers, these are 232 columns.
CATEGORIES = {
    "month": 12, "day": 31, "hour": 20, "weekday": 7, "origin": 3, "carrier": 16, "dest": 104,
    "plane": 35,
}  # fmt: skip


def flights(seed=0):
    """A table of flights, of which some are late, by where they go, with whom and when."""
    rng = np.random.default_rng(seed)
    columns, score = {}, rng.logistic(size=N_FLIGHTS) - 1.5
    for name, n_categories in CATEGORIES.items():
        shares = rng.dirichlet(np.full(n_categories, 2.0))
        codes = rng.choice(n_categories, N_FLIGHTS, p=shares)
        score += rng.normal(scale=0.4, size=n_categories)[codes]
        columns[name] = np.array([f"{name[:2]}{code:03}" for code in range(n_categories)])[codes]
    distance = rng.gamma(2, 500, N_FLIGHTS).round()
    columns |= {
        "distance": distance,
        "air_time": (distance / 7 + rng.normal(20, 8, N_FLIGHTS)).round(),
        "wind": rng.gamma(2, 5, N_FLIGHTS).round(1),
        "visibility": np.minimum(10, rng.gamma(9, 1.5, N_FLIGHTS)).round(1),
    }
    score += 0.05 * (columns["wind"] - 10) - 0.1 * columns["visibility"]
    return pd.DataFrame(columns).assign(late=np.where(score > 0, "yes", "no"))


def measured(arguments):
    """Seconds and megabytes that the command takes."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "sklearn_relatif", *arguments], check=True)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return seconds, peak / (1e6 if sys.platform == "darwin" else 1e6 / 1024)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--adult", metavar="PATH")
    parser.add_argument("--names", metavar="PATH")
    parser.add_argument("--only", choices=["flights", "adult", "names"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tables = {"adult": (options.adult, "income"), "names": (options.names, "language")}
        # The largest is the last: the peak of memory is that of all so far.
        if options.only in (None, "flights"):
            tables["flights"] = Path(folder, "flights.csv"), "late"
            flights().to_csv(tables["flights"][0], index=False)
        lines = []
        for name, (path, target) in tables.items():
            if path is None or options.only not in (None, name):
                continue
            page = Path(folder, f"{name}.html")
            seconds, megabytes = measured(
                ["audit", os.path.abspath(path), "--target", target, "--output", str(page)]
            )
            size = page.stat().st_size / 1e6
            lines.append(f"| {name} | {seconds:.0f} s | {megabytes:,.0f} MB | {size:.1f} MB |")
    print("\n| table | time | memory | page |\n|---|--:|--:|--:|", *lines, sep="\n")


if __name__ == "__main__":
    main()
