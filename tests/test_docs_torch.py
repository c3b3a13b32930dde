"""The pages of the guide that ask for PyTorch: their code runs and prints what they say."""

import pytest

from tests.test_docs import check_code, checkout, pages_with  # noqa: F401 (a fixture)

pytest.importorskip("torch")


@pytest.mark.parametrize("page", pages_with("python", torch=True), ids=lambda page: page.name)
def test_code_runs_and_prints_what_the_page_says(page, checkout, capsys):  # noqa: F811
    check_code(page, capsys)
