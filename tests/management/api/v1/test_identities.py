"""Providers and principals over the API of a running Sekisho."""

import uuid
from collections.abc import Iterator

import pytest

from tests.support.sekisho import PASSWORD, HttpResponse, Sekisho, free_port, make_sekisho, running

LDAP = {
    "servers": ["ldaps://127.0.0.1:1"],
    "base": "dc=example,dc=test",
    "bind_dn": "cn=reader,dc=example,dc=test",
    "bind_password": "hush-hush",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekisho]:
    made = make_sekisho(tmp_path_factory.mktemp("identities"), (free_port(), free_port()))
    made.environment["SEKISHO_LOGIN__ATTEMPTS_PER_ADDRESS"] = "1000"
    with running(made):
        made.create_user("alice")
        made.create_user("root", "--admin")
        yield made


def sign_in(server: Sekisho, name: str) -> str:
    body = {"username": name, "password": PASSWORD}
    response = server.request("POST", "/v1/login/local", body=body)
    return str(response.json()["token"])


def add(server: Sekisho, token: str, name: str, **values: object) -> HttpResponse:
    body = {"name": name, "type": "openldap", "settings": LDAP, **values}
    return server.request("POST", "/v1/providers", token=token, body=body)


def test_provider_is_added_changed_tested_disabled_and_deleted(server: Sekisho) -> None:
    root = sign_in(server, "root")
    added = add(server, root, "corp")
    assert added.status == 201, added.body
    assert b"hush" not in added.body
    at = "/v1/providers/corp"
    tried = server.request(
        "POST", f"{at}/test", token=root, body={"username": "a", "password": "b"}
    )
    assert tried.json()["outcome"] == "unavailable"
    assert b"hush" not in tried.body
    change = {"access_mode": "required", "allowed_principals": ["ldap_group://1"]}
    changed = server.request("PATCH", at, token=root, body=change)
    assert (changed.status, changed.json()["access_mode"]) == (200, "required")
    assert changed.json()["settings"] == added.json()["settings"]
    down = server.request("POST", "/v1/login/corp", body={"username": "a", "password": "b"})
    assert down.status == 503
    server.request("PATCH", at, token=root, body={"enabled": False})
    gone = server.request("POST", "/v1/login/corp", body={"username": "a", "password": "b"})
    assert gone.status == 404
    assert server.request("DELETE", at, token=root).status == 204
    assert server.request("GET", at, token=root).status == 404


def test_provider_that_is_down_is_reported_and_the_server_stays_ready(server: Sekisho) -> None:
    root = sign_in(server, "root")
    add(server, root, "far")
    ready = server.request("GET", "/readyz?verbose")
    assert ready.status == 200
    assert "provider" not in ready.body.decode(), "it is not for strangers"
    shown = server.get_monitoring("/readyz?verbose")
    assert "[+]provider/local ok" in shown
    assert "provider/far" in shown
    assert server.metric('sekisho_provider_up{provider="local"}') == 1.0
    server.request("DELETE", "/v1/providers/far", token=root)


def test_configured_providers_cannot_be_changed_over_the_api(server: Sekisho) -> None:
    root = sign_in(server, "root")
    local = server.request("GET", "/v1/providers/local", token=root).json()
    assert (local["type"], local["origin"], local["up"]) == ("local", "config", True)
    for response in (
        server.request("PATCH", "/v1/providers/local", token=root, body={"enabled": False}),
        server.request("DELETE", "/v1/providers/local", token=root),
        add(server, root, "local"),
    ):
        assert response.status == 409


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/providers"),
        ("GET", "/v1/providers/local"),
        ("PATCH", "/v1/providers/local"),
        ("DELETE", "/v1/providers/local"),
        ("POST", "/v1/providers/local/test"),
        ("POST", "/v1/users/u-1/refresh"),
    ],
)
def test_only_administrators_manage_providers(server: Sekisho, method: str, path: str) -> None:
    alice = sign_in(server, "alice")
    assert server.request(method, path, token=alice, body={}).status == 403
    assert server.request(method, path, body={}).status == 401


def test_invalid_provider_is_rejected_with_the_reason(server: Sekisho) -> None:
    root = sign_in(server, "root")
    wrong = add(server, root, "corp", settings={**LDAP, "nonsense": "hush"})
    assert wrong.status == 422
    assert "settings.nonsense" in wrong.json()["detail"]
    assert b"hush" not in wrong.body
    assert add(server, root, "Corp!").status == 422


def test_provider_test_returns_the_identity_without_a_sign_in(
    server: Sekisho,
) -> None:
    root = sign_in(server, "root")
    for password, outcome in ((PASSWORD, "accepted"), ("wrong", "refused")):
        body = {"username": "alice", "password": password}
        tried = server.request("POST", "/v1/providers/local/test", token=root, body=body).json()
        assert tried["outcome"] == outcome
        assert "token" not in tried
        assert bool(tried["reason"]) == (outcome == "refused")


def test_principal_linking_needs_recent_proofs_and_the_last_principal_stays(
    server: Sekisho,
) -> None:
    name = f"linked-{uuid.uuid4().hex[:6]}"
    server.create_user(name)
    token = sign_in(server, name)
    me = server.request("GET", "/v1/me", token=token).json()
    body = {"provider": "local", "username": "alice", "password": PASSWORD}
    # Another user's principal cannot be linked, although the proof is valid.
    assert server.request("POST", "/v1/me/principals", token=token, body=body).status == 409
    wrong = {**body, "password": "wrong"}
    assert server.request("POST", "/v1/me/principals", token=token, body=wrong).status == 403
    own = me["principals"][0]["id"]
    assert server.request("DELETE", f"/v1/me/principals/{own}", token=token).status == 409
    made = server.request("POST", "/v1/tokens", token=token, body={}).json()["token"]
    stale = server.request("POST", "/v1/me/principals", token=made, body=body)
    assert stale.status == 403
    assert "sign in again" in stale.json()["detail"]


def test_revoke_all_ends_the_callers_other_tokens(server: Sekisho) -> None:
    name = f"many-{uuid.uuid4().hex[:6]}"
    server.create_user(name)
    token = sign_in(server, name)
    other = sign_in(server, name)
    server.request("POST", "/v1/tokens", token=token, body={})
    assert server.request("DELETE", "/v1/me/tokens", token=token).json() == {"revoked": 2}
    assert server.request("GET", "/v1/me", token=token).status == 200
    assert server.request("GET", "/v1/me", token=other).status == 401


def test_refresh_without_a_response_reports_it_and_changes_nothing(server: Sekisho) -> None:
    token = sign_in(server, "alice")
    response = server.request("POST", "/v1/me/refresh", token=token)
    assert [one["result"] for one in response.json()["items"]] == ["unsupported"]
    assert server.request("GET", "/v1/me", token=token).status == 200


def test_password_reset_ends_sessions_and_optionally_tokens(server: Sekisho) -> None:
    name = f"ned-{uuid.uuid4().hex[:8]}"
    user = server.create_user(name)
    root = sign_in(server, "root")
    session, token = sign_in(server, name), server.token(name)
    at, new = f"/v1/users/{user}/password", "a password to hand over"
    assert server.request("POST", at, token=session, body={"new_password": new}).status == 403
    assert server.request("POST", at, token=root, body={"new_password": "short"}).status == 422
    assert server.request("POST", at, token=root, body={"new_password": new}).status == 204
    assert server.request("GET", "/v1/me", token=session).status == 401
    assert server.request("GET", "/v1/me", token=token).status == 200
    body = {"username": name, "password": new}
    again = server.request("POST", "/v1/login/local", body=body).json()
    assert again["must_change_password"] is True
    everything = {"new_password": new, "revoke_tokens": True}
    assert server.request("POST", at, token=root, body=everything).status == 204
    for ended in (token, again["token"]):
        assert server.request("GET", "/v1/me", token=ended).status == 401
    assert server.request("POST", "/v1/users/u-plain/password", token=root, body=body).status == 404


def test_own_password_change_optionally_ends_tokens(server: Sekisho) -> None:
    name = f"ned-{uuid.uuid4().hex[:8]}"
    server.create_user(name)
    session, token = sign_in(server, name), server.token(name)
    body = {
        "current_password": PASSWORD,
        "new_password": "another password",
        "revoke_tokens": True,
    }
    assert server.request("POST", "/v1/me/password", token=session, body=body).status == 204
    assert server.request("GET", "/v1/me", token=session).status == 200
    assert server.request("GET", "/v1/me", token=token).status == 401


def test_password_set_by_command_ends_the_sessions(server: Sekisho) -> None:
    name = f"ned-{uuid.uuid4().hex[:8]}"
    server.create_user(name)
    session = sign_in(server, name)
    done = server.run(
        "admin", "user", "set-password", name, "--password-stdin", stdin=PASSWORD + "x\n"
    )
    assert done.stdout.endswith("1 sign-ins ended\n")
    assert server.request("GET", "/v1/me", token=session).status == 401


def test_principal_search_needs_permission_to_manage_members(server: Sekisho) -> None:
    root, alice = sign_in(server, "root"), sign_in(server, "alice")
    assert add(server, root, "away").status == 201
    at = "/v1/principals?search="
    assert server.request("GET", at + "a", token=alice).status == 403
    found = server.request("GET", at + "aLI", token=root)
    assert found.status == 200
    assert found.json()["incomplete"] == ["away"]
    assert [(one["name"], one["kind"], one["provider"]) for one in found.json()["items"]] == [
        ("alice", "user", "local")
    ]
    for query in ("", "a&limit=0", "a&limit=x", "a&limit=101"):
        assert server.request("GET", at + query, token=root).status == 422
    only = server.request("GET", at + "%25&provider=local", token=root).json()
    assert only == {"items": [], "incomplete": []}
    server.request("DELETE", "/v1/providers/away", token=root)


def test_user_of_a_provider_is_created_by_principal(server: Sekisho) -> None:
    principal = f"openldap_user://{uuid.uuid4()}"
    refused = server.run("admin", "user", "create", "ann", "--principal", principal, check=False)
    assert "no provider has principals" in refused.stderr
    server.request(
        "POST",
        "/v1/providers",
        token=sign_in(server, "root"),
        body={
            "name": "people",
            "type": "openldap",
            "settings": LDAP,
            "enabled": False,
        },
    )
    done = server.run("admin", "user", "create", "ann", "--principal", principal)
    assert done.stdout.startswith("created user ann (u-")
    twice = server.run("admin", "user", "create", "ann", "--principal", principal, check=False)
    assert "already" in twice.stderr
    for name, why in (("system:ann", "reserved"), ("a\nb", "without control")):
        refused = server.run("admin", "user", "create", name, "--principal", "x://y", check=False)
        assert why in refused.stderr
    neither = server.run("admin", "user", "create", "ann", check=False)
    assert neither.returncode == 2


def test_provider_test_counts_against_the_sign_in_limits(server: Sekisho) -> None:
    name = f"ned-{uuid.uuid4().hex[:8]}"
    server.create_user(name)
    root = sign_in(server, "root")

    def tried(password: str) -> dict[str, str]:
        body = {"username": name, "password": password}
        response = server.request("POST", "/v1/providers/local/test", token=root, body=body)
        said: dict[str, str] = response.json()
        return said

    for _ in range(5):
        assert tried("wrong")["outcome"] == "refused"
    assert "too many attempts" in tried(PASSWORD)["reason"]
    body = {"username": name, "password": PASSWORD}
    assert server.request("POST", "/v1/login/local", body=body).status == 429
