"""What several people wrote at a time is merged line by line: nothing stands in a page twice."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "docs" / "cli.md"
"""Commands that are alike have the same options."""

PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")} - {GENERATED})


def outside_code(text: str) -> list[str]:
    return re.sub(r"^\s*```.*?^\s*```", "", text, flags=re.MULTILINE | re.DOTALL).splitlines()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_of_prose_are_unique_in_a_page(page: Path) -> None:
    lines = [line for line in outside_code(page.read_text()) if len(line) > 30]
    assert sorted({line for line in lines if lines.count(line) > 1 and "---" not in line}) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_rows_of_tables_are_unique_in_a_page(page: Path) -> None:
    """Compare first cells: a row that one of two has changed is still there twice."""
    table: list[str] = []
    for line in [*outside_code(page.read_text()), ""]:
        if line.startswith("|"):
            table.append(line.split("|")[1].strip())
            continue
        rows = [one for one in table if len(one) > 20]
        assert sorted({one for one in rows if rows.count(one) > 1}) == []
        table = []


def test_every_entry_of_the_changelog_is_about_something_else() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    subjects = re.findall(r"^- \*\*(.+?)\*\*", text, re.MULTILINE)
    assert sorted({one for one in subjects if subjects.count(one) > 1}) == []
    versions = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert len(versions) == len(set(versions))
