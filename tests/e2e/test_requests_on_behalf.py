"""Requests in a caller's name through a whole gate, to a real kube-apiserver."""

import threading
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from management.caller_client.errors import RequestRefused
from management.caller_client.gate import Gate, OnBehalf
from management.kubernetes.list_watch import Event
from proxy.client.in_process import InProcessServer
from store.records import Reach
from tests.support.dialed_gate import TOKEN, gate
from tests.support.kubernetes import Kubernetes
from tests.support.sekisho import SekishoWithUsers
from tests.support.waiting import eventually

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


@asynccontextmanager
async def caller_gate(
    folder: Path, kubernetes: Kubernetes, alice: str, reach: Reach = "direct"
) -> AsyncIterator[tuple[Gate, InProcessServer]]:
    async with gate(folder, kubernetes, alice, reach) as running:
        in_process = InProcessServer()
        in_process.serve(running.server)
        yield Gate(in_process.dial), in_process


def on_behalf(bearer: str = TOKEN) -> OnBehalf:
    return OnBehalf(bearer, "192.0.2.7", "a-request-of-alice")


@pytest.mark.parametrize("reach", ["direct", "agent"])
async def test_caller_lists_watches_and_changes_as_with_kubectl(
    tmp_path: Path, kubernetes: Kubernetes, proxy: SekishoWithUsers, reach: Reach
) -> None:
    alice = proxy.users["alice"]
    threads_before = set(threading.enumerate())
    async with (
        caller_gate(tmp_path, kubernetes, alice, reach) as (way, in_process),
        way.client("gated", on_behalf()) as client,
    ):
        page = await anext(client.pages(CONFIG_MAPS))
        manifest = {"metadata": {"generateName": "caller-"}, "data": {"a": "b"}}
        made = await client.request("POST", CONFIG_MAPS, body=manifest)
        name = made["metadata"]["name"]
        async with aclosing(client.watch(CONFIG_MAPS, page.version)) as events:
            seen: Event = await anext(events)
        assert (seen.kind, seen.item["metadata"]["name"]) == ("ADDED", name)
        await client.request("DELETE", f"{CONFIG_MAPS}/{name}")
        with pytest.raises(RequestRefused, match="not found") as refused:
            await client.get(f"{CONFIG_MAPS}/{name}")
        assert (refused.value.status, refused.value.reason) == (404, "NotFound")
    await eventually(lambda: in_process.connections == 0)
    new = set(threading.enumerate()) - threads_before
    assert not [one for one in new if "ThreadPool" in one.name], "of the library"


async def test_unknown_credential_and_hidden_cluster_are_refused_by_the_gate(
    tmp_path: Path, kubernetes: Kubernetes, proxy: SekishoWithUsers
) -> None:
    async with caller_gate(tmp_path, kubernetes, proxy.users["alice"]) as (way, _):
        async with way.client("gated", on_behalf(TOKEN[:-1] + "X")) as client:
            with pytest.raises(RequestRefused, match="revoked") as refused:
                await client.get(CONFIG_MAPS)
            assert refused.value.ends_access
        async with way.client("nowhere", on_behalf()) as client:
            with pytest.raises(RequestRefused, match="has not read the cluster") as refused:
                await client.get(CONFIG_MAPS)
            assert refused.value.status == 503
