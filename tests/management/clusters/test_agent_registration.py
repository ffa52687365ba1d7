"""A cluster registers itself through its agent."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from aiohttp import web

from management.api.v1.cluster_registrations import MOST_PENDING
from management.clusters.agent_registration import (
    AGENT_SERVERS,
    LIFETIME,
    MARGIN,
    remove_expired,
    verified_endpoint,
)
from management.clusters.agent_tokens import PREFIX
from management.kubernetes.errors import ApiUntrusted
from store.agent_records import agent_token_digest
from tests.management.clusters.agent_world import AgentWorld
from tests.management.conftest import Serve
from tests.support.port_dialer import PortDialer


async def test_cluster_is_pending_until_it_is_verified_through_the_agent(
    world: AgentWorld,
) -> None:
    world.dialer.connected = False
    manifest = await world.register()
    _, shown = await world.send("GET", "/v1/clusters/edge")
    assert shown["pending_until"] is not None
    assert (shown["role"], shown["reach"]) == ("owner", "agent")
    world.apply(manifest)
    status, problem = await world.complete(manifest)
    assert status == 503
    assert problem["detail"].startswith("no agent of the cluster is connected: check the pods")
    world.dialer.connected = True
    assert await world.complete(manifest) == (204, "")
    cluster = await world.store.clusters.get("edge")
    assert cluster is not None
    kube_system = world.cluster.ask("GET", "/api/v1/namespaces/kube-system")
    assert (cluster.id, cluster.uid) == (shown["id"], kube_system["metadata"]["uid"])
    assert (cluster.servers, cluster.tls_server_name) == (AGENT_SERVERS, None)
    assert not cluster.is_pending
    assert world.dialer.dials > 0
    status, problem = await world.complete(manifest)
    assert (status, "used already" in problem["detail"]) == (403, True)


async def test_token_of_the_manifest_is_the_only_one_and_only_its_digest_is_stored(
    world: AgentWorld,
) -> None:
    manifest = await world.register()
    [secret] = [
        one["stringData"]
        for one in yaml.safe_load_all(manifest)
        if one["kind"] == "Secret" and "token" in one["stringData"]
    ]
    assert secret["token"].startswith(PREFIX)
    found = await world.store.agent_tokens.find(agent_token_digest(secret["token"]))
    cluster = await world.store.clusters.get("edge")
    assert cluster is not None
    assert found is not None
    assert found.cluster_id == cluster.id
    assert await world.store.agent_tokens.of_cluster(cluster.id) == [found]


@pytest.mark.parametrize("name", ["alice", "bob"])
async def test_second_registration_of_a_reserved_name_is_refused(
    world: AgentWorld, name: str
) -> None:
    await world.register()
    world.caller = name
    for body in (
        {"name": "edge", "reach": "agent"},
        {"name": "edge", "servers": ["https://a.example"]},
    ):
        status, problem = await world.send("POST", "/v1/registrations", body)
        assert status == 409
        assert "reserved by a registration that is not complete" in problem["detail"]
    if name == "bob":
        assert (await world.send("DELETE", "/v1/clusters/edge"))[0] == 404
    else:
        assert (await world.send("DELETE", "/v1/clusters/edge"))[0] == 204
        await world.register()


async def test_new_manifest_is_applied_over_an_older_one(world: AgentWorld) -> None:
    world.apply(await world.register(image="registry.example/wrong:1"))
    assert (await world.send("DELETE", "/v1/clusters/edge"))[0] == 204
    manifest = await world.register(image="registry.example/sekisho:1", replicas=1)
    world.apply(manifest)
    assert (await world.complete(manifest))[0] == 204


async def test_user_reserves_a_limited_number_of_names(world: AgentWorld) -> None:
    for number in range(MOST_PENDING):
        await world.register(f"edge-{number}")
    body = {"name": "one-more", "reach": "agent"}
    status, problem = await world.send("POST", "/v1/registrations", body)
    assert (status, "registrations are not complete" in problem["detail"]) == (409, True)
    assert await world.store.clusters.get("one-more") is None
    assert (await world.send("DELETE", "/v1/clusters/edge-0"))[0] == 204
    await world.register("one-more")
    world.caller = "bob"
    await world.register("another")


async def test_cluster_with_another_name_is_refused_and_its_reservation_removed(
    world: AgentWorld,
) -> None:
    await world.registered("edge")
    world.caller = "bob"
    manifest = await world.register("again")
    world.apply(manifest)
    status, problem = await world.complete(manifest)
    assert (status, problem["detail"]) == (
        409,
        "this cluster is imported already; ask an administrator to let you in",
    )
    assert await world.store.clusters.get("again") is None
    status, problem = await world.complete(manifest)
    assert (status, "has ended or was removed" in problem["detail"]) == (403, True)


async def test_wrong_tokens_register_nothing(world: AgentWorld) -> None:
    manifest = await world.register()
    world.apply(manifest)
    for change in ({"controller_token": "x.y.z"}, {"impersonator_token": "x.y.z"}):
        assert (await world.complete(manifest, **change))[0] == 502
    cluster = await world.store.clusters.get("edge")
    assert cluster is not None
    assert cluster.is_pending


async def test_code_of_a_requester_who_was_disabled_is_refused(world: AgentWorld) -> None:
    manifest = await world.register()
    world.apply(manifest)
    cluster = await world.store.clusters.get("edge")
    assert cluster is not None
    alice = next(one for one in await world.store.users.list_all() if one.username == "alice")
    await world.store.users.update(alice.id, enabled=False)
    assert (await world.complete(manifest))[0] == 403


async def test_registration_that_is_not_completed_expires(world: AgentWorld) -> None:
    await world.register("old")
    complete = await world.registered("edge")
    now = datetime.now(UTC)
    assert await remove_expired(world.store, now + LIFETIME) == []
    assert await remove_expired(world.store, now + LIFETIME + MARGIN + timedelta(seconds=1)) == [
        "old"
    ]
    assert await world.store.clusters.ids() == [complete]


async def test_name_of_the_certificate_is_found_and_stored(serve: Serve) -> None:
    """The certificate of this API server has its IP address only."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"metadata": {"name": "kube-system", "uid": "uid-1"}})

    async with serve(handle) as direct:
        port = int(direct.servers[0].rpartition(":")[2])
        endpoint = replace(direct, servers=AGENT_SERVERS, dialer=PortDialer(port))
        found, uid = await verified_endpoint(endpoint, "token", [None, "127.0.0.1"])
        assert (found.tls_server_name, uid) == ("127.0.0.1", "uid-1")
        with pytest.raises(ApiUntrusted):
            await verified_endpoint(endpoint, "token", [None, "another.example"])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"name": "a"}, "servers is required"),
        ({"name": "a", "reach": "agent", "servers": ["https://a"]}, "servers does not go with"),
        ({"name": "a", "servers": ["https://a"], "replicas": 3}, "replicas does not go with"),
        ({"name": "a", "reach": "agent", "replicas": 0}, "replicas"),
        ({"name": "a", "reach": "agent", "https_proxy": "socks5://a"}, "https_proxy"),
        ({"name": "a", "reach": "agent", "https_proxy": "http://me:1/2@proxy:3128"}, "%2F"),
        ({"name": "a", "reach": "agent", "host_aliases": [{"ip": "a", "hostnames": ["b"]}]}, "ip"),
        ({"name": "a", "reach": "agent", "tolerations": [{"key": "a", "effect": "No"}]}, "effect"),
    ],
)
async def test_registration_that_cannot_work_reserves_nothing(
    world: AgentWorld, body: dict[str, object], words: str
) -> None:
    status, problem = await world.send("POST", "/v1/registrations", body)
    assert status == 422
    assert words in str(problem)
    assert await world.store.clusters.ids() == []
