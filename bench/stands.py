"""All measured servers: the proxy, its other configurations, its peers, and no proxy."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import bulk, compiled
from bench.peers import go, haproxy, nginx
from bench.scenarios.start import BIG, CLUSTERS, USERS
from bench.scenarios.workers import TWO, workers
from bench.servers import ROOT, Gate, Server, Startable, Workshop
from proxy.files.data_dir import open_keyring
from proxy.startup.configuration import load_config
from store.locations import locate
from tests.support.postgres import installed_programs, server_user, serving

GATE = "sekisho"
DIRECT = "direct"
PEERS = ("go", "nginx", "haproxy")
INTERPRETED = "interpreted"
TRACES = {"traces of 1 %": 0.01, "traces of all": 1.0}
"""Ratios of traced requests."""

VARIANTS = ("audit off", *TRACES, "PostgreSQL", INTERPRETED, TWO)


class LeftOutError(Exception):
    """A server is not available here; the message contains the reason."""


@dataclass(frozen=True)
class Direct:
    """No proxy: the upstream itself, which always runs."""

    server: Server
    name: str = DIRECT

    def start(self) -> Server:
        """Return the running upstream."""
        return self.server


@dataclass(frozen=True)
class Lazy:
    """A proxy that is prepared at its first start, so that unused ones take no time."""

    gate: Gate
    fill: Callable[[Gate], None] = lambda _: None
    """Adds data to its store."""

    @property
    def name(self) -> str:
        """The name in the report."""
        return self.gate.name

    def start(self) -> Server:
        """Start it. Raises LeftOutError where the proxy has not all its workers."""
        if not self.gate.folder.exists():
            self.gate.prepare()
            self.fill(self.gate)
        server = self.gate.start()
        assert server.pid is not None
        if self.gate.server and len(workers(server.pid)) < 2:
            self.gate.shop.end(server.pid)
            raise LeftOutError("this Sekisho serves in one process")
        return server


@contextmanager
def stands(shop: Workshop, open_files: int) -> Iterator[list[Startable]]:
    """Return all available servers, not started; print which ones are missing."""
    direct = Direct(shop.upstream())
    gate = Gate(shop)
    gate.prepare()
    found: list[Startable] = [gate, go(shop, gate.token)]
    for name, peer in (("nginx", nginx(shop)), ("haproxy", haproxy(shop, open_files))):
        if peer is None:
            print(f"{name} isn't installed: left out", flush=True)
        else:
            found.append(peer)
    found.append(direct)
    found.append(Lazy(Gate(shop, "audit off", extra="audit: {output: none}\n")))
    for name, ratio in TRACES.items():
        found.append(Lazy(Gate(shop, name, extra=_traces(shop, ratio))))
    if compiled.environment(ROOT):
        found.append(Lazy(Gate(shop, INTERPRETED, interpreted=True)))
    else:
        print("the request path isn't compiled (make compiled): all of it is interpreted")
    found.append(Lazy(Gate(shop, TWO, server="workers: 2")))
    found.append(Lazy(Gate(shop, BIG), fill=_fill))
    with ExitStack() as stack:
        url = _postgres(stack)
        if url is None:
            print("PostgreSQL isn't installed: left out", flush=True)
        else:
            found.append(Lazy(Gate(shop, "PostgreSQL", store_url=url)))
        yield found


def _traces(shop: Workshop, ratio: float) -> str:
    """Return settings with which requests are traced. The upstream takes any POST, exports too."""
    return (
        f"traces: {{endpoint: '{shop.upstream_url}/v1/traces', ca_file: '{shop.ca}', "
        f"ratio: {ratio}, management_ratio: 0}}\n"
    )


def _fill(gate: Gate) -> None:
    settings = load_config(str(gate.folder / "sekisho.yaml"), {}).settings
    database = locate(settings.store_url).file
    assert database is not None
    bulk.add_users(database, 0, USERS)
    bulk.grant_all_users(database)
    bulk.add_clusters(database, open_keyring(settings), 0, CLUSTERS)


def _postgres(stack: ExitStack) -> str | None:
    """Start a separate server, as the tests do; None if PostgreSQL is not installed."""
    programs = installed_programs()
    if programs is None:
        return None
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sekisho-bench-")))
    shutil.chown(folder, server_user())
    return stack.enter_context(serving(programs, folder))
