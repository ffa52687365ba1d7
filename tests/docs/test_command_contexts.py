"""Tests make contexts of commands with ``tests/proxy/cli/contexts.py``, which says why."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAKER = ROOT / "tests" / "proxy" / "cli" / "contexts.py"
OWN = re.compile(r"click\.Context\(|\.make_context\((?!.*parent=)")


def test_contexts_are_made_by_the_helper() -> None:
    files = {*(ROOT / "tests").rglob("*.py")} - {MAKER, Path(__file__)}
    found = [
        f"{file.relative_to(ROOT)}:{number}"
        for file in sorted(files)
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if OWN.search(line)
    ]
    assert found == []


def test_own_contexts_are_found() -> None:
    assert OWN.search("shown = made.get_help(click.Context(made))")
    assert OWN.search("return command.make_context(name, words)")
    assert not OWN.search("return command.make_context(name, words, parent=context)")
