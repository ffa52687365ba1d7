"""Several workers: all serve, none is missed for long, and together they are one Sekisho."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.certificates import KeyPair
from tests.faults.conftest import Besieged, make_besieged
from tests.parts.scripted_master import ScriptedMaster, issue
from tests.parts.vitals import until
from tests.parts.workers import alive, line_to_each, metrics_of_one, worker_pids

CLUSTER = "/k8s/clusters/scripted"
TWO = {"SEKISHO_SERVER__WORKERS": "2", "SEKISHO_AUDIT__MAX_SIZE": "20KiB"}


@pytest.fixture(scope="module")
def pair(
    prepared: Besieged, authority: KeyPair, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Besieged]:
    """A Sekisho of two workers, before the cluster ``scripted``."""
    with ScriptedMaster(issue(authority)) as master:
        sekisho = prepared.copy(
            tmp_path_factory.mktemp("pair"), **TWO, SEKISHO_AUDIT__BACKUPS="1000"
        )
        sekisho.put_cluster("scripted", [master.url], authority.certificate_pem)
        sekisho.start()
        yield sekisho
        pids = worker_pids(sekisho).values()
        for pid in pids:  # systemd tells every process of a service
            os.kill(pid, signal.SIGTERM)
        assert sekisho.stop() == 0
        assert not any(map(alive, pids))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def both_up(sekisho: Besieged) -> bool:
    return all(sekisho.metric(f'sekisho_worker_up{{worker="{n}"}}') == 1 for n in range(2))


def test_both_serve_and_what_they_count_is_added_up(pair: Besieged) -> None:
    count = 'sekisho_requests_total{cluster="scripted",code="200",verb="get"}'
    before = pair.metric(count)
    with line_to_each(pair) as lines:
        for line, times in zip(lines, (3, 4), strict=True):
            for _ in range(times):
                assert line.ask("GET", f"{CLUSTER}/fine", headers=bearer(pair.root)).status == 200
        until(lambda: pair.metric(count) == before + 7, 10)
    assert pair.metric('process_cpu_seconds_total{worker="0"}') > 0
    assert pair.metric('process_cpu_seconds_total{worker="supervisor"}') > 0


def test_a_worker_that_is_killed_comes_back_as_it_was_and_the_other_serves_meanwhile(
    pair: Besieged,
) -> None:
    started = 'sekisho_worker_starts_total{worker="0"}'
    count = 'sekisho_requests_total{cluster="scripted",code="200",verb="get"}'
    starts = pair.metric(started)
    victim, other = worker_pids(pair)[0], worker_pids(pair)[1]
    kept = pair.config.read_text()
    pair.config.write_text("server: {listen: nonsense}")
    os.kill(victim, signal.SIGKILL)
    until(lambda: not alive(victim), 10)
    before = pair.metric(count)
    asked = 0
    while pair.metric(started) == starts or not both_up(pair):
        assert pair.ask("GET", f"{CLUSTER}/fine", token=pair.root).status == 200
        asked += 1
    pair.config.write_text(kept)
    assert asked > 0
    assert worker_pids(pair)[0] != victim
    assert worker_pids(pair)[1] == other
    assert '"worker ended"' in pair.log
    until(lambda: pair.metric(count) == before + asked, 10, "a count that lost nothing")


def test_a_worker_that_is_asked_to_end_does_so_in_order_and_begins_anew(pair: Besieged) -> None:
    number, pid = 1, worker_pids(pair)[1]
    os.kill(pid, signal.SIGTERM)
    until(lambda: worker_pids(pair).get(number, pid) != pid and both_up(pair), 40)
    told = [json.loads(line) for line in pair.log.splitlines() if '"worker ended"' in line]
    assert (told[-1]["worker"], told[-1]["how"]) == (number, "exit code 0")


def test_a_token_that_is_revoked_over_one_worker_is_refused_by_the_other(pair: Besieged) -> None:
    token = pair.quickly("token", "create", "--user", "root")
    with line_to_each(pair) as (one, other):
        for line in (one, other):
            assert line.ask("GET", f"{CLUSTER}/fine", headers=bearer(token)).status == 200
        name = token.partition(":")[0]
        revoked = one.ask("DELETE", f"/v1/tokens/{name}", headers=bearer(pair.root))
        assert revoked.status in {200, 204}
        until(
            lambda: other.ask("GET", f"{CLUSTER}/fine", headers=bearer(token)).status == 401,
            10,
            "the refusal",
        )


def test_the_audit_log_is_complete_though_both_write_and_set_it_aside(pair: Besieged) -> None:
    asked = set()
    with line_to_each(pair) as lines:
        for number in range(200):
            line = lines[number % 2]
            answer = line.ask("GET", f"{CLUSTER}/fine", headers=bearer(pair.root))
            asked.add(answer.headers["X-Request-Id"])
    until(lambda: asked <= {one["auditID"] for one in audited(pair)}, 20)
    ids = [one["auditID"] for one in audited(pair)]
    assert len(ids) == len(set(ids))
    aside = list((pair.folder / "data").glob("audit.log.*"))
    # How many, and how large, depends on how many lines were written together.
    assert aside
    assert all(one.stat().st_size for one in aside), "none was set aside twice"


def audited(sekisho: Besieged) -> list[dict[str, Any]]:
    """What is in all files, taken together; those that are set aside meanwhile are read again."""
    while True:
        files = (sekisho.folder / "data").glob("audit.log*")
        try:
            return [json.loads(line) for one in files for line in one.read_text().splitlines()]
        except FileNotFoundError:
            continue


def test_lines_of_the_log_are_whole(pair: Besieged) -> None:
    with line_to_each(pair) as lines:
        for number in range(100):
            lines[number % 2].ask("GET", f"{CLUSTER}/fine?{'x' * number}", headers=bearer("a:b"))
    for line in pair.log.splitlines():
        json.loads(line)


def test_a_worker_that_hangs_is_left_out_and_told_of(pair: Besieged) -> None:
    victim = worker_pids(pair)[1]
    os.kill(victim, signal.SIGSTOP)
    try:
        assert pair.metric('sekisho_worker_up{worker="1"}') == 0
        assert pair.metric('sekisho_worker_up{worker="0"}') == 1
        assert pair.metric('process_open_fds{worker="0"}') > 0
        assert pair.metric('process_open_fds{worker="1"}') == 0
    finally:
        os.kill(victim, signal.SIGCONT)
    until(lambda: both_up(pair), 20)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_another_sekisho_on_the_same_port_is_told_in_one_line(
    pair: Besieged, tmp_path: Path, workers: str
) -> None:
    other = make_besieged(tmp_path, SEKISHO_SERVER__WORKERS=workers)
    other.environment["SEKISHO_SERVER__LISTEN"] = f"127.0.0.1:{pair.port}"
    done = other.run("serve", check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"sekisho: error: server.listen: port {pair.port} is in use; stop")


def test_any_other_program_on_the_port_is_told_in_one_line(tmp_path: Path) -> None:
    sekisho = make_besieged(tmp_path, **TWO)
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
def test_what_keeps_it_from_starting_is_told_in_one_line(
    tmp_path: Path, variable: str, value: str, said: str
) -> None:
    sekisho = make_besieged(tmp_path, **TWO, **{variable: value})
    done = sekisho.run("serve", check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("sekisho: error: ")
    assert said in line


def test_workers_die_with_their_supervisor(prepared: Besieged, tmp_path: Path) -> None:
    sekisho = prepared.copy(tmp_path, **TWO)
    sekisho.start()
    pids = list(worker_pids(sekisho).values())
    assert len(pids) == 2
    assert sekisho.process is not None
    sekisho.process.kill()
    sekisho.process.wait()
    until(lambda: not any(map(alive, pids)), 10)
    sekisho.start()  # nothing holds the port
    assert sekisho.stop() == 0


def test_one_worker_looks_after_a_cluster(
    prepared: Besieged, authority: KeyPair, tmp_path: Path
) -> None:
    controllers = {"SEKISHO_CONTROLLERS__ENABLED": "true", "TMPDIR": str(tmp_path)}
    sekisho = prepared.copy(tmp_path, **TWO, **controllers)
    kept = 'sekisho_controller_calls_total{cluster="scripted"}'
    with ScriptedMaster(issue(authority)) as master:
        sekisho.put_cluster(
            "scripted", [master.url], authority.certificate_pem, controller_token="a-token"
        )
        sekisho.start()
        until(lambda: kept in metrics_of_one(tmp_path, 0) + metrics_of_one(tmp_path, 1), 30)
        assert [kept in metrics_of_one(tmp_path, number) for number in range(2)].count(True) == 1
        assert sekisho.stop() == 0
    assert not list(tmp_path.glob("sekisho-*"))


def test_a_worker_may_not_be_started_by_hand(tmp_path: Path) -> None:
    done = make_besieged(tmp_path).run("serve", "--worker", "0", stdin="", check=False)
    assert done.returncode == 1
    assert "set server.workers instead" in done.stderr
