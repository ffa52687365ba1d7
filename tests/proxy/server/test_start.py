"""Modules that the start does not import, because each takes time; they are imported on use."""

import os
import subprocess
import sys
from pathlib import Path

DEFERRED = [
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
from proxy.server.serve import serve
from proxy.startup.configuration import load_config

def ready():
    print(*(name for name in sys.argv[1:] if name in sys.modules), file=sys.stderr)
    os.kill(os.getpid(), signal.SIGTERM)

asyncio.run(serve(load_config(None, os.environ), started=ready))
"""


def test_start_with_a_current_schema_imports_no_deferred_module(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "SEKISHO_DATA_DIR": str(tmp_path / "data"),
        "SEKISHO_SERVER__LISTEN": "127.0.0.1:0",
        "SEKISHO_METRICS__LISTEN": "127.0.0.1:0",
        "SEKISHO_LOG__LEVEL": "error",
    }
    made = imported(tmp_path, environment)
    assert "alembic" in made, "the first start creates the schema"
    assert imported(tmp_path, environment) == []


def imported(folder: Path, environment: dict[str, str]) -> list[str]:
    """Start, stop when the server is ready, and return the deferred modules that were imported."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *DEFERRED],
        cwd=Path(__file__).parents[3],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    return done.stderr.split()
