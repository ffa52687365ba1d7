"""Tests of migrations: atomic, refused on a newer schema, and equal to the tables."""

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from alembic import op
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from store.audit_table import audit_metadata
from store.changes import ChangeHub
from store.connections import Database
from store.database import open_store, upgrade_database
from store.encryption import Keyring
from store.engine import make_engines
from store.errors import SchemaTooNew, StoreUnavailable
from store.locations import locate
from store.schema import HEAD
from store.tables import metadata
from tests.store.direct_access import execute, rows, tables

ROOT = Path(__file__).parents[2]


async def test_newer_schema_is_refused_and_both_revisions_are_named(url: str) -> None:
    _, head = await upgrade_database(url)
    await execute(url, "UPDATE alembic_version SET version_num = '9999'")
    await execute(url, "UPDATE schema_support SET oldest_code = '9998'")
    for opening in (open_store(url, Keyring([b"k" * 32])), upgrade_database(url)):
        with pytest.raises(SchemaTooNew, match=f"9999.*{head}"):
            await opening


async def test_failed_migration_leaves_database_unchanged(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        op.execute("CREATE TABLE half_done (id INTEGER)")
        op.execute("INSERT INTO half_done VALUES (1)")
        op.execute("SELECT * FROM nowhere")

    real = ScriptDirectory.run_env

    def run_env(self: ScriptDirectory) -> None:
        monkeypatch.setattr(self.get_revision("0001").module, "upgrade", broken)
        real(self)

    before = await tables(url)
    with monkeypatch.context() as patched:
        patched.setattr(ScriptDirectory, "run_env", run_env)
        with pytest.raises(StoreUnavailable, match="the database failed"):
            await open_store(url, Keyring([b"k" * 32]))
    assert await tables(url) == before == set()
    await (await open_store(url, Keyring([b"k" * 32]))).close()


async def test_migrations_create_the_declared_tables(url: str) -> None:
    await upgrade_database(url)
    location = locate(url)
    connections = Database(make_engines(location), location.shown, ChangeHub())

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        every = [metadata, *([audit_metadata] if location.kind == "postgresql" else [])]
        return list(compare_metadata(context, every))  # type: ignore[arg-type]

    async with connections.read() as connection:
        assert await connection.run_sync(differences) == []
    await connections.engines.dispose()


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT * FROM tokens WHERE name = 'x'", "sqlite_autoindex_tokens_1"),
        ("SELECT * FROM tokens WHERE user_id = 'x'", "ix_tokens_user_id"),
        ("SELECT * FROM principals WHERE id = 'x'", "sqlite_autoindex_principals_1"),
        ("SELECT * FROM principals WHERE user_id = 'x'", "ix_principals_user_id"),
        ("SELECT * FROM memberships WHERE user_id = 'x'", "sqlite_autoindex_memberships_1"),
        ("SELECT * FROM bindings WHERE user_id = 'x'", "ix_bindings_user_id"),
        ("SELECT * FROM bindings WHERE group_id IN ('x', 'y')", "ix_bindings_group_id"),
        ("SELECT * FROM bindings WHERE cluster_id = 'x'", "ix_bindings_cluster_id"),
        ("SELECT * FROM passwords WHERE folded = 'x'", "sqlite_autoindex_passwords_2"),
        ("DELETE FROM tokens WHERE expires_at < 'x'", "ix_tokens_expires_at"),
    ],
)
async def test_queries_use_indexes(tmp_path: Path, query: str, index: str) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    await upgrade_database(url)
    steps = [str(row[3]) for row in await rows(url, f"EXPLAIN QUERY PLAN {query}")]
    assert [step for step in steps if step.startswith("SEARCH")] == steps
    assert index in steps[0]


def copy_sources(to: Path) -> None:
    """Copy the files from which a wheel is built."""
    to.mkdir()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, to)
    for package in {name.split(".")[0] for name in project["tool"]["setuptools"]["packages"]}:
        shutil.copytree(ROOT / package, to / package)


def test_migrations_are_in_the_wheel(tmp_path: Path) -> None:
    """The migrations run from the wheel without an ini file and without the source tree."""
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    copy_sources(tmp_path / "source")  # the build writes into its source folder
    subprocess.run([*build, "-w", tmp_path, tmp_path / "source"], check=True)
    (wheel,) = tmp_path.glob("sekisho-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "installed")
    script = (
        "import asyncio, store, store.database as d;"
        f"print(store.__file__, asyncio.run(d.upgrade_database('sqlite:///{tmp_path}/x.db')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(str(tmp_path / "installed"))
    assert f"(None, '{HEAD}')" in done.stdout
