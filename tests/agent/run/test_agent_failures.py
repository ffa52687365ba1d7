"""An agent whose server, or the network to it, fails or sends what it should not."""

import os
import signal
from pathlib import Path

import pytest

from tests.agent.run.agent_process import running_agent
from tests.agent.run.gates import gate
from tests.agent.run.surroundings import echo_server, echoes, gate_process
from tests.support.fault_proxy import FaultProxy
from tests.support.isolation import free_port
from tests.support.tcp_relay import relay
from tests.support.waiting import eventually


async def test_killed_replica_is_replaced_by_the_other_one(tmp_path: Path) -> None:
    port = free_port()
    async with gate("b") as two:
        with gate_process(port) as killed, relay(port, two.server.port) as balancer:
            async with running_agent(tmp_path, f"http://127.0.0.1:{balancer.port}") as agent:
                await eventually(lambda: _replicas(tmp_path) >= {"a", "b"})
                killed.kill()
                await eventually(lambda: len(two.usable) >= 2)
                assert agent.events("tunnel lost")
                assert await agent.ready()


def _replicas(folder: Path) -> set[str]:
    text = (folder / "agent.log").read_text()
    return {name for name in "ab" if f'"replica": "{name}"' in text}


async def test_frozen_replica_is_noticed_and_used_again_when_it_continues(tmp_path: Path) -> None:
    port = free_port()
    with gate_process(port) as frozen:
        url = f"http://127.0.0.1:{port}"
        async with running_agent(tmp_path, url, "--tunnels", "1") as agent:
            await eventually(agent.ready)
            os.kill(frozen.pid, signal.SIGSTOP)
            await eventually(lambda: agent.events("tunnel lost"))
            assert "nothing arrived" in str(agent.events("tunnel lost")[0]["reason"])
            assert await agent.health("/readyz") == 503
            assert await agent.health("/healthz") == 200
            os.kill(frozen.pid, signal.SIGCONT)
            await eventually(agent.ready)


async def test_network_that_swallows_everything_is_noticed(tmp_path: Path) -> None:
    async with gate() as one:
        with FaultProxy(one.server.port) as network:
            url = f"http://127.0.0.1:{network.port}"
            async with running_agent(tmp_path, url, "--tunnels", "1") as agent:
                await eventually(agent.ready)
                network.stall()
                await eventually(lambda: agent.events("tunnel lost"))
                # Connections are accepted, and the handshake never ends.
                await eventually(lambda: "did not respond within 20 s" in agent.log)
                network.clear_faults()
                await eventually(agent.ready)


async def test_nothing_that_the_server_sends_leads_the_agent_elsewhere(tmp_path: Path) -> None:
    # CVE-2022-3294, CVE-2020-8562: an address that a peer names must not be dialed.
    elsewhere: list[bytes] = []
    relayed: list[bytes] = []
    async with (
        echo_server(relayed) as port,
        echo_server(elsewhere) as other,
        gate() as one,
        running_agent(tmp_path, one.server.url, "--tunnels", "1", api_server=port),
    ):
        await eventually(lambda: one.usable)
        tunnel = one.usable[0]
        address = f"127.0.0.1:{other}".encode()
        line = b'{"type":"welcome","api_server":"%s","server":"http://%s"}\n' % (address, address)
        tunnel.send(1, line + b'{"type":"dial","address":"%s"}\n' % address)
        for text in (b"CONNECT %s HTTP/1.1\r\n\r\n", b"%s\n", b"GET http://%s/ HTTP/1.1\r\n\r\n"):
            assert await echoes(one, text % address)
        assert len(relayed) == 3
        assert elsewhere == []
        assert tunnel.usable


@pytest.mark.parametrize("line", [b"no JSON\n", b"[]\n", b"x" * 20_000])
async def test_server_that_breaks_the_control_stream_loses_the_tunnel_only(
    tmp_path: Path, line: bytes
) -> None:
    async with gate() as one, running_agent(tmp_path, one.server.url, "--tunnels", "1") as agent:
        # The agent has read the welcome: before that, it has no tunnel to lose.
        await eventually(lambda: agent.events("tunnel open"))
        broken = one.usable[0]
        broken.send(1, line)
        await eventually(lambda: not broken.usable and one.usable)
        await eventually(lambda: agent.events("tunnel lost"))
        assert "control stream" in str(agent.events("tunnel lost")[0]["reason"])
