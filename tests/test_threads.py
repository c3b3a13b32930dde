"""Loops in several threads, and the limit of BLAS that they share."""

import sys
import threading
import time
from functools import partial

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_relatif.utils._threads import for_each, in_one_blas_thread


def blas_threads():
    """Not those of OpenMP, which a test may load after the limit that holds for all tests."""
    return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]


def test_loops_share_one_limit_of_blas():
    before, seen = blas_threads(), []
    loops = [
        threading.Thread(target=for_each, args=(lambda _: seen.append(blas_threads()), range(20)))
        for _ in range(4)
    ]
    for loop in loops:
        loop.start()
    for loop in loops:
        loop.join()
    assert len(seen) == 80
    assert blas_threads() == before


def test_blas_has_one_thread_in_a_loop():
    seen = []
    for_each(lambda _: seen.append(set(blas_threads())), range(5))
    assert seen == [{1}] * 5


def test_a_loop_in_a_loop_starts_no_threads():
    def own_threads(_):
        found = set()
        for_each(lambda _: found.add(threading.get_ident()), range(5))
        return found == {threading.get_ident()}

    are_own = []
    with threadpool_limits(2, "blas"):
        for_each(own_threads, range(5), are_own.append)
    assert are_own == [True] * 5


def test_exceptions_leave_the_loop_and_undo_the_limit():
    before = blas_threads()
    with pytest.raises(ZeroDivisionError):
        for_each(lambda item: 1 / item, [1, 0, 2])
    assert blas_threads() == before


@pytest.mark.parametrize("n_threads", [1, 2, 4])
def test_results_are_handed_over_in_the_order_of_their_items(n_threads):
    def late_if_first(item):
        time.sleep(0.01 * (item % 3 == 0))
        return item**2

    found = []
    with threadpool_limits(n_threads, "blas"):
        for_each(late_if_first, range(20), found.append)
    assert found == [item**2 for item in range(20)]


def test_an_exception_ends_the_loop_in_all_threads():
    seen = []

    def fail_at_three(item):
        seen.append(item)
        if item == 3:
            raise KeyError(item)
        time.sleep(0.001)

    with threadpool_limits(2, "blas"), pytest.raises(KeyError):
        for_each(fail_at_three, range(1000))
    assert len(seen) < 100


def test_an_exception_where_results_go_leaves_the_loop():
    with threadpool_limits(2, "blas"), pytest.raises(ZeroDivisionError):
        for_each(lambda item: item, [1, 0, 2], lambda result: 1 / result)


def test_an_interrupt_ends_the_loop(monkeypatch):
    """Ctrl-C is raised where the main thread waits for the others."""

    def interrupt(self, timeout=None):
        raise KeyboardInterrupt

    monkeypatch.setattr("concurrent.futures.Future.result", interrupt)
    seen = []
    with threadpool_limits(2, "blas"), pytest.raises(KeyboardInterrupt):
        for_each(lambda item: seen.append(time.sleep(0.001)), range(1000))
    assert len(seen) < 100


def interrupted(function, moment):
    """Call a function, and interrupt it at a moment; False if it is done before.

    Moments are those at which Python looks for signals: it enters or leaves a function.
    """
    passed = 0

    def profile(frame, event, _):
        nonlocal passed
        files = ("_threads.py", "threadpoolctl.py")
        if event != "c_call" and frame.f_code.co_filename.endswith(files):
            passed += 1
            if passed == moment:
                sys.setprofile(None)
                raise KeyboardInterrupt

    sys.setprofile(profile)
    try:
        function()
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(None)
    return False


@pytest.mark.parametrize(
    "function",
    [partial(for_each, str, range(4)), partial(in_one_blas_thread, sum, [1, 2])],
    ids=["loop", "call"],
)
def test_no_interrupt_leaves_blas_at_one_thread(function):
    with threadpool_limits(2, "blas"):
        function()
        before, moment = blas_threads(), 1
        while interrupted(function, moment):
            assert blas_threads() == before, moment
            moment += 1
        assert moment > 40
        assert blas_threads() == before
