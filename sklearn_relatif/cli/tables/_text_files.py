"""Files of text: how their letters are written, and how they begin."""

from __future__ import annotations

import gzip
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

GZIP = b"\x1f\x8b"
BYTE_ORDER_MARKS = {
    # The first four bytes begin with the two of the next.
    **{b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32"},
    **{b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"},
}
#: What text is in that is not UTF-8; in Latin-1, any bytes are some.
OLD_ENCODINGS = {"cp1252": "Latin-1 (Windows-1252)", "latin-1": "Latin-1"}
#: Bytes of a file that are looked at to find out what it holds, and at most for a header.
HEAD, LONGEST_HEADER = 2**16, 2**26


@dataclass(frozen=True)
class TextFile:
    """A file of text.

    Attributes
    ----------
    path : str or path-like
        Where it can be read, as often as is needed.
    called : str
        What its user calls it.
    is_gzipped : bool
    encoding : str
        By the mark at its beginning; what has none may be none of UTF-8, either.
    head : str
        How it begins.
    """

    path: str
    called: str
    is_gzipped: bool
    encoding: str
    head: str

    @property
    def name(self):
        """What it is called, without the folders that it is in."""
        return Path(self.called).name

    def open(self, encoding):
        """The file as a stream of text with the ends of lines that it has."""
        opened = gzip.open if self.is_gzipped else open
        return opened(self.path, "rt", encoding=encoding, newline="")

    def decoded(self, read, notes):
        """What is read of the file in the first encoding that fits all of it.

        Parameters
        ----------
        read : callable
            Takes an encoding, and a list that it may add notes to.
        notes : list of str
            Those of the reading that went well are added to it.
        """
        for encoding, called in {self.encoding: None, **OLD_ENCODINGS}.items():
            is_old = called is not None
            said = [f"{self.called} is not UTF-8 and was read as {called}."] if is_old else []
            with suppress(UnicodeDecodeError):
                content = read(encoding, said)
                notes += said
                return content
        raise ValueError("it is text in no encoding that is known")


def text_file(path, called):
    """The file of text at a path; a ValueError if what is there is no text."""
    with open(path, "rb") as file:
        is_gzipped = file.read(len(GZIP)) == GZIP
    with (gzip.open if is_gzipped else open)(path, "rb") as file:
        head = file.read(HEAD)
        if b"\n" not in head:
            head += file.readline(LONGEST_HEADER)
    marked = [name for mark, name in BYTE_ORDER_MARKS.items() if head.startswith(mark)]
    encoding = marked[0] if marked else "utf-8"
    if encoding not in ("utf-16", "utf-32") and b"\0" in head:
        raise ValueError("it holds zero bytes, so it is neither text nor a table of another form")
    return TextFile(path, called, is_gzipped, encoding, head.decode(encoding, errors="replace"))
