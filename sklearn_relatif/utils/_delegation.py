"""What an estimator around another one hands on to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.utils import get_tags


def estimator_has(method: str) -> Callable[[Any], bool]:
    """Check for ``available_if``: the wrapped estimator has the method."""

    def check(self: Any) -> bool:
        getattr(getattr(self, "estimator_", self.estimator), method)
        return True

    return check


def take_tags(tags: Any, estimator: Any) -> None:
    """Let tags say what an estimator is and takes as the one inside says it."""
    wrapped = get_tags(estimator)
    tags.estimator_type = wrapped.estimator_type
    tags.classifier_tags = wrapped.classifier_tags
    tags.regressor_tags = wrapped.regressor_tags
    tags.target_tags = wrapped.target_tags
    tags.input_tags = wrapped.input_tags
