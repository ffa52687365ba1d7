"""Changes of a provider over the API: who may make them."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.management.identity.providers import (
    GITHUB,
    LDAP,
    OIDC,
    add,
    patch,
    serving,
    used,
)
from tests.support.sekisho import Sekisho


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekisho]:
    with serving(tmp_path_factory.mktemp("changes")) as made:
        yield made


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
