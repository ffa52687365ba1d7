"""Each dialog of the pages is opened by a test that checks it for accessibility and for a phone."""

import ast
import re
from pathlib import Path

from management.web.static_files import FOLDER

TESTS = Path(__file__).parents[2]
CALL = re.compile(
    r"(?<!function )\b(?:dialog|formDialog|confirm|agreed)\(\s*(?:\{\s*title:\s*)?([^,]+)"
)
LITERAL = re.compile(r"""`([^`]+)`|"([^"]+)\"""")
EXPRESSION = re.compile(r"\$\{[^}]*\}")


def titles_of_scripts() -> dict[str, re.Pattern[str]]:
    """Return the titles of all dialogs in the scripts, each as it stands there and as a pattern."""
    found: dict[str, re.Pattern[str]] = {}
    for script in FOLDER.rglob("*.js"):
        if script.name == "form.js":
            continue  # It defines them.
        for call in CALL.finditer(script.read_text()):
            literals = LITERAL.findall(call[1])
            assert literals, f"{script.name}: give {call[0]!r} a title that this test can read"
            for template, text in literals:
                title = template or text
                assert title not in found, f"two dialogs have the title {title!r}"
                fixed = [re.escape(one) for one in EXPRESSION.split(title)]
                found[title] = re.compile(".+".join(fixed))
    return found


def checked_titles() -> set[str]:
    """Return the titles that tests pass to ``Pages.check_dialog``."""
    found = set()
    for file in TESTS.rglob("test_*.py"):
        text = file.read_text()
        if "check_dialog(" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "check_dialog":
                found.add(str(ast.literal_eval(node.args[0])))
    return found


def test_each_dialog_is_opened_and_checked_by_a_test() -> None:
    checked = checked_titles()
    titles = titles_of_scripts()
    assert len(titles) > 20
    missing = [one for one, known in titles.items() if not any(map(known.fullmatch, checked))]
    assert missing == []


def test_checked_title_belongs_to_one_dialog() -> None:
    """Otherwise one test would count for two dialogs."""
    titles = titles_of_scripts()
    for checked in checked_titles():
        found = [one for one, known in titles.items() if known.fullmatch(checked)]
        assert len(found) == 1, f"{checked!r} is the title of {found or 'no dialog'}"
