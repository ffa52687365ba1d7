"""Providers over the API of a running Sekisho, with one set of settings for each type."""

import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.sekisho import PASSWORD, HttpResponse, Sekisho, free_port, make_sekisho, running

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


@contextmanager
def serving(folder: Path, extra: str = "") -> Iterator[Sekisho]:
    """A Sekisho with the administrator root, and with manager, who may manage providers."""
    made = make_sekisho(folder, (free_port(), free_port()), extra)
    made.environment["SEKISHO_LOGIN__ATTEMPTS_PER_ADDRESS"] = "1000"
    with running(made):
        made.create_user("root", "--admin")
        made.create_user("manager")
        root = sign_in(made, "root")
        role = {"scope": "global", "name": "providers", "permissions": ["providers.manage"]}
        assert made.request("POST", "/v1/roles", token=root, body=role).status == 201
        binding = {"role": "providers", "user": "manager"}
        assert made.request("POST", "/v1/bindings", token=root, body=binding).status == 201
        yield made


def sign_in(server: Sekisho, name: str) -> str:
    body = {"username": name, "password": PASSWORD}
    return str(server.request("POST", "/v1/login/local", body=body).json()["token"])


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
    server.change("admin", "user", "create", who, "--principal", person, "--provider", name)


@contextmanager
def trap() -> Iterator[tuple[int, socket.socket]]:
    """Listen at a destination that an attacker wants secrets sent to."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.2)
        yield listening.getsockname()[1], listening
