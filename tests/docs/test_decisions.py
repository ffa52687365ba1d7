"""Decisions have a number each, and the list of them is whole."""

import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs/decisions"
FILES = sorted(file.name for file in FOLDER.glob("*.md") if file.name != "README.md")
LISTED = re.findall(
    r"^\| (\d{4}) \| \[(.+)\]\((\S+)\) \|$", (FOLDER / "README.md").read_text(), re.M
)


def test_decision_numbers_are_unique() -> None:
    numbers = [name[:4] for name in FILES]
    assert [one for one in numbers if numbers.count(one) > 1] == []


def test_list_names_every_decision_once_and_in_order() -> None:
    assert [file for _, _, file in LISTED] == FILES


def test_list_has_titles_and_states_of_decisions() -> None:
    for number, title, file in LISTED:
        assert (FOLDER / file).read_text().splitlines()[0] == f"# {number}: {title}"
        assert file.startswith(f"{number}-")


def test_decision_that_is_referred_to_exists() -> None:
    root = FOLDER.parents[1]
    pages = [root / "README.md", root / "CHANGELOG.md", *root.glob("docs/**/*.md")]
    named = {
        name for page in pages for name in re.findall(r"decisions/(\d{4}[\w.-]+)", page.read_text())
    }
    assert named - set(FILES) == set()
