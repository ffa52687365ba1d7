"""Compute the number of replicas for a number of developers."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.capacity import Costs, People, Replica, measured, need, replicas, report_lines

PEOPLE = People(
    developers=1000,
    at_work=0.5,
    requests_per_s=1.0,
    watches=2.0,
    events_per_watch_s=0.5,
    commands_per_hour=7.2,
    requests_per_command=2.0,
    sessions_per_hour=3.6,
    session_minutes=10.0,
    workers_seen=3.0,
)


def test_need_is_sum_of_all_activities() -> None:
    needed = need(PEOPLE, Costs(request_us=100, event_us=10, watch_kib=64, session_kib=128))
    assert needed.parts["requests on kept connections"] == pytest.approx((501, 0.0501))
    assert needed.parts["events to watches"] == pytest.approx((500, 0.005))
    assert needed.parts["kubectl, a connection each"][0] == pytest.approx(1)
    assert needed.parts["look-ups of tokens"][0] == pytest.approx(50)
    assert (needed.watches, needed.sessions) == pytest.approx((1000, 300))
    assert needed.connections_gib == pytest.approx((1000 * 64 + 300 * 128) / 1024**2)
    assert needed.cores == pytest.approx(sum(cores for _, cores in needed.parts.values()))


@pytest.mark.parametrize(
    ("change", "limit"),
    [({"requests_per_s": 1000.0}, "CPU"), ({"watches": 5000.0, "events_per_watch_s": 0}, "memory")],
)
def test_replicas_follow_from_scarcest_resource(change: dict[str, Any], limit: str) -> None:
    found = replicas(need(replace(PEOPLE, **change), Costs()), Costs(), Replica())
    assert max(found, key=lambda one: found[one]) == limit
    assert found[limit] > 1


def test_measured_costs_are_used_and_marked(tmp_path: Path) -> None:
    readings = [
        {"scenario": "small GET", "server": server, "figures": {"cpu_us": cpu_us}}
        for server, cpu_us in (("sekisho", 40), ("sekisho", 60), ("sekisho", 50), ("go", 1))
    ]
    (tmp_path / "latest.json").write_text(json.dumps({"readings": readings}))
    panel = {"curves": [{"points": [[10, 1], [1000, 77]]}]}
    (tmp_path / "growth.json").write_text(json.dumps({"sessions": [panel, panel]}))
    known = measured(tmp_path)
    assert known == {"request_us": 50, "session_kib": 77}
    lines = list(report_lines(PEOPLE, replace(Costs(), **known), Replica(), known))
    assert any("request_us" in line and "50.0  (measured)" in line for line in lines)
    assert any("fresh_us" in line and "not measured here" in line for line in lines)
    assert "one may be down: 2" in lines[-1]


def test_measured_without_results_returns_no_costs(tmp_path: Path) -> None:
    assert measured(tmp_path) == {}
