"""A cluster that is held after a restore: no object in it can be changed."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from management.kubernetes.client import ClusterClient
from management.kubernetes.cluster_client import controller_client, endpoint_of
from management.kubernetes.errors import ApiUnreachable, ClusterHeld
from tests.store.records import NOW, a_cluster

HELD = replace(a_cluster(), servers=("https://127.0.0.1:1",), ca_pem=None, held_since=NOW)
OBJECT = {"kind": "ConfigMap", "metadata": {"name": "x"}}


@pytest.mark.parametrize(
    "write",
    [
        lambda client: client.create("/api/v1/namespaces", OBJECT),
        lambda client: client.apply("/api/v1/namespaces/x", OBJECT),
        lambda client: client.put("/api/v1/namespaces/x", OBJECT),
        lambda client: client.patch("/api/v1/namespaces/x", {}),
        lambda client: client.delete("/api/v1/namespaces/x"),
    ],
    ids=["create", "apply", "put", "patch", "delete"],
)
async def test_write_into_a_held_cluster_is_refused_with_the_remedy(
    write: Callable[[ClusterClient], Awaitable[Any]],
) -> None:
    async with controller_client(HELD) as client:
        with pytest.raises(ClusterHeld, match="sekisho admin restore --accept"):
            await write(client)


async def test_review_and_dry_run_in_a_held_cluster_are_sent() -> None:
    async with controller_client(HELD) as client:
        with pytest.raises(ApiUnreachable):  # from the network
            await client.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {})
        with pytest.raises(ApiUnreachable):
            await client.apply("/api/v1/namespaces/x", OBJECT, dry_run=True)


def test_accepted_cluster_is_not_held() -> None:
    assert endpoint_of(HELD).held
    assert not endpoint_of(replace(HELD, held_since=None)).held
