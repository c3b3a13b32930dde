"""``python -m sklearn_relatif``."""

import sys

from .cli._command import main

if __name__ == "__main__":
    sys.exit(main())
