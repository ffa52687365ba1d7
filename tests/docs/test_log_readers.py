"""Tests read logs of JSON lines with ``tests/support/log_lines.py``.

The program may be writing the last line when it is read, and is not late if the line comes later.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
READER = ROOT / "tests" / "support" / "log_lines.py"
FILES = sorted({*(ROOT / "tests").rglob("*.py")} - {READER})

LOGS = (".log", "audit", "log.read_text", "log.open")
"""What the source of lines contains if it is a log. Outputs of ended programs are none."""


def test_json_lines_of_logs_are_read_by_the_helper() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{line}"
        for file in FILES
        for line in own_readers(ast.parse(file.read_text()))
    ]
    assert found == []


def own_readers(tree: ast.Module) -> Iterator[int]:
    """Yield the lines of loops and calls that parse each line of a log."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ListComp | ast.GeneratorExp | ast.SetComp):
            sources = [one.iter for one in node.generators]
        elif isinstance(node, ast.For):
            sources = [node.iter]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "map":
            sources = node.args[1:]
        else:
            continue
        if "json.loads" in ast.unparse(node) and any(map(is_log, sources)):
            yield node.lineno


def is_log(source: ast.expr) -> bool:
    """Return whether an expression is the lines of a log."""
    text = ast.unparse(source)
    return ("splitlines" in text or ".open()" in text or ".split(" in text) and any(
        one in text for one in LOGS
    )


BAD = """
[json.loads(line) for line in server.log.splitlines()]
for line in (folder / "audit.log").read_text().split("\\n"):
    json.loads(line)
next(map(json.loads, log.open()))
[json.loads(line) for line in done.stdout.splitlines()]
"""


def test_reader_of_a_log_that_is_written_is_found() -> None:
    assert sorted(own_readers(ast.parse(BAD))) == [2, 3, 5]
