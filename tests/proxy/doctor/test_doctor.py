"""``sekisho admin doctor`` against a real server, cluster, and database."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.scraped_sekisho import ScrapedSekisho
from tests.support.sekisho import Sekisho, SekishoWithUsers, make_sekisho, running

LDAP = (
    "providers:\n- {type: local, name: local}\n- {type: openldap, name: corp, "
    'servers: ["ldap://127.0.0.1:1"], allow_plain: true, base: "dc=example,dc=com"}\n'
)


@pytest.fixture(scope="module")
def installed(
    prepared_proxy: SekishoWithUsers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ScrapedSekisho]:
    """A running server with a cluster, and with a token for its metrics."""
    copied = prepared_proxy.copied_to(tmp_path_factory.mktemp("doctor") / "sekisho")
    server = ScrapedSekisho.protected(copied)
    with running(server):
        yield server


def examine(server: Sekisho, *, code: int = 0) -> list[dict[str, Any]]:
    done = server.run("admin", "doctor", "-o", "json", check=False)
    assert done.returncode == code, done.stdout + done.stderr
    made = json.loads(done.stdout)
    assert made["ok"] is (code == 0)
    findings: list[dict[str, Any]] = made["findings"]
    assert all(one["remedy"] for one in findings if one["status"] in {"warning", "error"})
    return findings


def problems(findings: list[dict[str, Any]], check: str) -> list[str]:
    return [
        f"{one['subject']}: {one['message']}"
        for one in findings
        if one["check"] == check and one["status"] == "error"
    ]


def test_healthy_installation_has_no_error(installed: ScrapedSekisho) -> None:
    findings = examine(installed)
    fine = {(one["check"], one["subject"]) for one in findings if one["status"] == "ok"}
    assert fine >= {
        ("store", "sqlite"),
        ("schema", "sqlite"),
        ("keys", "records"),
        ("certificate", "server"),
        ("provider", "provider local"),
        ("cluster", "cluster test"),
        ("rights", "cluster test"),
        ("clock", "cluster test"),
        ("server", f"127.0.0.1:{installed.metrics_port}"),
        ("metrics", f"127.0.0.1:{installed.metrics_port}"),
    }


def test_table_shows_problems_only(installed: ScrapedSekisho) -> None:
    done = installed.run("admin", "doctor")
    assert "lets Sekisho impersonate" not in done.stdout
    assert "other checks found no problem" in done.stderr
    assert "lets Sekisho impersonate" in installed.run("admin", "doctor", "--all").stdout


def test_unreachable_provider_and_cluster_are_errors_with_reasons(
    installed: ScrapedSekisho, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A copy of the database, whose cluster may not be connected to: loopback is not allowed."""
    copied = installed.copied_to(tmp_path_factory.mktemp("broken") / "sekisho")
    text = copied.config.read_text().replace("allow_networks", "deny_networks")
    copied.config.write_text(text + LDAP)
    findings = examine(copied, code=1)
    assert [one[:14] for one in problems(findings, "provider")] == ["provider corp:"]
    assert [one[:13] for one in problems(findings, "cluster")] == ["cluster test:"]


def test_missing_key_is_an_error_and_none_is_made(
    installed: ScrapedSekisho, tmp_path_factory: pytest.TempPathFactory
) -> None:
    copied = installed.copied_to(tmp_path_factory.mktemp("keyless") / "sekisho")
    key = copied.folder / "data" / "encryption.key"
    key.unlink()
    findings = examine(copied, code=1)
    assert "encryption.key is missing" in problems(findings, "keys")[0]
    assert not key.exists()


def test_new_installation_is_not_created(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("new")
    findings = examine(make_sekisho(folder, (1, 2)), code=1)
    assert problems(findings, "data_dir")
    assert sorted(file.name for file in folder.iterdir()) == ["sekisho.yaml"]


def test_invalid_configuration_lists_every_problem(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    server = make_sekisho(tmp_path_factory.mktemp("invalid"), (1, 2), "bogus: 1\nwrong: 2\n")
    findings = examine(server, code=1)
    assert len(problems(findings, "configuration")) == 2


def test_unreachable_database_is_an_error(tmp_path_factory: pytest.TempPathFactory) -> None:
    url = 'store: {url: "postgresql://sekisho:hidden-password@127.0.0.1:1/x"}\n'
    server = make_sekisho(tmp_path_factory.mktemp("away"), (1, 2), url)
    findings = examine(server, code=1)
    assert "nothing listens there" in problems(findings, "store")[0]
    assert "hidden-password" not in json.dumps(findings)
