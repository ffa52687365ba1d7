"""``python -m bench.tunnel_agents``: a thousand agents that connect at once, and stay idle.

So they do after a restart of Sekisho. Each agent has a cluster and a token of its own, and two
tunnels, and dials again as the program does. For figures to keep, the machine must be idle: the
agents' handshakes run on it as well.
"""

import argparse
import asyncio
import json
import multiprocessing
import queue
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from agent.dial import DialError, Target
from agent.relay import Address, Relay
from agent.run.redial import Redial
from agent.run.tunnel import AgentTunnel
from agent.tunnel.control import Hello
from bench import bulk
from bench.machine import cpu_seconds, settled_rss_kib
from bench.servers import ROOT, Gate, Workshop, all_open_files, workshop
from bench.tunnel_systems import reach_by_agent
from proxy.files.data_dir import open_keyring
from proxy.startup.configuration import load_config
from store.agent_records import AgentToken, agent_token_digest
from store.database import open_store
from store.locations import locate

TUNNELS = 2
PROCESSES = 2
"""Processes with agents: one cannot make so many TLS handshakes at once."""

OPEN_SECONDS = 30.0
MOST_KIB = 120.0
MOST_CORE = 0.03
"""Of a core, for a thousand idle tunnels."""

IDLE_SECONDS = 10.0
QUIET_SECONDS = 20.0
"""Until the uses of tokens and the tunnels are stored, which takes a write for each."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Seconds until tunnels were open, and what they cost when they are idle."""

    tunnels: int
    p50_s: float
    p99_s: float
    last_s: float
    dials: int
    gate_cpu_s: float
    kib_per_tunnel: float
    idle_core_per_1000: float

    def missed(self) -> list[str]:
        """Return what is above its limit."""
        limits = {
            f"all tunnels within {OPEN_SECONDS:g} s": self.last_s <= OPEN_SECONDS,
            f"at most {MOST_KIB:g} KiB for a tunnel": self.kib_per_tunnel <= MOST_KIB,
            f"at most {MOST_CORE:.0%} of a core for 1,000 tunnels": self.idle_core_per_1000
            <= MOST_CORE,
        }
        return [what for what, holds in limits.items() if not holds]


def main() -> int:
    """Run the command. The exit status is 1 if a limit is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.tunnel_agents", description=__doc__)
    parser.add_argument("--agents", type=int, default=1000)
    output = ROOT / "bench" / "results" / "tunnel_agents.json"
    parser.add_argument("--output", type=Path, default=output)
    chosen = parser.parse_args()
    all_open_files()
    with tempfile.TemporaryDirectory() as folder, workshop(Path(folder)) as shop:
        outcome = measure(shop, chosen.agents)
    for name, value in asdict(outcome).items():
        print(f"{name:20} {value:10.3f}")
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.write_text(json.dumps(asdict(outcome), indent=1) + "\n")
    for one in outcome.missed():
        print(f"missed: {one}", file=sys.stderr)
    return int(bool(outcome.missed()))


def measure(shop: Workshop, agents: int) -> Outcome:
    """Let all agents connect, and measure the idle tunnels."""
    shop.upstream()
    # The clusters do not exist, and the controllers would look for all of them.
    gate = Gate(shop, extra="controllers: {enabled: false}\n")
    gate.prepare()
    asyncio.run(_fill(str(gate.folder / "sekisho.yaml"), agents))
    server = gate.start()
    assert server.pid is not None
    before, cpu = settled_rss_kib(server.pid), cpu_seconds(server.pid)
    with multiprocessing.Manager() as manager:
        opened, ending = manager.Queue(), manager.Event()
        share = [range(one, agents, PROCESSES) for one in range(PROCESSES)]
        arguments = [(f"https://127.0.0.1:{gate.port}", server.ca, one) for one in share]
        with ProcessPoolExecutor(PROCESSES) as pool:
            running = [pool.submit(connect, *one, opened, ending) for one in arguments]
            try:
                times = [one for _ in running for one in opened.get(timeout=600)]
                used = cpu_seconds(server.pid) - cpu
                grown = settled_rss_kib(server.pid) - before
                time.sleep(QUIET_SECONDS)
                start, idle = cpu_seconds(server.pid), time.monotonic()
                time.sleep(IDLE_SECONDS)
                core = (cpu_seconds(server.pid) - start) / (time.monotonic() - idle)
            finally:
                ending.set()
            dials = sum(one.result() for one in running)
    return _outcome(times, dials, used, grown, core)


def _outcome(times: Sequence[float], dials: int, used: float, grown: float, core: float) -> Outcome:
    cuts = statistics.quantiles(times, n=100)
    count = len(times)
    idle = core / count * 1000
    return Outcome(count, cuts[49], cuts[98], max(times), dials, used, grown / count, idle)


async def _fill(config: str, agents: int) -> None:
    """Add a cluster and a token for each agent."""
    await reach_by_agent(config)
    settings = load_config(config, {}).settings
    keyring = open_keyring(settings)
    database = locate(settings.store_url).file
    assert database is not None
    bulk.add_clusters(database, keyring, 0, agents)
    store = await open_store(settings.store_url, keyring)
    try:
        for number in range(agents):
            digest = agent_token_digest(_token(number))
            at = datetime.now(UTC)
            await store.agent_tokens.create(
                AgentToken(f"at-more-{number}", f"c-{number}", digest, at)
            )
    finally:
        await store.close()


def _token(number: int) -> str:
    return f"agent-token-{number}"


def connect(
    url: str,
    ca: Path,
    numbers: Sequence[int],
    opened: queue.Queue[list[float]],
    ending: threading.Event,
) -> int:
    """Be the agents with those numbers, until ``ending``. Return how often they dialed."""
    all_open_files()
    return asyncio.run(_connect(url, ca.read_text(), numbers, opened, ending))


async def _connect(
    url: str,
    ca_pem: str,
    numbers: Sequence[int],
    opened: queue.Queue[list[float]],
    ending: threading.Event,
) -> int:
    dials, times = 0, list[float]()
    relay = Relay(Address("127.0.0.1", 1))
    began = time.monotonic()

    async def one(number: int) -> AgentTunnel:
        nonlocal dials
        redial = Redial()
        await asyncio.sleep(redial.pause())
        while True:
            dials += 1
            tunnel = AgentTunnel(relay, Hello("0.0.0", f"agent-{number}", "node"))
            try:
                await tunnel.open(Target(url, _token(number), ca_pem))
            except DialError as exc:
                await asyncio.sleep(redial.pause(retry_after=exc.retry_after))
            else:
                times.append(time.monotonic() - began)
                return tunnel

    wanted = [one(number) for number in numbers for _ in range(TUNNELS)]
    tunnels = await asyncio.gather(*wanted)
    opened.put(times)
    await asyncio.to_thread(ending.wait)
    await asyncio.gather(*(tunnel.close() for tunnel in tunnels))
    return dials


if __name__ == "__main__":
    sys.exit(main())
