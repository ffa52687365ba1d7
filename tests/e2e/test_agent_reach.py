"""kubectl and other clients through the gate, with the cluster reached directly and by agents.

The tunnels, the gate, kubectl and the API server are real. Each test runs both ways: what works on
a direct cluster works on an agent's.
"""

import asyncio
import contextlib
import json
import re
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from proxy.demo.fake_kubelet import Pod
from store.records import Reach
from tests.e2e.kubectl_commands import ok
from tests.support.dialed_gate import TOKEN, Gate, gate
from tests.support.kubernetes import Kubernetes, start_kubectl
from tests.support.sekisho import SekishoWithUsers
from tests.support.waiting import eventually

MiB = 1024 * 1024


@pytest.fixture(params=["direct", "agent"])
async def gated(
    request: pytest.FixtureRequest,
    kubernetes: Kubernetes,
    proxy: SekishoWithUsers,
    tmp_path: Path,
) -> AsyncIterator[Gate]:
    """A gate in front of the cluster, for each way to reach it."""
    reach: Reach = request.param
    async with gate(tmp_path, kubernetes, proxy.users["alice"], reach) as running:
        yield running
        if running.dialer is not None:
            assert running.dialer.dials > 0


@pytest.fixture
async def by_agents(
    kubernetes: Kubernetes, proxy: SekishoWithUsers, tmp_path: Path
) -> AsyncIterator[Gate]:
    """A gate in front of the cluster, with two tunnels."""
    async with gate(tmp_path, kubernetes, proxy.users["alice"], "agent") as running:
        yield running


async def run(gated: Gate, *arguments: str, **options: object) -> str:
    """Run kubectl to its end, and return its output."""
    return await asyncio.to_thread(ok, gated.kubeconfig, *arguments, **options)


def configmap(name: str, size: int = 10) -> dict[str, object]:
    return {"metadata": {"name": name}, "data": {"x": "x" * size}}


async def test_kubectl_reads_writes_and_impersonates(gated: Gate, namespace: str) -> None:
    await run(gated, "-n", namespace, "create", "configmap", "mine", "--from-literal=a=b")
    listed = await run(gated, "-n", namespace, "get", "configmaps", "-o", "name")
    assert "configmap/mine" in listed.split()
    assert "Server Version" in await run(gated, "version")
    review = json.loads(await run(gated, "auth", "whoami", "-o", "json", "--as=jane"))
    assert review["status"]["userInfo"]["username"] == "jane"
    await run(gated, "-n", namespace, "delete", "configmap", "mine")


async def test_watch_prints_a_change_when_it_happens(gated: Gate, namespace: str) -> None:
    watching = start_kubectl(
        gated.kubeconfig, "-n", namespace, "get", "configmaps", "-w", "-o", "name"
    )
    with watching:
        try:
            assert watching.stdout is not None
            line = await asyncio.to_thread(watching.stdout.readline)
            assert line.strip() == "configmap/kube-root-ca.crt"
            await run(gated, "-n", namespace, "create", "configmap", "seen")
            assert (await asyncio.to_thread(watching.stdout.readline)).strip() == "configmap/seen"
        finally:
            watching.terminate()


@pytest.mark.parametrize("websockets", ["true", "false"], ids=["websocket", "spdy"])
async def test_exec_passes_data_in_both_directions(
    gated: Gate, namespace: str, running_pod: Callable[..., Pod], websockets: str
) -> None:
    await asyncio.to_thread(running_pod, "worker", namespace)
    exec_ = ("-n", namespace, "exec", "worker", "--")
    with_input = ("-n", namespace, "exec", "-i", "worker", "--")
    env = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": websockets}
    assert await run(gated, *with_input, "cat", input="a\nb\n", env=env) == "a\nb\n"
    # Without -i: the end of kubectl's input would end the session, also without the gate.
    big = await run(gated, *exec_, "head", "-c", "3000000", "/dev/zero", env=env)
    assert len(big) == 3_000_000
    counted = await run(gated, *with_input, "wc", "-c", input="x" * 3_000_000, env=env)
    assert counted.strip() == "3000000"


async def test_port_forward_passes_data_in_both_directions(
    gated: Gate, namespace: str, running_pod: Callable[..., Pod]
) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(200_000))
        writer.close()

    await asyncio.to_thread(running_pod, "server", namespace)
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    forward = start_kubectl(gated.kubeconfig, "-n", namespace, "port-forward", "server", f":{port}")
    with forward:
        try:
            assert forward.stdout is not None
            line = await asyncio.to_thread(forward.stdout.readline)
            found = re.search(r":(\d+) ->", line)
            assert found is not None
            reader, writer = await asyncio.open_connection("127.0.0.1", int(found[1]))
            writer.write(b"x" * 200_000)
            assert len(await reader.readexactly(200_000)) == 200_000
            writer.close()
        finally:
            forward.terminate()
    server.close()


async def test_large_bodies_pass_in_both_directions(gated: Gate, namespace: str) -> None:
    path = f"api/v1/namespaces/{namespace}/configmaps"
    async with gated.session() as session:
        for number in range(4):
            large = configmap(f"large-{number}", 900_000)
            async with session.post(path, json=large) as response:
                assert response.status == 201
        async with session.get(path) as response:
            items = (await response.json())["items"]
    sizes = [len(one["data"]["x"]) for one in items if one["metadata"]["name"].startswith("large")]
    assert sizes == [900_000] * 4


async def test_reader_that_stalls_holds_up_no_other(gated: Gate, namespace: str) -> None:
    path = f"api/v1/namespaces/{namespace}/configmaps"
    async with gated.session() as session:
        for number in range(12):
            async with session.post(path, json=configmap(f"large-{number}", 900_000)) as response:
                assert response.status == 201
        stalled = [await stalled_reader(gated, path) for _ in range(3)]
        for _ in range(3):
            async with session.get(path) as response:
                assert len(await response.read()) > 10 * MiB
        for _ in range(30):
            async with session.get(f"{path}/kube-root-ca.crt") as response:
                assert response.status == 200
        # They are complete when they are read after all.
        for reader, writer in stalled:
            rest = await reader.read()
            assert len(rest) > 10 * MiB
            writer.close()


async def stalled_reader(
    gated: Gate, path: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Request a large response, and read nothing of it."""
    port = int(gated.url.split(":")[2].split("/")[0])
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(
        sock=sock, ssl=gated.tls(), server_hostname="127.0.0.1", limit=1024
    )
    prefix = gated.url.split(str(port))[1]
    writer.write(
        f"GET {prefix}/{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n".encode()
    )
    return reader, writer


async def test_reads_do_not_fail_when_a_tunnel_breaks(by_agents: Gate, namespace: str) -> None:
    dialer = by_agents.dialer
    assert dialer is not None
    path = f"api/v1/namespaces/{namespace}/configmaps"
    statuses: list[int] = []
    ending = asyncio.Event()

    async def read_on(session: aiohttp.ClientSession) -> None:
        while not ending.is_set():
            async with session.get(path) as response:
                await response.read()
                statuses.append(response.status)

    async with by_agents.session() as session:
        readers = [asyncio.create_task(read_on(session)) for _ in range(10)]
        for _ in range(3):
            known = len(statuses)
            await eventually(lambda known=known: len(statuses) > known + 50)  # type: ignore[misc]
            await dialer.cut()
            await eventually(lambda: dialer.ways == 1)
            await dialer.add_way()
        known = len(statuses)
        await eventually(lambda: len(statuses) > known + 50)
        ending.set()
        await asyncio.gather(*readers)
    assert set(statuses) == {200}


async def test_read_in_a_tunnel_that_breaks_is_sent_again_and_a_write_is_not(
    by_agents: Gate, namespace: str
) -> None:
    dialer = by_agents.dialer
    assert dialer is not None
    path = f"api/v1/namespaces/{namespace}/configmaps"
    name = f"once-{uuid.uuid4().hex[:8]}"
    async with by_agents.session() as session:
        # Two connections of the pool are in the first tunnel, which then carries nothing.
        warm = [session.get(path) for _ in range(2)]
        for response in await asyncio.gather(*warm):
            assert response.status == 200
            await response.read()
        first = dialer.ways_made[0]
        sent = first.tunnel.bytes_out
        first.network.stall()
        reading = asyncio.create_task(_status(session.get(path)))
        writing = asyncio.create_task(_status(session.post(path, json=configmap(name))))
        await eventually(lambda: first.tunnel.bytes_out > sent + 1000)
        await dialer.cut()
        assert (await reading)[0] == 200
        status, body = await writing
        assert status == 502
        assert json.loads(body)["code"] == 502
        async with session.get(f"{path}/{name}") as response:
            assert response.status == 404, "the write was sent again"


async def _status(
    request: contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse],
) -> tuple[int, bytes]:
    async with request as response:
        return response.status, await response.read()


async def test_missing_agent_is_reported_until_one_connects(by_agents: Gate) -> None:
    dialer = by_agents.dialer
    assert dialer is not None
    async with by_agents.session() as session:
        await dialer.cut()
        await eventually(lambda: dialer.ways == 1)
        await dialer.cut()
        await eventually(lambda: dialer.ways == 0)
        for method in ("GET", "POST"):
            async with session.request(method, "api/v1/namespaces", json={}) as response:
                assert response.status == 503
                assert response.headers["Retry-After"] == "1"
                status = await response.json()
                assert status["kind"] == "Status"
                assert "the cluster's agent is not connected" in status["message"]
        await dialer.add_way()
        async with session.get("api/v1/namespaces") as response:
            assert response.status == 200
