"""Everything that is measured: the gate, its other configurations, its peers, and no proxy."""

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
from proxy.data_dir import open_keyring
from proxy.startup_settings import load_everything
from store.locations import locate
from tests.parts.postgres import installed_programs, server_user, serving

GATE = "sekisho"
DIRECT = "direct"
PEERS = ("go", "nginx", "haproxy")
INTERPRETED = "interpreted"
VARIANTS = ("audit off", "PostgreSQL", INTERPRETED, TWO)


class LeftOutError(Exception):
    """Something can't be had here; the message says why."""


@dataclass(frozen=True)
class Direct:
    """No proxy: the upstream itself, which is there all the time."""

    server: Server
    name: str = DIRECT

    def start(self) -> Server:
        """What is there."""
        return self.server


@dataclass(frozen=True)
class Lazy:
    """A gate that is prepared at its first start, so that who doesn't need it doesn't wait."""

    gate: Gate
    fill: Callable[[Gate], None] = lambda _: None
    """What else is put into its store."""

    @property
    def name(self) -> str:
        """What the report calls it."""
        return self.gate.name

    def start(self) -> Server:
        """Start it. LeftOutError where the gate doesn't have the workers that it should have."""
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
    """All that can be had here, none of them started; what can't is said."""
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
    found.append(Lazy(Gate(shop, "audit off", extra="audit: {to: none}\n")))
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


def _fill(gate: Gate) -> None:
    settings = load_everything(str(gate.folder / "sekisho.yaml"), {}).settings
    database = locate(settings.store_url).file
    assert database is not None
    bulk.add_users(database, 0, USERS)
    bulk.let_everybody_in(database)
    bulk.add_clusters(database, open_keyring(settings), 0, CLUSTERS)


def _postgres(stack: ExitStack) -> str | None:
    """A server of our own, as the tests have it; None where PostgreSQL isn't installed."""
    programs = installed_programs()
    if programs is None:
        return None
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sekisho-bench-")))
    shutil.chown(folder, server_user())
    return stack.enter_context(serving(programs, folder))
