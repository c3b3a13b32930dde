"""scikit-learn's callbacks of ``fit``, where they exist (from 1.9 on)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])
Step = Callable[..., AbstractContextManager[None]]
HAS_CALLBACKS = find_spec("sklearn.callback") is not None
if not TYPE_CHECKING and HAS_CALLBACKS:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
else:

    class CallbackSupportMixin:
        """Stands in where scikit-learn has no callbacks."""

    def with_callbacks(method: Method) -> Method:
        """Stands in where scikit-learn has no callbacks."""
        return method


@contextmanager
def fit_task(explainer: Any, n_steps: int, X: Any, y: Any) -> Iterator[Step]:
    """Report a ``fit`` to the callbacks set on an explainer.

    Yields a function ``step(name, estimator=None)``: a context manager for each of the
    ``n_steps`` steps, in which callbacks also follow the estimator that the step fits.
    """
    if not HAS_CALLBACKS:
        yield lambda name, estimator=None: nullcontext()
        return
    task = explainer._init_callback_context(max_subtasks=n_steps)
    task.call_on_fit_task_begin(estimator=explainer, X=X, y=y)

    @contextmanager
    def step(name: str, estimator: Any = None) -> Iterator[None]:
        subtask = task.subcontext(task_name=name)
        subtask.call_on_fit_task_begin(estimator=explainer, X=X, y=y)
        with (
            subtask.propagate_callback_context(estimator)
            if estimator is not None
            else nullcontext()
        ):
            yield
        subtask.call_on_fit_task_end(estimator=explainer, X=X, y=y)

    yield step
    task.call_on_fit_task_end(estimator=explainer, X=X, y=y)
