from dataclasses import replace
from pathlib import Path

import pytest

from bench.driver import Driver, names_for, own, rotated
from bench.scenarios.scenario import Figures, Scenario
from bench.servers import Server, Startable, Workshop
from bench.stands import VARIANTS, LeftOutError

HERE = Path(__file__)


class Stand:
    """A server stand without a process."""

    def __init__(self, name: str, *, left_out: bool = False) -> None:
        self.name = name
        self.starts = 0
        self._left_out = left_out

    def start(self) -> Server:
        if self._left_out:
            raise LeftOutError("not here")
        self.starts += 1
        return Server(self.name, "https://127.0.0.1:1", HERE, "", None)


def one(_: Workshop, server: Server) -> Figures:
    if server.name == "haproxy":
        raise RuntimeError("it answered 502")
    return {"per_s": float(len(server.name))}


SCENARIO = Scenario("small GET", one, ())


def driver(*stands: Stand) -> Driver:
    known: dict[str, Startable] = {stand.name: stand for stand in stands}
    return Driver(Workshop(HERE), known, lambda _: None, lambda _, __: None)


def test_each_round_measures_all_servers_in_rotated_order() -> None:
    bench = driver(Stand("sekisho"), Stand("go"), Stand("direct"))
    bench.run([SCENARIO], rounds=2, seconds=60)
    assert [(reading.round, reading.server) for reading in bench.readings] == [
        *((0, "sekisho"), (0, "go"), (0, "direct")),
        *((1, "go"), (1, "direct"), (1, "sekisho")),
    ]


def test_failure_is_recorded_and_other_servers_are_measured() -> None:
    bench = driver(Stand("haproxy"), Stand("go"))
    bench.run([SCENARIO], rounds=1, seconds=60)
    assert bench.failures == ["round 1, small GET, haproxy: it answered 502"]
    assert [reading.server for reading in bench.readings] == ["go"]


def test_unavailable_server_is_not_a_failure() -> None:
    bench = driver(Stand("go", left_out=True), Stand("sekisho"))
    bench.run([SCENARIO], rounds=2, seconds=60)
    assert not bench.failures
    assert {reading.server for reading in bench.readings} == {"sekisho"}


def test_only_first_round_runs_without_remaining_time() -> None:
    bench = driver(Stand("go"))
    bench.run([SCENARIO], rounds=5, seconds=0)
    assert [reading.round for reading in bench.readings] == [0]


@pytest.mark.parametrize(("restarts", "starts"), [(False, 1), (True, 3)])
def test_server_starts_once_or_for_each_round(restarts: bool, starts: int) -> None:
    stand = Stand("go")
    driver(stand).run([replace(SCENARIO, restarts=restarts)], rounds=3, seconds=60)
    assert stand.starts == starts


def test_scenario_selects_peers_variants_or_named_servers() -> None:
    ordinary = ["sekisho", "go", "nginx", "haproxy", "direct"]
    assert names_for(SCENARIO) == ordinary
    variants = names_for(replace(SCENARIO, variants=True))
    assert variants == [*ordinary, *VARIANTS]
    some = replace(SCENARIO, servers=frozenset({"2 workers", "sekisho"}))
    assert names_for(some) == ["sekisho", "2 workers"]


def test_rotated_keeps_all_items() -> None:
    assert rotated(["a", "b", "c"], 4) == ["b", "c", "a"]
    assert rotated([], 1) == []


def test_direct_server_has_latencies_but_no_costs() -> None:
    direct = Stand("direct").start()
    assert own(direct, {"p50_us": 9.0, "cpu_us": 0.0}) == {"p50_us": 9.0}
    sekisho = replace(direct, pid=1)
    assert own(sekisho, {"p50_us": 9.0, "cpu_us": 40.0}) == {"p50_us": 9.0, "cpu_us": 40.0}
