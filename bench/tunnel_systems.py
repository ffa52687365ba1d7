"""What ``bench.tunnel`` compares: reverse proxies with and without a tunnel to the upstream.

Sekisho is compared with itself, reached directly. Rancher's remotedialer and Konnectivity are
libraries, not gates: the same small Go reverse proxy is in front of both, and of neither.
"""

import asyncio
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from bench.servers import (
    PREFIX,
    ROOT,
    START_SECONDS,
    Gate,
    Server,
    Workshop,
    free_port,
    image_environment,
)
from proxy.files.data_dir import open_keyring
from proxy.startup.configuration import load_config
from store.agent_records import AgentToken, agent_token_digest
from store.database import open_store

DIRECT, TUNNEL, PEER = "sekisho direct", "sekisho tunnel", "sekisho peers"
FRONT, REMOTEDIALER, KONNECTIVITY = "go direct", "remotedialer", "konnectivity"
BASES = {TUNNEL: DIRECT, PEER: DIRECT, REMOTEDIALER: FRONT, KONNECTIVITY: FRONT}
"""The system with the same front and no tunnel, by system."""

AGENT_TOKEN = "the-agents-token"
LAST_REGISTERED_PORT = 49151
_KONNECTIVITY = "sigs.k8s.io/apiserver-network-proxy/cmd"


class NotBuiltError(Exception):
    """A program cannot be built here; the message has the reason."""


@dataclass(frozen=True, slots=True)
class System:
    """A running system: where clients connect, and the processes that serve them, by name."""

    name: str
    server: Server
    parts: Mapping[str, int]


def start(shop: Workshop, names: tuple[str, ...], say: Callable[[str], None]) -> list[System]:
    """Start the systems with those names. What cannot be built is left out."""
    make = {
        DIRECT: _sekisho_direct,
        TUNNEL: _sekisho_tunnel,
        PEER: _sekisho_peers,
        FRONT: _go_direct,
        REMOTEDIALER: _remotedialer,
        KONNECTIVITY: _konnectivity,
    }
    started = []
    for name in names:
        try:
            started.append(make[name](shop, name))
        except NotBuiltError as exc:
            say(f"{name} is left out: {exc}")
    return started


def _sekisho_direct(shop: Workshop, name: str) -> System:
    gate = Gate(shop, name)
    gate.prepare()
    server = gate.start()
    return System(name, server, {"gate": _pid(server)})


def _sekisho_tunnel(shop: Workshop, name: str) -> System:
    return sekisho(shop, Gate(shop, name), tunnels=2)


def _sekisho_peers(shop: Workshop, name: str) -> System:
    """One tunnel and two workers: half of the requests need the other worker's tunnel."""
    return sekisho(shop, Gate(shop, name, server="workers: 2"), tunnels=1)


def sekisho(shop: Workshop, gate: Gate, *, tunnels: int) -> System:
    """Start Sekisho and an agent with so many tunnels."""
    gate.prepare()
    asyncio.run(reach_by_agent(str(gate.folder / "sekisho.yaml")))
    server = gate.start()
    token, health = gate.folder / "agent-token", free_port()
    token.write_text(AGENT_TOKEN)
    pid = shop.start(
        *(sys.executable, "-m", "proxy", "agent"),
        *("--server", f"https://127.0.0.1:{gate.port}", "--token-file", token),
        *("--ca-file", server.ca, "--api-server", shop.upstream_url.removeprefix("https://")),
        *("--tunnels", str(tunnels), "--health-listen", f"127.0.0.1:{health}"),
        port=health,
        environment=image_environment(),
        log=gate.folder / "agent.log",
    )
    _wait_until_ready(f"http://127.0.0.1:{health}/readyz")
    return System(gate.name, server, {"gate": _pid(server), "agent": pid})


async def reach_by_agent(config: str) -> None:
    """Let the benchmark's cluster be reached by its agent, with a token."""
    settings = load_config(config, {}).settings
    store = await open_store(settings.store_url, open_keyring(settings))
    try:
        cluster = await store.clusters.get("c-bench")
        assert cluster is not None
        await store.clusters.replace(replace(cluster, reach="agent"))
        digest = agent_token_digest(AGENT_TOKEN)
        await store.agent_tokens.create(AgentToken("at-1", cluster.id, digest, datetime.now(UTC)))
    finally:
        await store.close()


def _go_direct(shop: Workshop, name: str) -> System:
    server = _front(shop, name, "direct")
    return System(name, server, {"gate": _pid(server)})


def _remotedialer(shop: Workshop, name: str) -> System:
    server = _front(shop, name, "remotedialer")
    port = int(server.url.split(":")[2].split("/")[0])
    upstream = shop.upstream_url.removeprefix("https://")
    agent = shop.start(
        *(_built(shop, "front"), "agent", "-ca", shop.ca, "-only", upstream),
        *("-server", f"wss://127.0.0.1:{port}/connect"),
        port=port,  # which listens already
        log=shop.folder / f"{name}-agent.log",
    )
    return System(name, server, {"gate": _pid(server), "agent": agent})


def _konnectivity(shop: Workshop, name: str) -> System:
    socket, ports = shop.folder / "konnectivity.sock", _registered_ports(5)
    hub = shop.start(
        *(_built(shop, "konnectivity-server", f"{_KONNECTIVITY}/server"), "--mode=http-connect"),
        *("--server-port=0", f"--uds-name={socket}", f"--agent-port={ports[0]}"),
        *(f"--admin-port={ports[1]}", f"--health-port={ports[2]}"),
        *(f"--cluster-cert={shop.folder}/tls.crt", f"--cluster-key={shop.folder}/tls.key"),
        port=ports[0],
        log=shop.folder / f"{name}-server.log",
    )
    agent = shop.start(
        *(_built(shop, "konnectivity-agent", f"{_KONNECTIVITY}/agent"), f"--ca-cert={shop.ca}"),
        *("--proxy-server-host=127.0.0.1", f"--proxy-server-port={ports[0]}"),
        *(f"--admin-server-port={ports[3]}", f"--health-server-port={ports[4]}"),
        port=ports[4],
        log=shop.folder / f"{name}-agent.log",
    )
    server = _front(shop, name, "konnectivity", "-uds", str(socket))
    return System(name, server, {"gate": _pid(server), "hub": hub, "agent": agent})


def _registered_ports(count: int) -> list[int]:
    """Return free ports that Konnectivity accepts: it refuses those above 49151."""
    found: list[int] = []
    while len(found) < count:
        port = free_port()
        if port <= LAST_REGISTERED_PORT:
            found.append(port)
    return found


def _front(shop: Workshop, name: str, *mode: str) -> Server:
    port = free_port()
    pid = shop.start(
        _built(shop, "front"),
        *(*mode, "-listen", f"127.0.0.1:{port}"),
        *("-upstream", shop.upstream_url, "-ca", shop.ca),
        *("-cert", shop.folder / "tls.crt", "-key", shop.folder / "tls.key"),
        port=port,
        log=shop.folder / f"{name}-front.log",
    )
    return Server(name, f"https://127.0.0.1:{port}{PREFIX}", shop.ca, "", pid)


def _built(shop: Workshop, name: str, package: str = "./front") -> Path:
    """Return a Go program, built at first. Raises NotBuiltError."""
    program = shop.folder / name
    if not program.exists():
        done = subprocess.run(
            ["go", "build", "-o", str(program), package],
            cwd=ROOT / "bench" / "go_tunnels",
            env={**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod", "GOWORK": "off"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NotBuiltError(done.stderr.strip().splitlines()[-1] if done.stderr else package)
    return program


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.05)
    raise RuntimeError(f"{url}: the agent has no tunnel")


def _pid(server: Server) -> int:
    assert server.pid is not None
    return server.pid
