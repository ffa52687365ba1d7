import pytest

from bench.pages import between_marks

BEGIN, END = "<!-- bench: figures -->", "<!-- bench: end of figures -->"


def test_text_between_marks_is_replaced() -> None:
    page = f"# Title\n\n{BEGIN}\nold\n{END}\n\nThe end.\n"
    new = f"# Title\n\n{BEGIN}\nnew\n{END}\n\nThe end.\n"
    assert between_marks(page, "figures", "new\n") == new


@pytest.mark.parametrize("page", ["# Title\n", f"{BEGIN}\nold\n", f"{END} {BEGIN}"])
def test_page_without_marks_raises(page: str) -> None:
    with pytest.raises(ValueError, match="no place for it"):
        between_marks(page, "figures", "new")
