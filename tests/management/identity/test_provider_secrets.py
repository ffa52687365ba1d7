"""Secrets and files of a provider over the API: where they are sent, and what is shown."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.management.identity.providers import (
    LDAP,
    OIDC,
    TYPES,
    add,
    patch,
    serving,
    trap,
    trial,
)
from tests.support.directory_pki import make_pki
from tests.support.sekisho import Sekisho


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekisho]:
    with serving(tmp_path_factory.mktemp("changes")) as made:
        yield made


MOVES = [
    ("openldap", "servers", lambda port: [f"ldap://127.0.0.1:{port}"]),
    ("freeipa", "servers", lambda port: [f"ldap://127.0.0.1:{port}"]),
    ("activedirectory", "servers", lambda port: [f"ldap://127.0.0.1:{port}"]),
    ("github", "base_url", lambda port: f"http://127.0.0.1:{port}"),
    ("github", "api_url", lambda port: f"http://127.0.0.1:{port}"),
    ("github", "proxy", lambda port: f"http://127.0.0.1:{port}"),
    ("oidc", "issuer", lambda port: f"http://127.0.0.1:{port}"),
    ("oidc", "proxy", lambda port: f"http://127.0.0.1:{port}"),
    ("openldap", "tls_server_name", lambda port: "evil.example"),
    ("openldap", "bind_dn", lambda port: "cn=other,dc=example,dc=test"),
]


@pytest.mark.parametrize(("kind", "setting", "value"), MOVES)
def test_secret_is_sent_to_a_new_destination_only_if_given_again(
    server: Sekisho, root: str, kind: str, setting: str, value: Any
) -> None:
    name, added = add(server, root, kind)
    assert added.status == 201, added.body
    with trap() as (port, listening):
        change = {setting: value(port)}
        if setting == "servers":
            change["allow_plain"] = True
        for response in (
            patch(server, root, name, settings=change, adopt_principals=True),
            trial(server, root, name, **change),
        ):
            assert response.status == 422, response.body
            assert "again" in response.json()["detail"]
        with pytest.raises(TimeoutError):
            listening.accept()
        secrets = {key: TYPES[kind][key] for key in TYPES[kind] if "hush" in str(TYPES[kind][key])}
        part = dict(list(secrets.items())[:-1])
        assert patch(server, root, name, settings={**change, **part}).status == 422
        given = patch(server, root, name, settings={**change, **secrets})
        assert given.status == 200, given.body


def test_removed_secret_is_not_sent(server: Sekisho, root: str) -> None:
    name, _ = add(server, root)
    change = {"servers": ["ldaps://127.0.0.1:2"], "bind_password": None, "bind_dn": None}
    assert patch(server, root, name, settings=change).status == 200


@pytest.mark.parametrize(
    "change",
    [
        {"connect_timeout": "5s"},
        {"user_filter": "(objectClass=person)"},
        {"bind_password": "another"},
    ],
)
def test_other_settings_need_no_secret(
    server: Sekisho, root: str, change: dict[str, object]
) -> None:
    name, _ = add(server, root)
    assert patch(server, root, name, settings=change).status == 200


FILES = [
    ("openldap", {"ca_file": "{file}"}),
    ("activedirectory", {"ca_file": "{file}"}),
    ("github", {"ca_file": "{file}"}),
    ("oidc", {"ca_file": "{file}"}),
    ("openldap", {"bind_password_file": "{file}"}),
    ("oidc", {"client_secret_file": "{file}"}),
]


@pytest.mark.parametrize(("kind", "setting"), FILES)
def test_file_settings_are_rejected_over_the_api_without_reading_them(
    server: Sekisho, root: str, tmp_path: Path, kind: str, setting: dict[str, str]
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    readable = tmp_path / "secret"
    readable.write_text("hush")
    (field, _), *_ = setting.items()
    name, _ = add(server, root, kind)
    said = set()
    for file in (pipe, readable, tmp_path / "missing", Path("/dev/zero"), tmp_path):
        change = {field: str(file)}
        _, added = add(server, root, kind, settings={**TYPES[kind], **change})
        for response in (
            added,
            patch(server, root, name, settings=change),
            trial(server, root, name, **change),
        ):
            assert response.status == 422, response.body
            said.add(response.json()["detail"].replace(str(file), ""))
    assert len(said) == 1, "what is at the path makes no difference"
    assert server.request("GET", "/healthz").status == 200


def test_certificates_are_given_as_text(server: Sekisho, root: str, tmp_path: Path) -> None:
    pem = make_pki(tmp_path / "pki", "ldap.example.test").ca.read_text()
    _, added = add(server, root, settings={**LDAP, "ca_pem": pem}, enabled=True)
    assert added.status == 201, added.body
    assert added.json()["error"] is None
    _, wrong = add(server, root, settings={**LDAP, "ca_pem": "no certificate"})
    assert wrong.status == 422
    assert "PEM" in wrong.json()["detail"]


def test_account_of_an_http_proxy_is_masked(server: Sekisho, root: str) -> None:
    settings = {**OIDC, "proxy": "http://me:hush@proxy.example:3128"}
    _, added = add(server, root, "oidc", settings=settings)
    assert added.status == 201
    assert added.json()["settings"]["proxy"] == "http://***@proxy.example:3128"
    assert b"hush" not in added.body
    for proxy in ("me:hush@proxy.example:3128", "http://me:20/hush@proxy.example:3128"):
        _, refused = add(server, root, "oidc", settings={**OIDC, "proxy": proxy})
        assert refused.status == 422
        assert b"hush" not in refused.body
