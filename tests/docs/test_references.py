"""Every file, heading and function that the documentation names exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted(ROOT.glob("docs/**/*.md")),
]
FOLDERS = {file.name for file in ROOT.iterdir() if file.is_dir()}
MADE_LATER = {"bench/results/latest.json"}
"""Files that a command of the same page writes."""

LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
PATH = re.compile(r"`([\w.-]+(?:/[\w.-]+)+/?)(?:::\w+)?`")
NAME = re.compile(r"^`([A-Za-z_]\w*(?:\.(?!py`)[a-z_]\w*)*)(?:\(\))?`$")


def text_of(page: Path) -> str:
    """Return a page without its blocks of code."""
    return re.sub(r"^\s*```.*?^\s*```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchor(heading: str) -> str:
    """Return the anchor that forges give a heading."""
    plain = re.sub(r"[`*]|\]\([^)]*\)|\[", "", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {anchor(found) for found in re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)}


def links(page: Path) -> list[tuple[str, str]]:
    found = LINK.findall(text_of(page))
    return [(text, target) for text, target in found if not re.match(r"[a-z]+:", target)]


def defines(file: Path, name: str) -> bool:
    """Report whether a Python file defines each part of a dotted name."""
    text = file.read_text()
    return all(
        re.search(rf"^\s*(?:(?:async )?def|class) {part}\b|^\s*{part}\b.*[:=]", text, re.MULTILINE)
        for part in name.split(".")
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    missing = []
    for _, target in links(page):
        path, _, heading = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (heading and heading not in anchors(file)):
            missing.append(target)
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_in_backticks_exists(page: Path) -> None:
    named = {path for path in PATH.findall(text_of(page)) if path.split("/")[0] in FOLDERS}
    assert sorted(path for path in named - MADE_LATER if not (ROOT / path).exists()) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_linked_name_is_defined_in_the_file_that_it_leads_to(page: Path) -> None:
    missing = []
    for text, target in links(page):
        name, file = NAME.match(text), page.parent / target.partition("#")[0]
        if name and file.suffix == ".py" and not defines(file, name[1]):
            missing.append(f"{name[1]} in {target}")
    assert missing == []


def test_name_is_found_only_where_it_is_defined() -> None:
    assert defines(Path(__file__), "text_of")
    assert not defines(Path(__file__), "text_of.no_such_part")
