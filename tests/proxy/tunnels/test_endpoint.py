"""Tests of the endpoint for tunnels, at a Sekisho process."""

import asyncio
import base64
import socket
import ssl
from contextlib import AsyncExitStack

import pytest

from agent.dial import DialError
from agent.websocket.handshake import request_headers
from proxy.tunnels.cluster_limits import MOST_OPENINGS, MOST_TUNNELS
from tests.support.agents import TestAgent, open_tunnel
from tests.support.edge import OTHER_TOKEN, TOKEN, add_cluster, store_of, target
from tests.support.log_lines import audit_events, events_of
from tests.support.sekisho import HttpResponse, Sekisho
from tests.support.waiting import eventually


@pytest.fixture
async def edge(sekisho: Sekisho) -> Sekisho:
    """Return a Sekisho with the cluster ``edge``."""
    await add_cluster(sekisho)
    return sekisho


def _ask(sekisho: Sekisho, **headers: str) -> HttpResponse:
    """Ask for a tunnel with these headers beside those of the handshake."""
    shown = {name.replace("_", "-"): value for name, value in headers.items()}
    return sekisho.request("GET", "/v1/tunnel", headers={**request_headers(), **shown})


async def test_agent_opens_a_tunnel_that_is_recorded_and_measured(edge: Sekisho) -> None:
    async with open_tunnel(target(edge)) as agent, store_of(edge) as store:
        await eventually(lambda: agent.welcome is not None)
        await eventually(store.tunnels.all)
        (stored,) = await store.tunnels.all()
        assert agent.welcome is not None
        assert stored.replica.id == agent.welcome.replica
        assert stored.replica.machine == agent.welcome.machine
        assert (stored.tunnel.pod, stored.tunnel.node) == ("agent-abc", "node-1")
        await eventually(lambda: edge.metric('sekisho_tunnel_rtt_seconds{cluster="edge"}') > 0)
        assert edge.metric('sekisho_tunnels{cluster="edge"}') == 1
        # The controllers use it as well, until its agent has refused their streams.
        await eventually(lambda: edge.metric('sekisho_tunnel_streams{cluster="edge"}') == 0)
        await eventually(lambda: _used(edge))
    await eventually(lambda: edge.metric('sekisho_tunnels{cluster="edge"}') == 0)
    for direction in ("received", "sent"):
        assert edge.metric(f'sekisho_tunnel_bytes_total{{direction="{direction}"}}') > 100
    await eventually(lambda: any(one["event"] == "tunnel ended" for one in events_of(edge.log)))
    await eventually(lambda: any(one.get("path") == "/v1/tunnel" for one in events_of(edge.log)))
    lines = events_of(edge.log)
    (opened,) = [one for one in lines if one["event"] == "tunnel opened"]
    (ended,) = [one for one in lines if one["event"] == "tunnel ended"]
    assert (opened["cluster"], opened["pod"]) == ("edge", "agent-abc")
    assert ended["tunnel"] == opened["tunnel"]
    assert ended["bytes_received"] > 0
    assert ended["reason"]
    (access,) = [one for one in lines if one.get("path") == "/v1/tunnel"]
    assert (access["status"], access["cluster"]) == (101, "edge")
    await eventually(lambda: opened["tunnel"] in str(audit_events(edge)))
    audit = str(audit_events(edge))
    assert TOKEN not in edge.log + edge.output + audit


async def _used(sekisho: Sekisho) -> bool:
    async with store_of(sekisho) as store:
        return any(one.last_used_at for one in await store.agent_tokens.of_cluster("c-edge"))


async def test_request_that_names_two_callers_is_refused(edge: Sekisho) -> None:
    bearer = f"Bearer {TOKEN}"
    for response, message in (
        (_ask(edge, Authorization=bearer, Cookie="sekisho_session=x"), "has a cookie"),
        (_ask(edge, Authorization=bearer, Origin=edge.url), "comes from a page"),
        (_ask(edge, Cookie="a=b"), "has a cookie"),
    ):
        assert response.status == 400
        assert message in response.json()["detail"]
    twice = await asyncio.to_thread(_raw, edge, [f"Authorization: {bearer}"] * 2)
    assert twice.startswith(b"HTTP/1.1 400 ")
    assert b"two credentials" in twice


def _raw(sekisho: Sekisho, lines: list[str]) -> bytes:
    """Return the response to a request with exactly these lines beside the handshake's."""
    context = ssl.create_default_context(cafile=str(sekisho.folder / "data" / "tls" / "ca.crt"))
    head = [f"{name}: {value}" for name, value in request_headers().items()] + lines
    text = "\r\n".join(["GET /v1/tunnel HTTP/1.1", "Host: x", *head, "", ""])
    with (
        socket.create_connection(("127.0.0.1", sekisho.port), timeout=60) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(text.encode())
        received = b""
        while part := connection.recv(65536):
            received += part
        return received


async def test_no_empty_unknown_or_users_token_is_401(edge: Sekisho) -> None:
    edge.create_user("alice", "--admin")
    user_token = edge.token("alice")
    basic = base64.b64encode(TOKEN.replace("-", ":", 1).encode()).decode()
    for headers in (
        {},
        {"Authorization": "Bearer unknown"},
        {"Authorization": f"Bearer {user_token}"},
        {"Authorization": f"Basic {basic}"},
    ):
        response = _ask(edge, **headers)
        assert response.status == 401, headers
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
        assert response.json()["request_id"]
        assert user_token not in response.body.decode()
    assert _ask(edge, Authorization="Bearer ").status == 400
    with pytest.raises(DialError, match="agent token is not valid, or was revoked"):
        async with open_tunnel(target(edge, "unknown")):
            pass
    assert user_token not in edge.log


async def test_agent_token_is_no_credential_of_the_api_or_the_proxy(edge: Sekisho) -> None:
    assert edge.request("GET", "/v1/me", token=TOKEN).status == 401
    assert edge.request("GET", "/k8s/clusters/edge/version", token=TOKEN).status == 401


async def test_request_that_is_no_handshake_is_refused(edge: Sekisho) -> None:
    bearer = f"Bearer {TOKEN}"
    plain = edge.request("GET", "/v1/tunnel", headers={"Authorization": bearer})
    assert plain.status == 400
    assert "must upgrade to websocket" in plain.json()["detail"]
    posted = edge.request("POST", "/v1/tunnel", token=TOKEN, body={})
    assert (posted.status, posted.headers["Allow"]) == (405, "GET")
    older = _ask(edge, Authorization=bearer, Sec_WebSocket_Protocol="another.1")
    assert older.status == 400
    assert "versions that do not work together" in older.json()["detail"]


async def test_tunnels_above_the_limit_of_a_cluster_are_429_until_one_ends(edge: Sekisho) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(MOST_TUNNELS - 1):
            await stack.enter_async_context(open_tunnel(target(edge)))
        async with open_tunnel(target(edge, OTHER_TOKEN)):
            response = _ask(edge, Authorization=f"Bearer {TOKEN}")
            assert response.status == 429
            assert int(response.headers["Retry-After"]) > 0
            assert "16 tunnels" in response.json()["detail"]
        await eventually(lambda: _opens(edge))


async def _opens(sekisho: Sekisho) -> bool:
    try:
        async with open_tunnel(target(sekisho)):
            return True
    except DialError:
        return False


async def test_revoked_token_ends_its_tunnels_and_no_others(edge: Sekisho) -> None:
    async with (
        open_tunnel(target(edge)) as agent,
        open_tunnel(target(edge, OTHER_TOKEN)) as other,
        store_of(edge) as store,
    ):
        await eventually(lambda: agent.welcome is not None and other.welcome is not None)
        await store.agent_tokens.revoke("at-1")
        await eventually(lambda: "revoked" in agent.ended, what=lambda: agent.ended)
        assert not other.ended
        await store.clusters.delete("c-edge")
        await eventually(lambda: "removed" in other.ended, what=lambda: other.ended)
    assert _ask(edge, Authorization=f"Bearer {TOKEN}").status == 401


async def test_server_that_stops_drains_its_tunnels_first(edge: Sekisho) -> None:
    agent = TestAgent()
    async with open_tunnel(target(edge), agent):
        await eventually(lambda: agent.welcome is not None)
        assert await asyncio.to_thread(edge.stop) == 0
        assert agent.drained
        await eventually(lambda: "the server stops" in agent.ended, what=lambda: agent.ended)
    async with store_of(edge) as store:
        assert await store.tunnels.all() == []


async def test_agent_that_opens_tunnels_again_and_again_is_429(edge: Sekisho) -> None:
    refused: DialError | None = None
    for _ in range(2 * MOST_OPENINGS):
        try:
            async with open_tunnel(target(edge)):
                pass
        except DialError as exc:
            refused = exc
            break
    assert "open too many tunnels" in str(refused)
    assert refused is not None
    assert refused.retry_after > 0
    with pytest.raises(DialError, match="open too many tunnels"):
        async with open_tunnel(target(edge, OTHER_TOKEN)):
            pass
