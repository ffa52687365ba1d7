"""Reads of the classes of several management clusters."""

import asyncio

from management.provisioning.class_catalog import ClassCatalog
from management.provisioning.engine import CLASSES, engine_path
from store.interfaces import Store
from tests.store.order_records import a_management
from tests.store.records import a_cluster
from tests.support.scripted_api_server import (
    ReceivedRequest,
    ScriptedApiServer,
    issue,
    make_authority,
    respond_json,
)


async def test_classes_of_management_clusters_are_read_at_once(store: Store) -> None:
    authority = make_authority()
    both = asyncio.Barrier(2)

    async def respond_to_both(received: ReceivedRequest) -> None:
        await both.wait()
        await respond_json(b'{"items": []}')(received)

    with ScriptedApiServer(issue(authority)) as server:
        managements = [a_management("one"), a_management("two")]
        for one in managements:
            cluster = a_cluster(
                one.cluster_id.removeprefix("c-"),
                servers=(f"https://127.0.0.1:{server.port}",),
                ca_pem=authority.certificate_pem.decode(),
                trusted_addresses=("127.0.0.1",),
            )
            await store.clusters.create(cluster)
            await store.management_clusters.put(one)
            server.scripts[engine_path(CLASSES, one.namespace)] = respond_to_both
        server.listen()
        known = await ClassCatalog(store).known_in(managements)
    assert [one.problem for one in known] == ["", ""]
