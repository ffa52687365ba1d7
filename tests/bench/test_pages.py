import pytest

from bench.pages import between_marks

BEGIN, END = "<!-- bench: figures -->", "<!-- bench: end of figures -->"


def test_what_was_measured_replaces_what_was_between_the_marks() -> None:
    page = f"# Title\n\n{BEGIN}\nold\n{END}\n\nThe end.\n"
    new = f"# Title\n\n{BEGIN}\nnew\n{END}\n\nThe end.\n"
    assert between_marks(page, "figures", "new\n") == new


@pytest.mark.parametrize("page", ["# Title\n", f"{BEGIN}\nold\n", f"{END} {BEGIN}"])
def test_a_page_without_marks_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="no place for it"):
        between_marks(page, "figures", "new")
