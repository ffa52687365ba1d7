"""The agent of ``sekisho demo --agent``: all requests to the cluster go through its tunnels."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from management.clusters.agent_registration import AGENT_SERVERS
from management.clusters.agent_tokens import issue_agent_token
from providers.http.response_body import open_session
from proxy.demo.ports import free_port
from proxy.demo.processes import Component
from proxy.files.private_files import write_private
from store.interfaces import Store
from store.records import Cluster

START_SECONDS = 300.0
"""How long the agent may take to connect. It takes about a second on an idle machine."""

STOP_SECONDS = 5.0


async def store_behind_agent(store: Store, cluster: Cluster, folder: Path) -> Cluster:
    """Store that a cluster is reached by its agent, and write the agent's token into ``folder``.

    The cluster has just been verified at its address, so the tunnel is not waited for.
    """
    _, token = await issue_agent_token(store, cluster.id, datetime.now(UTC))
    write_private(folder / "agent-token", token.encode())
    name = cluster.tls_server_name or urlsplit(cluster.servers[0]).hostname
    changed = replace(
        cluster,
        reach="agent",
        servers=AGENT_SERVERS,
        tls_server_name=name,
        trusted_addresses=(),
    )
    await store.clusters.replace(changed)
    return changed


@asynccontextmanager
async def running_agent(
    folder: Path, server: str, ca_file: Path, api_server: str
) -> AsyncIterator[None]:
    """Run ``sekisho agent``, when it has connected to ``server``. Raises ComponentError.

    ``api_server`` is the URL of the API server that it relays to.
    """
    health = f"127.0.0.1:{free_port()}"
    agent = Component("sekisho agent", folder / "agent.log")
    try:
        await agent.start(
            [
                *(sys.executable, "-m", "proxy", "agent", "--server", server),
                *("--token-file", folder / "agent-token", "--ca-file", ca_file),
                *("--api-server", api_server.removeprefix("https://")),
                *("--health-listen", health, "--grace", "2s"),
            ]
        )
        async with open_session(timeout=aiohttp.ClientTimeout(total=5)) as session:

            async def connected() -> bool:
                try:
                    async with session.get(f"http://{health}/readyz") as response:
                        return response.status == 200
                except (aiohttp.ClientError, TimeoutError):
                    return False

            await agent.wait_until(connected, what="connected", seconds=START_SECONDS)
        yield
    finally:
        await asyncio.shield(agent.stop(grace=STOP_SECONDS))
