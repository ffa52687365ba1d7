"""Users in every role, and the API that they call. The cluster never responds."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from management.identity.tokens import TokenIssuer, TokenSpec
from store.access_records import Project
from store.database import open_store
from store.encryption import Keyring, generate_key
from store.interfaces import Store
from tests.store.records import NOW, a_binding, a_cluster, a_user
from tests.support.management_app import Client, make_token_issuer, serve_management
from tests.support.stores import open_new_store

HELD: dict[str, tuple[str, str | None, str | None] | None] = {
    "plain": None,
    "standard": ("standard-user", None, None),
    "restricted": ("restricted-administrator", None, None),
    "admin": ("administrator", None, None),
    "auditor": ("auditor", None, None),
    "c-owner": ("cluster-owner", "c-prod", None),
    "c-member": ("cluster-member", "c-prod", None),
    "c-reader": ("cluster-read-only", "c-prod", None),
    "p-owner": ("project-owner", "c-prod", "p-shop"),
    "p-member": ("project-member", "c-prod", "p-shop"),
    "p-reader": ("project-read-only", "c-prod", "p-shop"),
}
"""The roles of each user, and where they are held."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response of the API."""

    status: int
    body: Any
    headers: Any


class Api:
    """Sends requests as any user of :data:`HELD`."""

    def __init__(self, store: Store, tokens: TokenIssuer, client: Client) -> None:
        self.store = store
        self.tokens = tokens
        self.client = client

    async def bearer(self, name: str) -> str:
        """Issue a new token for a user."""
        found = await self.store.users.get(f"u-{name}")
        assert found is not None
        return (
            await self.tokens.issue(found, TokenSpec(kind="session", ttl=timedelta(hours=1)))
        ).bearer

    async def __call__(
        self,
        name: str | None,
        method: str,
        path: str,
        body: Any = None,
        **headers: str,
    ) -> Answer:
        """Send a request; ``If_Match="x"`` sends ``If-Match``."""
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        if name is not None:
            sent["Authorization"] = f"Bearer {await self.bearer(name)}"
        async with self.client.request(
            method, path, headers=sent, json=body, allow_redirects=False
        ) as answer:
            body = await (answer.json() if "json" in answer.content_type else answer.text())
            return Answer(answer.status, body, answer.headers)


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Keyring]:
    """The file of which ``store`` opens copies, and its key."""
    file, keyring = tmp_path_factory.mktemp("filled") / "store.db", Keyring.parse(generate_key())
    asyncio.run(fill(file, keyring))
    return file, keyring


async def fill(file: Path, keyring: Keyring) -> None:
    """Create users, the clusters ``prod`` and ``other``, and the project ``shop`` in ``prod``."""
    opened = await open_new_store(f"sqlite:///{file}", keyring)
    for name in ("prod", "other"):
        await opened.clusters.create(
            a_cluster(name, servers=(f"https://127.0.0.1:1/{name}",), ca_pem=None)
        )
    await opened.projects.create(Project("p-shop", "c-prod", "shop", NOW))
    for name, held in HELD.items():
        await opened.users.create(replace(a_user(name), administrator=name == "admin"))
        if held is not None and name != "admin":
            role, cluster, project = held
            await opened.bindings.create(a_binding(f"u-{name}", role, cluster, project))
    await opened.close()


@pytest.fixture
async def store(filled: tuple[Path, Keyring], tmp_path: Path) -> AsyncIterator[Store]:
    """The users, clusters, and projects of :func:`fill`."""
    file, keyring = filled
    shutil.copyfile(file, tmp_path / "store.db")
    opened = await open_store(f"sqlite:///{tmp_path}/store.db", keyring)
    yield opened
    await opened.close()


@pytest.fixture
async def api(store: Store) -> AsyncIterator[Api]:
    """The API over HTTP."""
    tokens = make_token_issuer(store)
    async with serve_management(store, tokens) as client:
        yield Api(store, tokens, client)
