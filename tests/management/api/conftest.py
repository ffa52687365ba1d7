"""People in every role there is, and the API that they call. The cluster answers nobody."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from management.tokens import TokenService
from store.access_records import Project
from store.database import open_store
from store.encryption import Keyring, generate_key
from store.interfaces import Store
from tests.parts.management_app import Client, served, token_service
from tests.store.records import NOW, a_binding, a_cluster, a_user

HELD: dict[str, tuple[str, str | None, str | None] | None] = {
    "nobody": None,
    "standard": ("standard-user", None, None),
    "restricted": ("restricted-administrator", None, None),
    "admin": ("administrator", None, None),
    "c-owner": ("cluster-owner", "c-prod", None),
    "c-member": ("cluster-member", "c-prod", None),
    "c-reader": ("cluster-read-only", "c-prod", None),
    "p-owner": ("project-owner", "c-prod", "p-shop"),
    "p-member": ("project-member", "c-prod", "p-shop"),
    "p-reader": ("project-read-only", "c-prod", "p-shop"),
}
"""Who holds what, and where."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API answered."""

    status: int
    body: Any
    headers: Any


class Api:
    """Asks as anybody of :data:`HELD`."""

    def __init__(self, store: Store, tokens: TokenService, client: Client) -> None:
        self.store = store
        self.tokens = tokens
        self.client = client

    async def bearer(self, name: str) -> str:
        """A fresh token of somebody's."""
        found = await self.store.users.get(f"u-{name}")
        assert found is not None
        return (await self.tokens.issue(found, kind="session", ttl=timedelta(hours=1))).bearer

    async def __call__(
        self,
        name: str | None,
        method: str,
        path: str,
        body: Any = None,
        **headers: str,
    ) -> Answer:
        """Ask; ``If_Match="x"`` sends ``If-Match``."""
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        if name is not None:
            sent["Authorization"] = f"Bearer {await self.bearer(name)}"
        async with self.client.request(
            method, path, headers=sent, json=body, allow_redirects=False
        ) as answer:
            told = await (answer.json() if "json" in answer.content_type else answer.text())
            return Answer(answer.status, told, answer.headers)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """Everybody, the cluster ``prod`` and the project ``shop`` in it; nobody is in ``other``."""
    opened = await open_store(f"sqlite:///{tmp_path}/store.db", Keyring.parse(generate_key()))
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
    yield opened
    await opened.close()


@pytest.fixture
async def api(store: Store) -> AsyncIterator[Api]:
    """The API."""
    tokens = token_service(store)
    async with served(store, tokens) as client:
        yield Api(store, tokens, client)
