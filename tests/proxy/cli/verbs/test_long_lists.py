"""A list of 10,000 objects: complete, streamed, with little memory."""

import os
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.cli.output.printer import Printer
from proxy.cli.verbs.user import USER
from tests.support.sekisho import free_port, make_sekisho

ROWS = 10_000
PEAK_BYTES = 8 * 1024 * 1024
"""A page of 500 users and their text; all 10,000 would take over 30 MB."""


def a_user(number: int) -> dict[str, object]:
    return {
        "id": f"u-{number:010}",
        "username": f"user-{number:05}",
        "display_name": "x" * 500,
        "enabled": True,
        "administrator": False,
        "principals": [{"id": f"local://u-{number}", "provider": "local"}],
        "created_at": "2026-01-01T00:00:00+00:00",
    }


@pytest.mark.parametrize("form", ["table", "json", "yaml", "name"])
async def test_memory_of_a_long_list_is_that_of_a_page(
    form: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    async def users() -> AsyncIterator[dict[str, object]]:
        for number in range(ROWS if form != "yaml" else ROWS // 20):
            yield a_user(number)

    tracemalloc.start()
    try:
        await Printer(form).rows(USER, users())  # type: ignore[arg-type]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < PEAK_BYTES


def test_long_list_is_printed_completely_and_ends_with_its_reader(tmp_path: Path) -> None:
    server = make_sekisho(tmp_path, (free_port(), free_port()))
    server.create_user("root", "--admin")
    with sqlite3.connect(tmp_path / "data" / "sekisho.db") as database:
        database.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            "INSERT INTO users (id, username, display_name, enabled, created_at) "
            "SELECT printf('u-%010d', i), printf('user-%05d', i), 'x', 1, "
            "(SELECT created_at FROM users LIMIT 1) FROM n",
            (ROWS,),
        )
    database.close()
    server.start()
    environment = {
        **os.environ,
        "XDG_CONFIG_HOME": str(tmp_path / "home"),
        "SEKISHO_SERVER": server.url,
        "SEKISHO_TOKEN": server.token("root"),
        "SEKISHO_CA_FILE": str(tmp_path / "data" / "tls" / "ca.crt"),
    }
    command = [sys.executable, "-m", "proxy", "user", "list", "-o", "name"]
    root = Path(__file__).parents[4]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=root, env=environment, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    names = done.stdout.split()
    assert len(names) == ROWS + 1
    assert names[1] == "user/user-00001"
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=root,
        env=environment,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "user/root\n"
        process.stdout.close()
        assert process.wait(120) == 141
        assert process.stderr.read() == ""
    server.stop()
