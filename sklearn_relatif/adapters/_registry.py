"""From an estimator's type to the objective that it minimised."""

from __future__ import annotations

from functools import singledispatch

from ._wrappers import is_placeholder


@singledispatch
def reduce_estimator(estimator, X, y, sample_weight):
    """The objective that a fitted estimator minimised on its training data.

    Parameters
    ----------
    estimator : fitted estimator
        One of the registered types; wrappers have been removed by :func:`split_pipeline`.
    X : ndarray or CSR matrix of shape (n_rows, n_features)
        Training features as the estimator itself saw them.
    y : ndarray of shape (n_rows,)
        Training targets: positions in ``estimator.classes_`` for classifiers.
    sample_weight : ndarray of shape (n_rows,)

    Returns
    -------
    LinearObjective

    Raises
    ------
    TypeError
        If the estimator is of no registered type.
    """
    raise TypeError(unsupported_message(estimator))


def unsupported_message(estimator) -> str:
    supported = ", ".join(
        sorted(kind.__name__ for kind in reduce_estimator.registry if kind is not object)
    )
    name = type(estimator).__name__
    if is_placeholder(estimator):
        name = f"The placeholder {estimator!r}"
    return (
        f"{name} cannot be explained. Supported estimators: {supported}; "
        "also as the last step of a Pipeline, as the best estimator of a search with "
        "refit=True, or in a FrozenEstimator."
    )


def is_supported(estimator) -> bool:
    """Whether a reduction is registered for the type of an unwrapped estimator."""
    return reduce_estimator.dispatch(type(estimator)) is not reduce_estimator.dispatch(object)


def check_supported(estimator) -> None:
    """Raise a TypeError if an unwrapped estimator is of no kind that can be explained."""
    if not is_supported(estimator):
        raise TypeError(unsupported_message(estimator))
