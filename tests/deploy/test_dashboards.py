"""Dashboards are current, name metrics that exist, and show data of a real server."""

import http.client
import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs.test_metrics import metrics
from tests.support.alert_rules import PROCESS_METRICS, ROOT, RULES, metrics_in
from tests.support.prometheus import Prometheus
from tests.support.scraped_sekisho import ScrapedSekisho, scraping
from tests.support.sekisho import PASSWORD, SekishoWithUsers, await_bindings, free_port, running
from tests.support.waiting import wait_until

FOLDER = ROOT / "deploy/chart/files/dashboards"
SECONDS = 120.0

EMPTY = {
    "sekisho_cluster_allocatable_cpu_cores": "the cluster of tests has no node",
    "sekisho_cluster_allocatable_memory_bytes": "the same",
    "sekisho_cluster_used_cpu_cores": "the same",
    "sekisho_cluster_used_memory_bytes": "the same",
    "sekisho_cluster_deprecated_apis": "read an hour after the start",
    "sekisho_identities_not_refreshed": "only after failed refreshes",
    "sekisho_identity_refreshes_total": "only after an hour",
    "sekisho_open_upgrades": "exec needs a node",
    "sekisho_refused_connections_total": "only at a limit",
    "sekisho_rejected_requests_total": "only at a limit",
    "sekisho_tunnel_rtt_seconds": "the cluster has no agent",
    "sekisho_tunnels": "the cluster has no agent",
    "sekisho_upstream_errors_total": "only after a failure of an API server",
}
"""Metrics whose panels are empty here, and why."""

NOTHING_WRONG = {"Conditions that do not hold", "Failing requests"}
"""Panels that are empty while nothing is wrong."""


def dashboards() -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))]


def targets() -> Iterator[tuple[str, str, str]]:
    """Yield the dashboard, the panel, and the expression of every query."""
    for one in dashboards():
        for panel in one["panels"]:
            for target in panel["targets"]:
                yield one["uid"], panel["title"], target["expr"]


def with_values(expression: str) -> str:
    """Return an expression with values for Grafana's variables."""
    for name in ("$job", "$cluster", "$provider"):
        expression = expression.replace(name, ".+")
    return expression.replace("$__rate_interval", "1m")


@pytest.fixture(scope="module")
def server(
    prepared_proxy: SekishoWithUsers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ScrapedSekisho]:
    """A server with protected metrics, in front of a cluster."""
    copied = prepared_proxy.copied_to(tmp_path_factory.mktemp("scraped") / "sekisho")
    server = ScrapedSekisho.protected(copied)
    with running(server):
        await_bindings(server)
        yield server


@pytest.fixture(scope="module")
def prometheus(
    server: ScrapedSekisho, prometheus_program: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """A Prometheus that has scraped the server before, during, and after traffic."""
    folder = tmp_path_factory.mktemp("prometheus")
    with scraping(server, prometheus_program, folder, free_port(), RULES) as prometheus:
        token = server.token("alice")
        path = "/k8s/clusters/test/api/v1/namespaces"
        watch = open_watch(server, f"{path}?watch=true", token)
        # A rate needs two scrapes with the series, so its counters must grow in between.
        expressions = [with_values(one) for _, _, one in targets() if "$__rate_interval" in one]

        def shown() -> bool:
            server.request("GET", f"{path}/default", token=token)
            for password in (PASSWORD, "wrong"):
                body = {"username": "alice", "password": password}
                server.request("POST", "/v1/login/local", body=body)
            return all(prometheus.query(one) or is_excused(one) for one in expressions)

        wait_until(shown, SECONDS, "rates of every counter")
        yield prometheus
        watch.close()


def open_watch(server: ScrapedSekisho, path: str, token: str) -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cafile=str(server.folder / "data" / "tls" / "ca.crt"))
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=120)
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
    assert connection.getresponse().status == 200
    return connection


def is_excused(expression: str) -> bool:
    """Return whether the query may have no data here."""
    return bool(metrics_in(expression) & EMPTY.keys()) or 'code=~"5.."' in expression


def test_dashboards_are_those_of_the_code(tmp_path: Path) -> None:
    build = ROOT / "deploy/dashboards/build.py"
    subprocess.run([sys.executable, build, "--output", tmp_path], check=True, timeout=120)
    made = {file.name: file.read_text() for file in tmp_path.iterdir()}
    stored = {file.name: file.read_text() for file in FOLDER.iterdir()}
    assert made == stored, "run: make dashboards"


def test_dashboards_have_unique_ids_and_titles() -> None:
    found = dashboards()
    assert len(found) == 5
    for key in ("uid", "title"):
        assert len({one[key] for one in found}) == len(found)


def test_panels_explain_themselves_and_do_not_overlap() -> None:
    for one in dashboards():
        taken: set[tuple[int, int]] = set()
        for panel in one["panels"]:
            assert panel["description"]
            place = panel["gridPos"]
            cells = {
                (place["x"] + x, place["y"] + y)
                for x in range(place["w"])
                for y in range(place["h"])
            }
            assert not cells & taken
            assert place["x"] + place["w"] <= 24
            taken |= cells


def test_panels_name_metrics_that_exist() -> None:
    named = {name for _, _, expression in targets() for name in metrics_in(expression)}
    assert named - metrics() - PROCESS_METRICS == set()


def test_reasons_for_empty_panels_are_of_metrics_in_use() -> None:
    named = {name for _, _, expression in targets() for name in metrics_in(expression)}
    assert EMPTY.keys() - named == set()


@pytest.mark.parametrize(("uid", "title", "expression"), list(targets()))
def test_panel_shows_data_of_a_running_server(
    prometheus: Prometheus, uid: str, title: str, expression: str
) -> None:
    found = prometheus.query(with_values(expression))
    if not (metrics_in(expression) & EMPTY.keys() or title in NOTHING_WRONG):
        assert found, (uid, title, expression)


def test_scrape_has_every_metric_that_rules_and_panels_name(server: ScrapedSekisho) -> None:
    text = server.get_monitoring("/metrics")
    families = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}
    of_workers = {"sekisho_worker_up"}
    named = {name for _, _, expression in targets() for name in metrics_in(expression)}
    assert named - families - of_workers == set()


def test_rules_are_evaluated_without_errors_and_no_critical_alert_is_active(
    prometheus: Prometheus,
) -> None:
    def rules() -> list[dict[str, Any]]:
        groups = prometheus.get("/api/v1/rules")["groups"]
        return [rule for group in groups for rule in group["rules"]]

    wait_until(lambda: all(rule["health"] != "unknown" for rule in rules()), SECONDS, "evaluations")
    assert [(rule["name"], rule["lastError"]) for rule in rules() if rule.get("lastError")] == []
    active = [
        rule["name"]
        for rule in rules()
        if rule["state"] != "inactive" and rule["labels"]["severity"] == "critical"
    ]
    assert active == []
