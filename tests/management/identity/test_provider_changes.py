"""Changes of a provider over the API: who may make them, and where secrets are sent."""

import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.directory_pki import make_pki
from tests.support.sekisho import PASSWORD, HttpResponse, Sekisho, free_port, make_sekisho

LDAP = {
    "servers": ["ldaps://127.0.0.1:1"],
    "base": "dc=example,dc=test",
    "bind_dn": "cn=reader,dc=example,dc=test",
    "bind_password": "hush-hush",
}
AD = {
    "servers": ["ldaps://127.0.0.1:1"],
    "domain": "example.test",
    "bind_dn": "cn=reader,dc=example,dc=test",
    "bind_password": "hush-hush",
}
GITHUB = {
    "client_id": "x",
    "client_secret": "hush-hush",
    "search_token": "hush-too",
    "base_url": "https://127.0.0.1:1",
}
OIDC = {"client_id": "x", "client_secret": "hush-hush", "issuer": "https://127.0.0.1:1"}
TYPES: dict[str, dict[str, Any]] = {
    "openldap": LDAP,
    "freeipa": LDAP,
    "activedirectory": AD,
    "github": GITHUB,
    "oidc": OIDC,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekisho]:
    with serving(tmp_path_factory.mktemp("changes")) as made:
        yield made


@contextmanager
def serving(folder: Path, extra: str = "") -> Iterator[Sekisho]:
    """A Sekisho with the administrator root, and with manager, who may manage providers."""
    made = make_sekisho(folder, (free_port(), free_port()), extra)
    made.environment["SEKISHO_LOGIN__ATTEMPTS_PER_ADDRESS"] = "1000"
    made.start()
    made.create_user("root", "--admin")
    made.create_user("manager")
    root = sign_in(made, "root")
    role = {"scope": "global", "name": "providers", "permissions": ["providers.manage"]}
    assert made.request("POST", "/v1/roles", token=root, body=role).status == 201
    binding = {"role": "providers", "user": "manager"}
    assert made.request("POST", "/v1/bindings", token=root, body=binding).status == 201
    yield made
    made.stop()


def sign_in(server: Sekisho, name: str) -> str:
    body = {"username": name, "password": PASSWORD}
    return str(server.request("POST", "/v1/login/local", body=body).json()["token"])


@pytest.fixture
def root(server: Sekisho) -> str:
    return sign_in(server, "root")


@pytest.fixture
def manager(server: Sekisho) -> str:
    return sign_in(server, "manager")


def add(
    server: Sekisho, token: str, kind: str = "openldap", **values: Any
) -> tuple[str, HttpResponse]:
    name = f"p{uuid.uuid4().hex[:8]}"
    body = {"name": name, "type": kind, "settings": TYPES[kind], "enabled": False, **values}
    response = server.request("POST", "/v1/providers", token=token, body=body)
    return name, response


def patch(server: Sekisho, token: str, name: str, **body: Any) -> HttpResponse:
    return server.request("PATCH", f"/v1/providers/{name}", token=token, body=body)


def trial(server: Sekisho, token: str, name: str, **settings: Any) -> HttpResponse:
    body = {"settings": settings}
    return server.request("POST", f"/v1/providers/{name}/test", token=token, body=body)


def used(server: Sekisho, name: str, kind: str = "openldap") -> None:
    """Create a user whom the provider knows."""
    scheme = f"{kind}_{name}_user" if kind == "oidc" else f"{kind}_user"
    person = f"{scheme}://{uuid.uuid4()}"
    who = f"u{uuid.uuid4().hex[:8]}"
    server.run("admin", "user", "create", who, "--principal", person, "--provider", name)


@contextmanager
def trap() -> Iterator[tuple[int, socket.socket]]:
    """Listen at a destination that an attacker wants secrets sent to."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.2)
        yield listening.getsockname()[1], listening


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


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("openldap", {**LDAP, "servers": ["ldaps://127.0.0.1:2"]}),
        ("openldap", {"key_attribute": "description"}),
        ("openldap", {"username_attribute": "description"}),
        ("oidc", {**OIDC, "issuer": "https://127.0.0.1:2"}),
        ("oidc", {"groups_claim": "nickname"}),
        ("oidc", {"subject_claim": "nickname"}),
        ("oidc", {"client_id": "another"}),
        ("oidc", {"bearer": {"audiences": ["another"], "direct": True}}),
        ("github", {**GITHUB, "api_url": "https://127.0.0.1:2"}),
    ],
)
def test_provider_manager_cannot_change_which_users_a_provider_names(
    server: Sekisho, root: str, manager: str, kind: str, change: dict[str, object]
) -> None:
    name, _ = add(server, root, kind)
    for body in ({"settings": change}, {"settings": change, "adopt_principals": True}):
        refused = patch(server, manager, name, **body)
        assert refused.status == 403, refused.body
    assert patch(server, manager, name, enabled=False).status == 200
    harmless = {"timeout": "5s"} if kind != "openldap" else {"search_limit": 10}
    assert patch(server, manager, name, settings=harmless).status == 200
    assert patch(server, root, name, settings=change).status == 200


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("openldap", {**LDAP, "servers": ["ldaps://127.0.0.1:2"]}),
        ("openldap", {"base": "dc=other"}),
        ("oidc", {**OIDC, "issuer": "https://127.0.0.1:2"}),
    ],
)
def test_new_backend_adopts_users_only_with_an_administrators_confirmation(
    server: Sekisho, root: str, kind: str, change: dict[str, object]
) -> None:
    name, _ = add(server, root, kind)
    used(server, name, kind)
    refused = patch(server, root, name, settings=change)
    assert refused.status == 409, refused.body
    assert "adopt_principals" in refused.json()["detail"]
    before = server.request("GET", f"/v1/providers/{name}", token=root).json()["settings"]
    assert patch(server, root, name, settings=change, adopt_principals=True).status == 200
    after = server.request("GET", f"/v1/providers/{name}", token=root).json()
    assert after["settings"] != before
    assert after["error"] is None


def test_name_of_a_former_provider_needs_an_administrator(
    server: Sekisho, root: str, manager: str
) -> None:
    name, _ = add(server, root, "oidc")
    used(server, name, "oidc")
    assert server.request("DELETE", f"/v1/providers/{name}", token=manager).status == 204
    evil: dict[str, Any] = {
        "name": name,
        "type": "oidc",
        "settings": {**OIDC, "issuer": "https://127.0.0.1:2"},
    }
    for same in ({**evil, "settings": OIDC}, evil, {**evil, "adopt_principals": True}):
        assert server.request("POST", "/v1/providers", token=manager, body=same).status == 403
    assert server.request("POST", "/v1/providers", token=root, body=evil).status == 409
    other_type = {"name": name, "type": "openldap", "settings": LDAP}
    assert server.request("POST", "/v1/providers", token=root, body=other_type).status == 409
    again = {**evil, "settings": OIDC}
    assert server.request("POST", "/v1/providers", token=root, body=again).status == 201
    server.request("DELETE", f"/v1/providers/{name}", token=root)
    adopted = {**evil, "adopt_principals": True}
    assert server.request("POST", "/v1/providers", token=root, body=adopted).status == 201
    server.request("DELETE", f"/v1/providers/{name}", token=root)


def test_provider_manager_cannot_claim_groups_that_hold_roles(
    server: Sekisho, root: str, manager: str
) -> None:
    name = f"w{uuid.uuid4().hex[:8]}"
    group = f"oidc_{name}_group://ops"
    body = {"role": "administrator", "group": group}
    assert server.request("POST", "/v1/bindings", token=root, body=body).status == 201
    new = {"name": name, "type": "oidc", "settings": OIDC, "enabled": False}
    assert server.request("POST", "/v1/providers", token=manager, body=new).status == 403
    assert server.request("POST", "/v1/providers", token=root, body=new).status == 201
    bindings = server.request("GET", "/v1/bindings", token=root).json()["items"]
    assert [one["provider"] for one in bindings if one["group"] == group] == [name]


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
    settings = {**OIDC, "proxy": "http://me:hush@proxy.example:3128/x"}
    _, added = add(server, root, "oidc", settings=settings)
    assert added.status == 201
    assert added.json()["settings"]["proxy"] == "http://***@proxy.example:3128/x"
    assert b"hush" not in added.body
