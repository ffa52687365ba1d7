"""Curves of the cost of a request: one function for each number that grows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench import bulk
from bench.growth_load import (
    each_once,
    events,
    held,
    memory_of,
    settle,
    small_get,
    upstream,
)
from bench.plots import Curve, Panel
from bench.scenarios.scenario import PODS
from bench.servers import Gate, Server, Workshop
from config.settings import Settings
from proxy.files.data_dir import open_keyring
from proxy.startup.configuration import load_config
from store.locations import locate

CPU = "CPU µs of a small GET"

MOST_OPEN = 9_500
"""Connections per process with a limit of 20,000 open files: each takes two."""

ENOUGH = 2_000
"""Requests measured together, because some systems count CPU time in ticks of 10 ms."""

Points = list[tuple[float, float]]


def tokens(shop: Workshop, counts: Sequence[int]) -> list[Panel]:
    """Users in the store with a token each: one token used all the time, others once."""
    gate = _gate(shop, "growth-tokens")
    database = _database(gate)
    bulk.grant_all_users(database)
    warm: Points = []
    missed: Points = []
    there = 0
    for count in counts:
        bulk.add_users(database, there, count)
        there = count
        with _running(gate) as server:
            warm.append((count, small_get(server)))
            once = min(count, ENOUGH)
            if once >= 500:  # Fewer take less than one tick.
                missed.append(
                    (
                        count,
                        each_once(
                            shop,
                            server,
                            once,
                            step=count // once,
                            url=server.url + PODS,
                            token=bulk.token("{n}"),
                        ),
                    )
                )
    x = "users in the store, each with a token"
    return [
        Panel("A token in use", x, CPU, [Curve("", warm)]),
        Panel("A token seen for the first time", x, CPU, [Curve("", missed)]),
    ]


def clusters(shop: Workshop, counts: Sequence[int]) -> list[Panel]:
    """Clusters: requests to one of them, and to all in turn.

    Measured on a replica without controllers; ``bench.controllers`` measures those.
    """
    gate = _gate(shop, "growth-clusters", extra="controllers: {enabled: false}\n")
    keyring = open_keyring(_settings(gate))
    one: Points = []
    turns: Points = []
    memory: Points = []
    there = 0
    for count in counts:
        bulk.add_clusters(_database(gate), keyring, there, count)
        there = count
        with _running(gate) as server:
            one.append((count, small_get(server)))
            asked = {
                "url": server.url.removesuffix("bench") + "more-{n}" + PODS,
                "token": server.token,
                "wrap": count,
            }
            # The first time opens a connection to each, which is a separate cost.
            each_once(shop, server, count, **asked)
            turns.append((count, each_once(shop, server, max(count, ENOUGH), **asked)))
            memory.append((count, memory_of(server) / 1024))
    x = "clusters"
    curves = [Curve("all to one", one), Curve("to each in turn", turns)]
    return [
        Panel("Requests", x, CPU, curves),
        Panel("Memory, a connection to each open", x, "MiB resident", [Curve("", memory)]),
    ]


def groups(shop: Workshop, counts: Sequence[int]) -> list[Panel]:
    """Groups of the caller; each one is a header line to the cluster."""
    gate = _gate(shop, "growth-groups")
    database = _database(gate)
    bulk.grant_all_users(database)
    bulk.add_users(database, 0, len(counts))
    for number, count in enumerate(counts):
        bulk.put_in_groups(database, number, count - 1)  # All users are in one group already.
    points: Points = []
    with _running(gate) as server:
        for number, count in enumerate(counts):
            points.append((count, small_get(server, token=bulk.token(number))))
    return [Panel("Groups of the caller", "groups", CPU, [Curve("", points)])]


def connections(shop: Workshop, counts: Sequence[int], *, sessions: bool) -> list[Panel]:
    """Watches or exec sessions that are open and idle."""
    name = "exec sessions" if sessions else "watches"
    workers = 1 + counts[-1] // MOST_OPEN
    gate = _gate(shop, f"growth-{name}", server=f"workers: {workers}" if workers > 1 else "")
    cost: Points = []
    memory: Points = []
    with _running(gate) as server:
        small_get(server)
        empty = memory_of(server)
        with held(shop, server, sessions=sessions) as open_ones:
            for count in counts:
                open_ones.grow_to(count)
                memory.append((count, (memory_of(server) - empty) / count))
                cost.append((count, small_get(server)))
    x = f"open {name}"
    return [
        Panel("Requests meanwhile", x, CPU, [Curve("", cost)]),
        Panel("Memory", x, f"KiB for each of the {name}", [Curve("", memory)]),
    ]


def fan_out(shop: Workshop, counts: Sequence[int]) -> list[Panel]:
    """Events to watches, five a second to each."""
    every, points = 0.2, Points()
    with upstream(shop, every=every):
        gate = _gate(shop, "growth-events")
        with _running(gate) as server, held(shop, server, sessions=False) as open_ones:
            for count in counts:
                open_ones.grow_to(count)
                points.append((count, events(server, count, every=every, seconds=3)))
    return [Panel("Events", "open watches", "CPU µs of an event to one", [Curve("", points)])]


def _gate(shop: Workshop, name: str, *, server: str = "", extra: str = "") -> Gate:
    gate = Gate(shop, name=name, server=server, extra=extra)
    gate.prepare()
    return gate


@contextmanager
def _running(gate: Gate) -> Iterator[Server]:
    server = replace(gate.start(), name=gate.name)
    try:
        settle(server)
        yield server
    finally:
        assert server.pid is not None
        gate.shop.end(server.pid)


def _database(gate: Gate) -> Path:
    file = locate(_settings(gate).store_url).file
    assert file is not None
    return file


def _settings(gate: Gate) -> Settings:
    return load_config(str(gate.folder / "sekisho.yaml"), {}).settings
