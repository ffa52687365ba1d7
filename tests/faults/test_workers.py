"""Several workers: all serve, restart when they end, and act as one Sekisho."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.transport.certificates import KeyPair
from tests.faults.conftest import FaultSekisho, make_fault_sekisho
from tests.support.log_lines import events_of
from tests.support.scripted_api_server import ScriptedApiServer, issue
from tests.support.sekisho import running
from tests.support.waiting import wait_until
from tests.support.workers import (
    alive,
    connections_to_workers,
    metrics_of_all,
    worker_metrics,
    worker_pids,
)

CLUSTER = "/k8s/clusters/scripted"
TWO = {"SEKISHO_SERVER__WORKERS": "2", "SEKISHO_AUDIT__MAX_SIZE": "20KiB"}


@pytest.fixture(scope="module")
def pair(
    prepared: FaultSekisho, authority: KeyPair, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FaultSekisho]:
    """A Sekisho with two workers and the cluster ``scripted``."""
    with ScriptedApiServer(issue(authority)) as api_server:
        sekisho = prepared.copy(
            tmp_path_factory.mktemp("pair"), **TWO, SEKISHO_AUDIT__MAX_BACKUPS="1000"
        )
        sekisho.put_cluster("scripted", [api_server.url], authority.certificate_pem)
        with running(sekisho):
            yield sekisho
            pids = worker_pids(sekisho).values()
            for pid in pids:  # systemd signals every process of a service
                os.kill(pid, signal.SIGTERM)
            assert sekisho.stop() == 0
            assert not any(map(alive, pids))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def both_up(sekisho: FaultSekisho) -> bool:
    return all(sekisho.metric(f'sekisho_worker_up{{worker="{n}"}}') == 1 for n in range(2))


def test_both_workers_serve_and_their_metrics_are_summed(pair: FaultSekisho) -> None:
    count = 'sekisho_requests_total{cluster="scripted",code="200",verb="get"}'
    (before,) = metrics_of_all(pair, count)
    with connections_to_workers(pair) as lines:
        for line, times in zip(lines, (3, 4), strict=True):
            for _ in range(times):
                assert (
                    line.request("GET", f"{CLUSTER}/fine", headers=bearer(pair.root)).status == 200
                )
        wait_until(lambda: pair.metric(count) == before + 7, 10)
    processes = (f'process_cpu_seconds_total{{worker="{name}"}}' for name in ("0", "supervisor"))
    assert all(seconds > 0 for seconds in metrics_of_all(pair, *processes))


def test_killed_worker_restarts_and_the_other_serves_meanwhile(
    pair: FaultSekisho,
) -> None:
    started = 'sekisho_worker_starts_total{worker="0"}'
    count = 'sekisho_requests_total{cluster="scripted",code="200",verb="get"}'
    starts, before = metrics_of_all(pair, started, count)
    victim, other = worker_pids(pair)[0], worker_pids(pair)[1]
    kept = pair.config.read_text()
    pair.config.write_text("server: {listen: nonsense}")
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: not alive(victim), 10)
    asked = 0
    while not asked or pair.metric(started) == starts or not both_up(pair):
        assert pair.request("GET", f"{CLUSTER}/fine", token=pair.root).status == 200
        asked += 1
    pair.config.write_text(kept)
    assert worker_pids(pair)[0] != victim
    assert worker_pids(pair)[1] == other
    assert '"worker ended"' in pair.log
    wait_until(lambda: pair.metric(count) == before + asked, 10, "a count that lost nothing")


def test_terminated_worker_stops_gracefully_and_restarts(pair: FaultSekisho) -> None:
    number, pid = 1, worker_pids(pair)[1]
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: worker_pids(pair).get(number, pid) != pid and both_up(pair), 40)
    ended = [one for one in events_of(pair.log) if one["event"] == "worker ended"]
    assert (ended[-1]["worker"], ended[-1]["how"]) == (number, "exit code 0")


def test_token_revoked_at_one_worker_is_rejected_by_the_other(pair: FaultSekisho) -> None:
    token = pair.prepare("admin", "token", "create", "--user", "root")
    with connections_to_workers(pair) as (one, other):
        for line in (one, other):
            assert line.request("GET", f"{CLUSTER}/fine", headers=bearer(token)).status == 200
        name = token.partition(":")[0]
        revoked = one.request("DELETE", f"/v1/tokens/{name}", headers=bearer(pair.root))
        assert revoked.status in {200, 204}
        wait_until(
            lambda: other.request("GET", f"{CLUSTER}/fine", headers=bearer(token)).status == 401,
            10,
            "the refusal",
        )


def test_audit_log_of_two_workers_with_rotation_is_complete(pair: FaultSekisho) -> None:
    asked = set()
    with connections_to_workers(pair) as lines:
        for number in range(200):
            line = lines[number % 2]
            answer = line.request("GET", f"{CLUSTER}/fine", headers=bearer(pair.root))
            asked.add(answer.headers["X-Request-Id"])
    wait_until(lambda: asked <= {one["auditID"] for one in audited(pair)}, 20)
    ids = [one["auditID"] for one in audited(pair)]
    assert len(ids) == len(set(ids))
    aside = list((pair.folder / "data").glob("audit.log.*"))
    # Number and size depend on how many lines were written together.
    assert aside
    assert all(one.stat().st_size for one in aside), "none was set aside twice"


def audited(sekisho: FaultSekisho) -> list[dict[str, Any]]:
    """Return the complete lines of all files; read again if one is rotated meanwhile."""
    while True:
        files = (sekisho.folder / "data").glob("audit.log*")
        try:
            return [event for one in files for event in events_of(one.read_text())]
        except FileNotFoundError:
            continue


def test_log_lines_of_two_workers_are_complete(pair: FaultSekisho) -> None:
    with connections_to_workers(pair) as lines:
        for number in range(100):
            lines[number % 2].request(
                "GET", f"{CLUSTER}/fine?{'x' * number}", headers=bearer("a:b")
            )
    assert len(events_of(pair.log)) > 1


def test_hanging_worker_is_skipped_and_reported(pair: FaultSekisho) -> None:
    victim = worker_pids(pair)[1]
    os.kill(victim, signal.SIGSTOP)
    try:
        # On a busy machine, the other one may take more than the second that it has.
        wait_until(lambda: pair.metric('process_open_fds{worker="0"}') > 0)
        wait_until(lambda: pair.metric('sekisho_worker_up{worker="0"}') == 1)
        assert pair.metric('sekisho_worker_up{worker="1"}') == 0
        assert pair.metric('process_open_fds{worker="1"}') == 0
    finally:
        os.kill(victim, signal.SIGCONT)
    wait_until(lambda: both_up(pair), 20)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_second_sekisho_on_the_port_is_reported_in_one_line(
    pair: FaultSekisho, tmp_path: Path, workers: str
) -> None:
    other = make_fault_sekisho(tmp_path, SEKISHO_SERVER__WORKERS=workers)
    other.environment["SEKISHO_SERVER__LISTEN"] = f"127.0.0.1:{pair.port}"
    done = other.run("serve", check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"sekisho: error: server.listen: port {pair.port} is in use; stop")


def test_other_program_on_the_port_is_reported_in_one_line(tmp_path: Path) -> None:
    sekisho = make_fault_sekisho(tmp_path, **TWO)
    with socket.create_server(("127.0.0.1", sekisho.port)):
        done = sekisho.run("serve", check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert f"port {sekisho.port} is in use" in line


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("SEKISHO_AUDIT__FILE", "/none/log", "audit.file: can't be written"),
        ("SEKISHO_STORE__URL", "sqlite:////none/x.db", "the folder /none doesn't exist"),
    ],
    ids=["a worker", "the supervisor"],
)
def test_start_failure_is_reported_in_one_line(
    tmp_path: Path, variable: str, value: str, said: str
) -> None:
    sekisho = make_fault_sekisho(tmp_path, **TWO, **{variable: value})
    done = sekisho.run("serve", check=False)
    assert done.returncode == 1
    # On a slow machine, the log also has that the other worker was killed during its start.
    lines = [one for one in done.stderr.splitlines() if "worker doesn't end" not in one]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("sekisho: error: ")
    assert said in lines[0]


def test_workers_end_with_their_supervisor(prepared: FaultSekisho, tmp_path: Path) -> None:
    sekisho = prepared.copy(tmp_path, **TWO)
    sekisho.start()
    pids = list(worker_pids(sekisho).values())
    assert len(pids) == 2
    assert sekisho.process is not None
    sekisho.process.kill()
    sekisho.process.wait()
    wait_until(lambda: not any(map(alive, pids)), 10)
    sekisho.start()  # Nothing uses the port.
    assert sekisho.stop() == 0


def test_one_worker_reconciles_a_cluster(
    prepared: FaultSekisho, authority: KeyPair, tmp_path: Path
) -> None:
    controllers = {"SEKISHO_CONTROLLERS__ENABLED": "true", "TMPDIR": str(tmp_path)}
    sekisho = prepared.copy(tmp_path, **TWO, **controllers)
    kept = 'sekisho_controller_calls_total{cluster="scripted"}'
    with ScriptedApiServer(issue(authority)) as api_server:
        sekisho.put_cluster(
            "scripted", [api_server.url], authority.certificate_pem, controller_token="a-token"
        )
        sekisho.start()
        wait_until(lambda: kept in worker_metrics(tmp_path, 0) + worker_metrics(tmp_path, 1), 30)
        assert [kept in worker_metrics(tmp_path, number) for number in range(2)].count(True) == 1
        assert sekisho.stop() == 0
    assert not list(tmp_path.glob("sekisho-*"))


def test_worker_started_by_hand_is_rejected(tmp_path: Path) -> None:
    done = make_fault_sekisho(tmp_path).run("serve", "--worker", "0", stdin="", check=False)
    assert done.returncode == 1
    assert "set server.workers instead" in done.stderr
