"""Long passes over rows are told of, on a terminal by a line that moves."""

import io

import pytest

from sklearn_relatif.cli import _output
from sklearn_relatif.cli._output import Progress
from sklearn_relatif.utils._blocks import row_blocks
from sklearn_relatif.utils._progress import begin, watched
from sklearn_relatif.utils._threads import for_each


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that shows a second more each time that it is read."""
    seconds = iter(range(10**6))
    monkeypatch.setattr("sklearn_relatif.utils._progress.perf_counter", lambda: next(seconds))
    monkeypatch.setattr(_output, "perf_counter", lambda: next(seconds))


def test_a_line_moves_on_a_terminal_and_goes_when_the_pass_is_over(clock):
    with watched(Progress(terminal := Terminal())):
        begin("counting rows")
        for _ in row_blocks(1000, 1, 100):
            pass
    states = terminal.getvalue().split("\r")
    assert states[1].startswith("  counting rows: 100 of 1,000 rows, ") or "200 of" in states[1]
    assert "a second, " in states[1] and states[1].rstrip().endswith(" s left")
    assert states[-2].strip() == states[-1] == "" and "\n" not in terminal.getvalue()


def test_lines_stay_where_none_can_move_and_are_few(clock):
    with watched(Progress(stream := io.StringIO())):
        for _ in row_blocks(1000, 1, 10):
            pass
    lines = stream.getvalue().splitlines()
    assert 5 < len(lines) < 50 and all(line.startswith("  working: ") for line in lines)


def test_passes_inside_of_others_of_one_block_or_that_nobody_watches_are_not_told(clock):
    with watched(Progress(stream := io.StringIO())):
        for _ in row_blocks(100, 1, 100):
            pass
        assert stream.getvalue() == ""
        for _ in row_blocks(1000, 1, 100):
            for _ in row_blocks(77, 1, 1):
                pass
        assert " of 1,000 rows" in stream.getvalue() and "of 77 rows" not in stream.getvalue()
    told = stream.getvalue()
    for _ in row_blocks(1000, 1, 10):
        pass
    assert stream.getvalue() == told


def test_a_pass_that_is_given_up_makes_room_for_the_next(clock):
    with watched(Progress(stream := io.StringIO())):
        for _ in row_blocks(77, 1, 1):
            break
        with pytest.raises(ZeroDivisionError):
            for_each(lambda block: 1 / 0, list(row_blocks(66, 1, 1)))
        for _ in row_blocks(1000, 1, 10):
            pass
    assert " of 1,000 rows" in stream.getvalue()


def test_threads_that_share_a_pass_tell_of_it(clock):
    with watched(Progress(stream := io.StringIO())):
        for_each(lambda block: None, list(row_blocks(1000, 1, 10)))
    assert " of 1,000 rows" in stream.getvalue()
