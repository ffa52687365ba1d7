"""kubectl works through ``sekisho agent``: a real API server that Sekisho does not connect to."""

import asyncio
import base64
import contextlib
import dataclasses
import signal
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
import yaml

from proxy.demo.fake_kubelet import Pod
from store.agent_records import AgentToken, agent_token_digest
from store.database import SqlStore
from tests.agent.run.agent_process import TOKEN, AgentProcess, running_agent
from tests.proxy.tunnels.conftest import store_of
from tests.support.kubernetes import Kubernetes, kubectl
from tests.support.sekisho import Sekisho, free_port, make_sekisho, running
from tests.support.waiting import eventually


@pytest.fixture
async def edge(
    kubernetes: Kubernetes, tmp_path: Path
) -> AsyncIterator[tuple[Path, AgentProcess, Sekisho]]:
    """Run Sekisho and an agent; yield alice's kubeconfig for the agent's cluster."""
    folder = tmp_path / "sekisho"
    folder.mkdir()
    sekisho = make_sekisho(folder, (free_port(), free_port()))
    config = str(kubernetes.admin_kubeconfig)
    await asyncio.to_thread(
        sekisho.run, "admin", "cluster", "import", "edge", "--kubeconfig", config
    )
    async with store_of(sekisho) as store:
        cluster = await store.clusters.get("edge")
        assert cluster is not None
        # Nothing listens at this address, so no connection can go around the tunnel.
        moved = dataclasses.replace(
            cluster, reach="agent", servers=(f"https://127.0.0.1:{free_port()}",)
        )
        await store.clusters.replace(moved)
        digest = agent_token_digest(TOKEN)
        await store.agent_tokens.create(AgentToken("at-1", cluster.id, digest, datetime.now(UTC)))
    with running(sekisho):
        sekisho.create_user("alice")
        sekisho.change("admin", "cluster", "grant", "edge", "--user", "alice", "--role", "owner")
        ca_pem = (folder / "data" / "tls" / "ca.crt").read_text()
        async with running_agent(
            tmp_path,
            sekisho.url,
            api_server=urlsplit(kubernetes.servers[0]).port or 0,
            ca_pem=ca_pem,
        ) as agent:
            await eventually(agent.ready)
            alice = sekisho.kubeconfig("alice", "edge")

            async def is_bound() -> bool:
                done = await asyncio.to_thread(kubectl, alice, "get", "namespaces")
                return done.returncode == 0

            # The controllers repeat what failed before the agent was connected, after some seconds.
            await eventually(is_bound)
            yield alice, agent, sekisho


async def test_kubectl_reads_writes_and_executes_through_the_agent(
    edge: tuple[Path, AgentProcess, Sekisho],
    namespace: str,
    running_pod: Callable[..., Pod],
    tmp_path: Path,
) -> None:
    alice, agent, sekisho = edge

    async def run(*words: str, text: str | None = None) -> str:
        done = await asyncio.to_thread(kubectl, alice, "-n", namespace, *words, input=text)
        assert done.returncode == 0, f"{done.stderr}\n{agent.log}\n{sekisho.log[-3000:]}"
        return done.stdout

    assert "kube-system" in await run("get", "namespaces")
    text = tmp_path / "text"
    text.write_text("x" * 200_000)
    await run("create", "configmap", "large", f"--from-file={text}")
    assert len(await run("get", "configmap", "large", "-o", "jsonpath={.data.text}")) == 200_000
    await asyncio.to_thread(running_pod, "worker", namespace)
    assert await run("exec", "-i", "worker", "--", "cat", text="through\n") == "through\n"
    assert agent.resident_kib < 64 * 1024
    agent.terminate()
    assert await agent.ended() == 0
    done = await asyncio.to_thread(kubectl, alice, "get", "namespaces")
    assert done.returncode != 0
    assert "agent" in done.stderr


def session_of(kubeconfig: Path) -> aiohttp.ClientSession:
    """Return a session of the kubeconfig's user, who trusts nothing but the kubeconfig's CA."""
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    ca_pem = base64.b64decode(cluster["certificate-authority-data"]).decode()
    return aiohttp.ClientSession(
        f"{cluster['server']}/",
        headers={"Authorization": f"Bearer {user['token']}"},
        connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cadata=ca_pem), limit=0),
    )


async def test_reads_leave_an_agent_that_freezes_before_its_tunnels_end(
    edge: tuple[Path, AgentProcess, Sekisho], kubernetes: Kubernetes, tmp_path: Path
) -> None:
    alice, frozen, sekisho = edge
    tunnels = 'sekisho_tunnels{cluster="edge"}'
    path = "api/v1/namespaces"

    async def read(session: aiohttp.ClientSession) -> int:
        async with session.get(path) as response:
            await response.read()
            return response.status

    async def watch(session: aiohttp.ClientSession) -> None:
        async with session.get(path, params={"watch": "1"}) as response:
            began.set()
            with contextlib.suppress(aiohttp.ClientError):
                while await response.content.readany():
                    pass

    began = asyncio.Event()
    other = tmp_path / "other"
    other.mkdir()
    async with session_of(alice) as session, asyncio.timeout(240):
        # All idle connections, and the watch, are in the tunnels of the agent that freezes.
        watching = asyncio.create_task(watch(session))
        await began.wait()
        assert set(await asyncio.gather(*(read(session) for _ in range(20)))) == {200}
        async with running_agent(
            other,
            sekisho.url,
            api_server=urlsplit(kubernetes.servers[0]).port or 0,
            ca_pem=(tmp_path / "ca.crt").read_text(),
            environ={"POD_NAME": "agent-1"},
        ) as second:
            await eventually(second.ready)
            await eventually(lambda: sekisho.metric(tunnels) == 4)
            frozen.process.send_signal(signal.SIGSTOP)
            assert set(await asyncio.gather(*(read(session) for _ in range(30)))) == {200}
            assert not watching.done()
            assert sekisho.metric(tunnels) == 4
            async with store_of(sekisho) as store:
                await eventually(lambda: _pods(store, {"agent-1"}))
                await eventually(lambda: sekisho.metric(tunnels) == 2)
                assert await _pods(store, {"agent-1"})
            await watching
            assert await read(session) == 200


async def _pods(store: SqlStore, wanted: set[str]) -> bool:
    """Return whether the tunnels that other replicas know are those of the pods."""
    return {one.tunnel.pod for one in await store.tunnels.all()} == wanted
