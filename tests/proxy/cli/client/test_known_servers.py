"""The file of known servers, and the choice of one."""

import stat
from pathlib import Path

import pytest

from proxy.cli.client import known_servers
from proxy.cli.client.known_servers import KnownServer, KnownServers, resolve
from proxy.cli.common import CommandFailed

PROD = KnownServer("prod", "https://prod.example")
TEST = KnownServer("test", "https://test.example", "a CA")


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def add(*servers: KnownServer) -> None:
    for one in servers:
        known_servers.change(lambda known, one=one: known.with_server(one))  # type: ignore[misc]


def test_last_server_is_in_use_until_another_is_chosen() -> None:
    add(PROD, TEST)
    assert resolve(None, {}) == TEST
    known_servers.change(lambda known: known.using(PROD))
    assert resolve(None, {}) == PROD
    assert known_servers.load() == KnownServers((PROD, TEST), "prod")


def test_server_is_named_by_option_then_by_variable() -> None:
    add(PROD, TEST)
    environment = {"SEKISHO_SERVER": "prod"}
    assert resolve(None, environment) == PROD
    assert resolve("test", environment) == TEST
    assert resolve("HTTPS://Test.example:443/", {}) == TEST
    other = resolve("https://other.example/", {})
    assert (other.url, other.ca_pem) == ("https://other.example", None)


def test_unknown_server_is_reported_with_the_known_ones() -> None:
    with pytest.raises(CommandFailed, match="sekisho login --server URL"):
        resolve(None, {})
    add(PROD)
    assert resolve(None, {}) == PROD
    with pytest.raises(CommandFailed, match='no server is called "typo"; known: prod'):
        resolve("typo", {})
    known_servers.change(lambda known: KnownServers((PROD, TEST)))
    with pytest.raises(CommandFailed, match="sekisho server use NAME"):
        resolve(None, {})


def test_removed_server_is_no_longer_in_use() -> None:
    add(PROD)
    assert known_servers.change(lambda known: known.without(PROD)) == KnownServers()


def test_file_is_private(tmp_path: Path) -> None:
    add(TEST)
    file = tmp_path / "sekisho" / "servers.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"servers": 1}', '{"servers": [1]}', '{"servers": [{"name": 1}]}', "\udc80"],
)
def test_broken_file_is_named_with_the_remedy(tmp_path: Path, text: str) -> None:
    file = tmp_path / "sekisho" / "servers.json"
    file.parent.mkdir()
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(CommandFailed, match=r"servers.json .*delete it"):
        known_servers.load()


def test_default_name_is_the_host() -> None:
    known = KnownServers((KnownServer("a.example", "https://b.example"),))
    assert known_servers.default_name("https://A.example:8443/", known) == "a.example:8443"
    assert known_servers.default_name("https://a.example", known) == "https://a.example"
    assert known_servers.default_name("https://b.example", known) == "a.example"


def test_name_of_another_server_is_refused() -> None:
    known = KnownServers((PROD,))
    known_servers.check_name("prod", "https://prod.example/", known)
    for name in ("prod", "", " ", "a://b", "a\nb"):
        with pytest.raises(CommandFailed):
            known_servers.check_name(name, "https://other.example", known)
