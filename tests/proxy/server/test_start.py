"""What a start does without: each takes a while to import, and is imported when it is used."""

import os
import subprocess
import sys
from pathlib import Path

SPARED = [
    "alembic",
    "apispec",
    "asyncpg",
    "authlib",
    "jinja2",
    "joserfc",
    "kubernetes_asyncio",
    "ldap3",
    "sqlalchemy.dialects.postgresql",
]

PROGRAM = """
import asyncio, os, signal, sys
from proxy.serving import serve
from proxy.startup_settings import load_everything

def ready():
    print(*(name for name in sys.argv[1:] if name in sys.modules), file=sys.stderr)
    os.kill(os.getpid(), signal.SIGTERM)

asyncio.run(serve(load_everything(None, os.environ), started=ready))
"""


def test_a_start_on_a_store_that_is_up_to_date_imports_only_what_it_needs(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "SEKISHO_DATA_DIR": str(tmp_path / "data"),
        "SEKISHO_SERVER__LISTEN": "127.0.0.1:0",
        "SEKISHO_METRICS__LISTEN": "127.0.0.1:0",
        "SEKISHO_LOG__LEVEL": "error",
    }
    made = imported(tmp_path, environment)
    assert "alembic" in made, "the first start makes the schema"
    assert imported(tmp_path, environment) == []


def imported(folder: Path, environment: dict[str, str]) -> list[str]:
    """Start, stop when all is ready, and tell which of the modules were imported."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *SPARED],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    return done.stderr.split()
