"""``sekisho agent`` as a process, with replicas of the server in this process or in others."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.agent.connect_proxy import connect_proxy
from tests.agent.run.agent_process import TOKEN, running_agent
from tests.agent.run.gates import gate
from tests.agent.run.surroundings import echo_server, echoes, server_tls
from tests.support.isolation import free_port
from tests.support.tcp_relay import relay
from tests.support.waiting import eventually


async def test_agent_keeps_two_tunnels_and_relays_their_streams(tmp_path: Path) -> None:
    async with (
        echo_server() as port,
        gate() as one,
        running_agent(tmp_path, one.server.url, api_server=port) as agent,
    ):
        await eventually(agent.ready)
        # The only replica gets both.
        await eventually(lambda: len(one.usable) >= 2)
        assert await echoes(one)
        hello = one.hellos[0]
        assert (hello.pod, hello.node, hello.api_server_name) == ("agent-0", "node-1", "127.0.0.1")
        assert hello.version
        assert one.server.requests[0]["Authorization"] == f"Bearer {TOKEN}"
        assert agent.resident_kib < 64 * 1024
        agent.terminate()
        assert await agent.ended() == 0
        assert TOKEN not in agent.log


async def test_api_server_with_an_ipv6_address_is_reached(tmp_path: Path) -> None:
    async with (
        echo_server(host="::1") as port,
        gate() as one,
        running_agent(
            tmp_path,
            one.server.url,
            api_server=port,
            environ={"KUBERNETES_SERVICE_HOST": "::1"},
        ),
    ):
        await eventually(lambda: one.usable)
        assert await echoes(one)
        assert one.hellos[0].api_server_name == "::1"


async def test_agent_with_two_replicas_has_a_tunnel_to_each(tmp_path: Path) -> None:
    async with gate("a") as one, gate("b") as two:
        a, b = one.server.port, two.server.port
        # The balancer leads the first dials to one replica.
        with relay(a, a, a, b) as balancer:
            async with running_agent(tmp_path, f"http://127.0.0.1:{balancer.port}") as agent:
                await eventually(lambda: len(one.usable) == 1 and len(two.usable) == 1)
                assert await agent.ready()


async def test_agent_prefers_replicas_on_distinct_machines(tmp_path: Path) -> None:
    async with gate("a", "m") as one, gate("b", "m") as two, gate("c", "n") as three:
        a, b, c = (each.server.port for each in (one, two, three))
        with relay(a, a, b, a, b, c) as balancer:
            async with running_agent(tmp_path, f"http://127.0.0.1:{balancer.port}"):
                await eventually(
                    lambda: len(three.usable) == 1 and len(one.usable) + len(two.usable) == 1
                )


async def test_token_that_is_replaced_is_used_at_the_next_dial(tmp_path: Path) -> None:
    async with gate() as one, running_agent(tmp_path, one.server.url, "--tunnels", "1") as agent:
        await eventually(lambda: one.usable)
        agent.token_file.write_text("second-secret-token")
        one.usable[0].close("the test closes it")
        await eventually(lambda: one.usable)
        assert one.server.requests[-1]["Authorization"] == "Bearer second-secret-token"
        assert "secret-token" not in agent.log


async def test_server_that_is_away_or_refuses_is_dialed_until_it_returns(tmp_path: Path) -> None:
    port = free_port()
    async with running_agent(tmp_path, f"http://127.0.0.1:{port}", "--tunnels", "1") as agent:
        await eventually(lambda: agent.events("no tunnel"))
        assert "connection refused" in str(agent.events("no tunnel")[0]["error"])
        assert await agent.health("/readyz") == 503
        assert await agent.health("/healthz") == 200
        async with gate(port=port) as one:
            one.server.refusal = b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"
            await eventually(lambda: "responded 401" in agent.log)
            assert f"the token in {agent.token_file} is not valid" in agent.log
            one.server.refusal = None
            await eventually(agent.ready)
        assert TOKEN not in agent.log


async def test_retry_after_of_the_server_is_honoured(tmp_path: Path) -> None:
    async with gate() as one:
        one.server.refusal = b"HTTP/1.1 503 Busy\r\nRetry-After: 200\r\nContent-Length: 0\r\n\r\n"
        async with running_agent(tmp_path, one.server.url, "--tunnels", "1") as agent:
            await eventually(lambda: agent.events("no tunnel"))
            [line] = agent.events("no tunnel")
            assert 200 <= float(str(line["redial_in"])) <= 201


async def test_server_with_another_ca_gets_no_token(tmp_path: Path) -> None:
    tls, _ = server_tls(tmp_path / "server", "127.0.0.1")
    _, other = server_tls(tmp_path / "other", "127.0.0.1")
    async with gate(tls=tls) as one:
        url = f"https://127.0.0.1:{one.server.port}"
        async with running_agent(tmp_path, url, ca_pem=other) as agent:
            await eventually(lambda: agent.events("no tunnel"))
            assert f"write the CA of the server into {tmp_path / 'ca.crt'}" in agent.log
            assert one.server.requests == []


async def test_replica_that_drains_is_replaced_before_its_streams_end(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(echo_server())
        one, two = [await stack.enter_async_context(gate(name)) for name in "ab"]
        ports = (one.server.port, two.server.port)
        balancer = stack.enter_context(relay(*ports))
        url = f"http://127.0.0.1:{balancer.port}"
        agent = await stack.enter_async_context(
            running_agent(tmp_path, url, "--tunnels", "1", api_server=port)
        )
        await eventually(lambda: one.usable or two.usable)
        old, new = (one, two) if one.usable else (two, one)
        tunnel = old.usable[0]
        reader, writer = await old.connect()
        old.drain()
        await eventually(lambda: new.usable)
        # The stream in the old tunnel goes on, and no other one is accepted there.
        await eventually(lambda: tunnel.peer_leaves)
        writer.write(b"still")
        assert await reader.readexactly(5) == b"still"
        assert await agent.ready()
        assert not old.server.ended
        writer.close()
        await eventually(lambda: old.server.ended)


async def test_sigterm_lets_streams_end_and_accepts_no_others(tmp_path: Path) -> None:
    async with (
        echo_server() as port,
        gate() as one,
        running_agent(tmp_path, one.server.url, "--tunnels", "1", api_server=port) as agent,
    ):
        await eventually(lambda: one.usable)
        tunnel = one.usable[0]
        reader, writer = await one.connect()
        agent.terminate()
        await eventually(lambda: tunnel.peer_leaves)
        assert await agent.health("/readyz") == 503
        assert await agent.health("/healthz") == 200
        writer.write(b"still")
        assert await reader.readexactly(5) == b"still"
        writer.close()
        assert await agent.ended() == 0
        await eventually(lambda: one.server.ended)
        assert "the agent ends this tunnel" in one.server.ended[0]


@pytest.mark.parametrize("grace", ["1s", "1h"])
async def test_grace_period_or_second_sigterm_ends_streams(tmp_path: Path, grace: str) -> None:
    async with (
        echo_server() as port,
        gate() as one,
        running_agent(tmp_path, one.server.url, "--grace", grace, api_server=port) as agent,
    ):
        await eventually(lambda: one.usable)
        reader, _ = await one.connect()
        agent.terminate()
        await eventually(lambda: agent.events("agent leaves"))
        if grace == "1h":
            agent.terminate()
        assert await agent.ended() == 0
        assert await reader.read() == b""


async def test_tunnel_goes_through_the_proxy_of_the_environment(tmp_path: Path) -> None:
    # The address is for documentation (RFC 5737): no server is there.
    tls, ca_pem = server_tls(tmp_path / "server", "192.0.2.1")
    async with gate(tls=tls) as one, connect_proxy(one.server.port, "me:hush-hush") as proxy:
        environ = {
            "HTTPS_PROXY": f"http://me:hush-hush@127.0.0.1:{proxy.port}",
            "NO_PROXY": "198.51.100.0/24,.internal",
        }
        url = "https://192.0.2.1"
        # One tunnel: of two, the other one may be dialed at any time.
        one_tunnel = ("--tunnels", "1")
        async with running_agent(
            tmp_path, url, *one_tunnel, environ=environ, ca_pem=ca_pem
        ) as agent:
            await eventually(agent.ready)
            assert proxy.asked == ["192.0.2.1:443"]
            assert "hush" not in agent.log
        excluded = {**environ, "NO_PROXY": "192.0.2.0/28"}
        async with running_agent(
            tmp_path, url, *one_tunnel, environ=excluded, ca_pem=ca_pem
        ) as agent:
            await eventually(lambda: agent.events("no tunnel"))
            assert proxy.asked == ["192.0.2.1:443"]


async def test_proxy_that_refuses_the_account_is_reported_without_the_password(
    tmp_path: Path,
) -> None:
    async with connect_proxy(1, "me:hush-hush") as proxy:
        environ = {"https_proxy": f"http://me:wrong-pass@127.0.0.1:{proxy.port}"}
        async with running_agent(tmp_path, "https://192.0.2.1", environ=environ) as agent:
            await eventually(lambda: agent.events("no tunnel"))
            assert "responded 407; give it a user and a password in HTTPS_PROXY" in agent.log
            assert "wrong-pass" not in agent.log
