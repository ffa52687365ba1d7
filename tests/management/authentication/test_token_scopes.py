"""Resolution of the projects in a token rule."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from management.authentication.token_scopes import find_projects, intersect_scope
from store.access_records import Project
from store.encryption import Keyring, generate_key
from store.interfaces import Store
from tests.store.records import NOW, a_cluster
from tests.support.stores import open_new_store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """The project ``shop`` in ``prod`` and in ``dev``."""
    opened = await open_new_store(f"sqlite:///{tmp_path}/store.db", Keyring.parse(generate_key()))
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
async def test_project_is_found_by_id_or_by_cluster_and_name(
    store: Store, names: tuple[str, ...], found: set[str]
) -> None:
    assert {one.id for one in await find_projects(store, names)} == found


async def test_projects_are_limited_to_clusters(store: Store) -> None:
    both = await find_projects(store, ["prod/shop", "dev/shop"])
    assert [one.id for one in intersect_scope(both, ["c-dev"])] == ["p-dev"]
    assert intersect_scope(both, []) == both
