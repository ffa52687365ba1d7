"""Projects that a rule names."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from management.scoping import projects_named, within
from store.access_records import Project
from store.database import open_store
from store.encryption import Keyring, generate_key
from store.interfaces import Store
from tests.store.records import NOW, a_cluster


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """The project ``shop`` in ``prod`` and in ``dev``."""
    opened = await open_store(f"sqlite:///{tmp_path}/store.db", Keyring.parse(generate_key()))
    for name in ("prod", "dev"):
        await opened.clusters.create(a_cluster(name))
        await opened.projects.create(Project(f"p-{name}", f"c-{name}", "shop", NOW))
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("p-prod",), {"p-prod"}),
        (("prod/shop",), {"p-prod"}),
        (("c-dev/shop", "prod/shop"), {"p-prod", "p-dev"}),
        (("shop",), set()),
        (("prod/none", "none/shop", ""), set()),
        ((), set()),
    ],
)
async def test_a_project_is_named_by_id_or_by_cluster_and_name(
    store: Store, names: tuple[str, ...], found: set[str]
) -> None:
    assert {one.id for one in await projects_named(store, names)} == found


async def test_projects_are_limited_to_clusters(store: Store) -> None:
    both = await projects_named(store, ["prod/shop", "dev/shop"])
    assert [one.id for one in within(both, ["c-dev"])] == ["p-dev"]
    assert within(both, []) == both
