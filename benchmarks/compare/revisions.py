"""Revisions of the package, each built and installed, and one environment of what they need."""

import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path

from .._idle import CHECKOUT
from ..peers.environments import made

#: Stands for the files of the checkout as they are.
WORKING_TREE = "."


def tree_of(revision, checkout=CHECKOUT):
    """Return the name of the tree of a revision, or of all files that git does not ignore."""
    if revision != WORKING_TREE:
        return _committed(revision, checkout)
    with tempfile.TemporaryDirectory() as folder:
        own_index = {"GIT_INDEX_FILE": str(Path(folder, "index"))}  # what is staged stays so
        git(checkout, "read-tree", "HEAD", **own_index)
        git(checkout, "add", "--all", **own_index)
        return git(checkout, "write-tree", **own_index)


def _committed(revision, checkout):
    """Return the name of the tree of a revision that git knows."""
    git(checkout, "rev-parse", "--git-dir")  # Otherwise no revision is to blame.
    name = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{tree}}"]
    try:
        return git(checkout, *name)
    except SystemExit:
        sys.exit(
            f"{revision!r} names no revision in {checkout}: git log tells those that there are, "
            "git fetch brings those of others, and '.' is the working tree."
        )


def git(checkout, *arguments, **variables):
    """Return what git prints; what it cannot do ends the command, in its own words."""
    command = ["git", "-C", str(checkout), *arguments]
    try:
        done = subprocess.run(
            command, env=os.environ | variables, check=True, capture_output=True, text=True
        )
    except FileNotFoundError:
        sys.exit("Revisions are found by git, which is not installed, or not on the PATH.")
    except subprocess.CalledProcessError as error:
        sys.exit(f"git {arguments[0]} in {checkout}: {error.stderr.strip()}")
    return done.stdout.strip()


def install(tree, folder):
    """Return the folder that the package of a tree is installed in, by itself."""
    site = folder / tree
    if not site.exists():
        print(f"building {tree} into {site}", file=sys.stderr)
        with tempfile.TemporaryDirectory(dir=folder) as name:
            archive, source, target = (Path(name, part) for part in ("tree.tar", "source", "site"))
            git(CHECKOUT, "archive", f"--output={archive}", tree)
            shutil.unpack_archive(archive, source, filter="data")
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
            subprocess.run([*pip, "--target", target, source], check=True)
            target.rename(site)  # so that what is there is complete
    return site


def requirements(sites):
    """Return what the packages in some folders need, without their extras."""
    needed = {
        requirement
        for site in sites
        for package in distributions(path=[str(site)])
        for requirement in package.requires or []
        if "extra ==" not in requirement
    }
    return sorted(needed)


def environment(sites, folder):
    """Return the interpreter that runs all of them, with the same releases of what they need."""
    return made(folder / "dependencies", requirements(sites))
