"""The command line: a demonstration, the audit of a table, the explanation of some of its rows."""

from __future__ import annotations

import argparse
import shlex
import sys
import warnings
from collections.abc import Sequence

from .._version import __version__
from ..utils._progress import watched
from ..utils._text import printable
from . import _demo
from ._audit import add_audit
from ._explain import add_explain
from ._options import check
from ._output import Progress, first_line, flush, show

PROGRAM = "python -m sklearn_relatif"
#: What a shell reports for a program that was interrupted.
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, default=None
        The arguments. None: those of the process.

    Returns
    -------
    int
        The exit status: 0 if all went well, 1 if the data cannot be used, 130 if interrupted.
        Wrong arguments end the process with status 2.
    """
    argv = sys.argv[1:] if argv is None else argv
    try:
        options = _parser().parse_args(argv)
    except SystemExit:
        flush()
        raise
    options.line = f"{PROGRAM} {shlex.join(argv)}"
    try:
        if options.command is not None:
            check(options)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with watched(Progress(sys.stderr)):
                status = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        flush()
        return 1
    except KeyboardInterrupt:
        return _complain(options, "interrupted", INTERRUPTED)
    except MemoryError:
        return _complain(options, "not enough memory")
    except OSError as error:
        flush()
        place = "" if error.filename is None else f"{error.filename}: "
        return _complain(options, f"{place}{error.strerror or error}")
    except (ValueError, ImportError) as error:
        return _complain(options, str(error))
    except Exception as error:
        return _complain(options, f"{type(error).__name__}: {error}")
    for message in dict.fromkeys(first_line(str(warning.message)) for warning in caught):
        show(f"warning: {message}", sys.stderr)
    return status


def _complain(options, reason, status=1):
    """Say in one line what went wrong."""
    command = f"{PROGRAM} {options.command}" if options.command else PROGRAM
    show(f"{command}: {first_line(reason)}", sys.stderr)
    return status


class _Parser(argparse.ArgumentParser):
    """Complains of arguments in characters that a terminal shows."""

    def error(self, message):
        super().error(printable(message))


def _parser():
    parser = _Parser(
        prog=PROGRAM,
        description="Explain predictions by training rows. Without a command, explains predictions "
        "on scikit-learn's digits by the training images, with influence functions (IF) and with "
        "relative influence (RelatIF) side by side.",
    )
    parser.add_argument("--version", action="version", version=f"sklearn_relatif {__version__}")
    parser.set_defaults(run=_demonstrate)
    commands = parser.add_subparsers(dest="command", metavar="{audit,explain}")
    add_audit(commands)
    add_explain(commands)
    return parser


def _demonstrate(options):
    show("\n".join(_demo.report(_demo.train_and_explain())))
    return 0
