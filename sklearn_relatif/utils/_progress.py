"""Progress of long loops: one line on standard error, which a notebook shows as well."""

from __future__ import annotations

import sys


def show_progress(label, done, total, enabled):
    """Rewrite the line that says how many of the items are done.

    Parameters
    ----------
    label : str
        What the items are.
    done, total : int
    enabled : bool
        False: nothing is written.
    """
    if enabled:
        sys.stderr.write(f"\r{done} of {total} {label}" + ("\n" if done == total else ""))
        sys.stderr.flush()
