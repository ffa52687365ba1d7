"""A database with a row in every table."""

import json
import secrets
from datetime import timedelta
from typing import Any

from sqlalchemy import insert

from store.changes import ChangeHub
from store.connections import Database
from store.database import open_store
from store.encryption import Keyring
from store.engine import make_engines
from store.locations import locate
from store.transfer.shapes import AUDIT_TABLES, TableShape, as_table, current_shapes
from tests.store.records import NOW, a_binding, a_cluster, a_token, a_user
from tests.store.test_audit_events import an_event

_REFERENCES = {
    "user_id": "u-alice",
    "cluster_id": "c-prod",
    "project_id": "row-0",
    "replica_id": "row-0",
    "management_id": "row-0",
}


async def fill(url: str, keyring: Keyring, *, rows: int = 3) -> None:
    """Fill every table with ``rows`` rows of any content, beside real records."""
    store = await open_store(url, keyring)
    try:
        await store.users.create(a_user())
        await store.clusters.create(a_cluster())
        await store.tokens.create(a_token())
        await store.bindings.create(a_binding())
        await store.audit.append([an_event()])
    finally:
        await store.close()
    location = locate(url)
    main = Database(make_engines(location), location.shown, ChangeHub())
    beside = location.beside("audit") if location.kind == "sqlite" else location
    audit = Database(make_engines(beside), beside.shown, ChangeHub())
    for shape in current_shapes():
        database = audit if shape.name in AUDIT_TABLES else main
        async with database.write() as connection:
            table = as_table(shape, connection.dialect.name)
            made = [_row(shape, number) for number in range(rows)]
            if shape.serial is not None:  # 1 is the real event's
                made = [{**row, shape.serial: number + 7} for number, row in enumerate(made)]
            await connection.execute(insert(table), made)
    await main.engines.dispose()
    await audit.engines.dispose()


def _row(shape: TableShape, number: int) -> dict[str, Any]:
    row = {name: _value(name, kind, number) for name, kind in shape.columns}
    for name, value in _REFERENCES.items():
        if name in row and (name not in shape.key or len(shape.key) > 1):
            row[name] = value
    if shape.name == "passwords":
        row["user_id"] = f"row-{number}"
    if shape.name == "provider_schemes":
        row["provider"] = f"row-{number}"
    return row


def _value(name: str, kind: str, number: int) -> Any:
    values = {
        "text": f"row-{number}",
        "bytes": bytes([number % 256, 0, 255]) + secrets.token_bytes(29),
        "time": NOW + timedelta(days=number, microseconds=123),
        "boolean": number % 2 == 0,
        "integer": number + 1,
        "float": number + 0.1,
        "json": json.dumps({"ä": [None, number, 1.5], "n": "\u0000"}) if number else "null",
    }
    return values[kind]
