"""Provider types with their settings, the states of providers, and trials before storing."""

from collections.abc import Iterator
from typing import Any

import pytest

from management.api.provider_tests import NOT_AVAILABLE
from tests.management.identity.providers import (
    LDAP,
    TYPES,
    add,
    serving,
)
from tests.support.openldap import PASSWORD, OpenLdap
from tests.support.sekisho import HttpResponse, Sekisho, free_port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekisho]:
    with serving(tmp_path_factory.mktemp("types"), "clusters: {allow_networks: []}\n") as made:
        yield made


def trial(server: Sekisho, token: str, kind: str = "openldap", **body: Any) -> HttpResponse:
    return server.request("POST", f"/v1/provider-types/{kind}/test", token=token, body=body)


def directory(openldap: OpenLdap) -> dict[str, Any]:
    """Return the settings of a directory as the API accepts them."""
    ca_pem = openldap.pki.ca.read_text()
    return openldap.config(ca_file=None, ca_pem=ca_pem)


def test_every_installed_type_is_listed_with_a_schema(server: Sekisho, manager: str) -> None:
    items = server.request("GET", "/v1/provider-types", token=manager).json()["items"]
    assert {one["type"] for one in items} == {*TYPES, "local"}
    github = next(one for one in items if one["type"] == "github")
    assert github["settings"]["required"] == ["client_id", "client_secret"]
    assert github["settings"]["secrets"] == ["client_secret", "search_token"]
    assert github["settings"]["properties"]["timeout"]["default"] == "10s"
    assert (github["error"], github["distribution"]) == (None, "sekisho")


def test_provider_states_include_disabled_providers_and_no_secrets(
    server: Sekisho, root: str
) -> None:
    name, response = add(server, root, "github")
    assert response.status == 201, response.body
    response = server.request("GET", "/v1/provider-states", token=root)
    found = {one["name"]: one for one in response.json()["items"]}
    assert (found["local"]["origin"], found["local"]["up"]) == ("config", True)
    assert (found[name]["enabled"], found[name]["up"]) == (False, False)
    assert found[name]["settings"]["timeout"] == "10s"
    assert b"hush" not in response.body


def test_trial_of_a_manager_reaches_no_loopback_address_and_hides_the_error(
    server: Sekisho, manager: str
) -> None:
    settings = {**LDAP, "servers": [f"ldaps://127.0.0.1:{free_port()}"]}
    tried = trial(server, manager, settings=settings)
    assert tried.json() == {"outcome": "unavailable", "reason": NOT_AVAILABLE}


def test_trial_of_invalid_settings_names_each_field(server: Sekisho, root: str) -> None:
    tried = trial(server, root, settings={"servers": [], "base": "x", "colour": "red"})
    assert tried.status == 422
    for field in ("settings.servers", "settings.base", "settings.colour"):
        assert field in tried.json()["detail"]


@pytest.mark.parametrize(("kind", "status"), [("nope", 404), ("local", 422)])
def test_trial_of_an_unknown_type_or_one_without_a_backend_is_refused(
    server: Sekisho, root: str, kind: str, status: int
) -> None:
    assert trial(server, root, kind).status == status


def test_trial_names_no_files_of_the_server(server: Sekisho, root: str) -> None:
    tried = trial(server, root, settings={**LDAP, "ca_file": "/etc/passwd"})
    assert (tried.status, "configuration" in tried.json()["detail"]) == (422, True)


def test_trial_signs_in_at_a_directory_without_creating_a_user(
    server: Sekisho, root: str, openldap: OpenLdap
) -> None:
    name, settings = openldap.create_user(), directory(openldap)
    assert trial(server, root, settings=settings).json()["outcome"] == "reachable"
    tried = trial(server, root, settings=settings, username=name, password=PASSWORD).json()
    assert (tried["outcome"], tried["username"]) == ("accepted", name)
    restricted = trial(
        server,
        root,
        settings=settings,
        username=name,
        password=PASSWORD,
        access_mode="restricted",
        allowed_principals=["openldap_user://someone"],
    ).json()
    assert restricted["outcome"] == "refused"
    users = server.request("GET", f"/v1/users?search={name}", token=root).json()["items"]
    assert users == []


def test_wrong_passwords_in_trials_are_counted_over_all_trials(
    server: Sekisho, root: str, openldap: OpenLdap
) -> None:
    name, settings = openldap.create_user(), directory(openldap)
    for change in range(5):
        changed = {**settings, "search_limit": 10 + change}
        tried = trial(server, root, settings=changed, username=name, password="wrong").json()
        assert tried["outcome"] == "refused"
    tried = trial(server, root, settings=settings, username=name, password=PASSWORD).json()
    assert (tried["outcome"], "too many attempts" in tried["reason"]) == ("unavailable", True)
