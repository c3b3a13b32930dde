"""What a factor takes of the memory of this machine."""

from __future__ import annotations

import os
from typing import NamedTuple

#: Above this size a factor takes too long, whatever the memory.
LARGE = 40_000
#: Share of the machine's memory that a factor may take.
MEMORY_SHARE = 0.5
#: Memory of machines that do not tell.
ASSUMED_MEMORY = 8 * 2**30


class Factor(NamedTuple):
    """The triangular factors of square blocks."""

    n_blocks: int
    size: int
    itemsize: int = 8

    @property
    def n_bytes(self):
        return self.itemsize * self.n_blocks * self.size**2

    @property
    def is_affordable(self):
        return self.fits(MEMORY_SHARE)

    def fits(self, share):
        """Whether it fits into a share of the memory, and can be computed in reasonable time."""
        return self.size <= LARGE and self.n_bytes <= share * machine_memory()

    @property
    def amount(self):
        return in_units(self.n_bytes)


def in_units(n_bytes):
    """An amount of memory in the largest unit of which it is one at least."""
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if n_bytes >= size:
            return f"{n_bytes / size:,.1f} {unit}"
    return f"{n_bytes:,.0f} bytes"


def machine_memory():
    """Bytes of memory of this machine."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return ASSUMED_MEMORY
