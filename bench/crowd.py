"""Users with tokens in the benchmark's store, and the default limits of users."""

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.servers import Gate
from management.identity.users import new_user
from proxy.files.data_dir import open_keyring
from proxy.startup.configuration import load_config
from store.database import open_store
from store.records import Token

PODS = "/api/v1/namespaces/default/pods"


@dataclass(frozen=True, slots=True)
class Person:
    """A user who may access all clusters."""

    name: str
    token: str


def with_default_limits(gate: Gate) -> None:
    """Remove the limits from a prepared configuration: load tests have none."""
    config = gate.folder / "sekisho.yaml"
    lines = config.read_text().splitlines()
    config.write_text("\n".join(one for one in lines if not one.startswith("limits:")) + "\n")


def people(gate: Gate, count: int) -> list[Person]:
    """Create ``count`` administrators in a prepared store, with a token each."""
    return asyncio.run(_people(gate.folder / "sekisho.yaml", count))


async def _people(config: Path, count: int) -> list[Person]:
    settings = load_config(str(config), {}).settings
    store = await open_store(settings.store_url, open_keyring(settings))
    made = []
    try:
        for number in range(count):
            user = new_user(f"person-{number}", administrator=True)
            name, secret = f"token-person-{number}", "s" * 40
            await store.users.create(user)
            await store.tokens.create(
                Token(
                    name=name,
                    kind="token",
                    digest=hashlib.sha256(f"{name}:{secret}".encode()).digest(),
                    user_id=user.id,
                    principal_id=user.principals[0].id,
                    description="",
                    created_at=datetime.now(UTC),
                    expires_at=None,
                )
            )
            made.append(Person(user.username, f"{name}:{secret}"))
    finally:
        await store.close()
    return made
