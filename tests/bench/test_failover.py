"""The figures of bench.failover from what clients reported, and HAProxy's configuration."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bench.failover_balancer import configuration
from bench.failover_clients import Event, parsed
from bench.failover_results import Window, longest_gap, outcome, table
from proxy.transport.certificates import create_authority

WINDOW = Window("a fault", 100.0, 130.0, 111.5)
EVENTS = [
    Event("get", 90.0, 90.1, "503", "503"),
    Event("get", 101.0, 101.1, "200"),
    Event("get", 102.0, 104.0, "EOF", "200"),
    Event("get", 103.0, 109.0, "503", "503"),
    Event("get", 110.0, 110.2, "200"),
    Event("watch", 102.0, 103.0, "end"),
    Event("watch", 102.0, 105.0, "end"),
    Event("watch", 102.0, 104.0, "end"),
    Event("silence", 101.0, 105.5),
    Event("sign-in", 101.0, 102.0, "200"),
    Event("sign-in", 102.0, 102.1, "read tcp 127.0.0.1:1->127.0.0.1:2: EOF"),
    Event("get", 130.0, 130.1, "503", "503"),
]


def test_outcome_counts_what_began_in_the_window() -> None:
    found = outcome(WINDOW, EVENTS)
    assert (found.requests, found.failed, found.failed_twice) == (4, 2, 1)
    assert found.longest_wait == pytest.approx(6.0)
    assert (found.watches_ended, found.again_median, found.again_max) == (3, 2.0, 3.0)
    assert found.longest_silence == pytest.approx(4.5)
    assert found.leases_moved == pytest.approx(11.5)
    assert (found.sign_ins, found.sign_ins_failed) == (2, 1)
    assert found.reasons == {"get: EOF": 1, "get: 503": 1, "sign-in: EOF": 1}


def test_longest_gap_is_within_the_window() -> None:
    assert longest_gap(WINDOW, [101.0, 115.0, 117.0, 129.0]) == pytest.approx(14.0)
    assert longest_gap(WINDOW, [99.0, 116.0, 120.0, 140.0]) == pytest.approx(16.0)
    assert longest_gap(WINDOW, []) == pytest.approx(30.0)


def test_outcome_without_events_is_shown_by_dashes() -> None:
    shown = table([outcome(Window("none", 0.0, 1.0, None), [])]).splitlines()
    assert len({line.count("|") for line in shown}) == 1
    assert "| none | 0 of 0 | 0 | 1.0 s | 0.0 s | 0 | – | – | – | 0 of 0 |" in shown


def test_reports_of_the_clients_are_parsed() -> None:
    line = '{"kind":"get","from":1.5,"to":2,"result":"503","retry":"200"}'
    assert parsed([line]) == [Event("get", 1.5, 2, "503", "200")]
    assert parsed(['{"kind":"silence","from":1,"to":5}']) == [Event("silence", 1, 5)]


def test_haproxy_accepts_the_configuration(load_balancers: dict[str, Path], tmp_path: Path) -> None:
    authority = create_authority("test", lifetime=timedelta(days=1), now=datetime.now(UTC))
    ca = tmp_path / "ca.crt"
    ca.write_bytes(authority.certificate_pem)
    file = tmp_path / "haproxy.cfg"
    file.write_text(configuration(tmp_path, ca, 8443, [1, 2, 3]))
    command = [str(load_balancers["haproxy"]), "-c", "-f", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
