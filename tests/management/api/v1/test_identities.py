"""Providers and principals over the API of a running Sekisho."""

import uuid
from collections.abc import Iterator

import pytest

from tests.parts.sekisho import PASSWORD, Answer, Sekisho, free_port, make_sekisho

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
    made.start()
    made.create_user("alice")
    made.create_user("root", "--admin")
    yield made
    made.stop()


def sign_in(server: Sekisho, name: str) -> str:
    body = {"username": name, "password": PASSWORD}
    answer = server.ask("POST", "/v1/login/local", body=body)
    return str(answer.json()["token"])


def add(server: Sekisho, token: str, name: str, **values: object) -> Answer:
    body = {"name": name, "type": "openldap", "settings": LDAP, **values}
    return server.ask("POST", "/v1/providers", token=token, body=body)


def test_a_provider_is_added_changed_tried_disabled_and_deleted(server: Sekisho) -> None:
    root = sign_in(server, "root")
    added = add(server, root, "corp")
    assert added.status == 201, added.body
    assert b"hush" not in added.body
    at = "/v1/providers/corp"
    tried = server.ask("POST", f"{at}/test", token=root, body={"username": "a", "password": "b"})
    assert tried.json()["outcome"] == "unavailable"
    assert b"hush" not in tried.body
    change = {"access_mode": "required", "allowed_principals": ["ldap_group://1"]}
    changed = server.ask("PATCH", at, token=root, body=change)
    assert (changed.status, changed.json()["access_mode"]) == (200, "required")
    assert changed.json()["settings"] == added.json()["settings"]
    down = server.ask("POST", "/v1/login/corp", body={"username": "a", "password": "b"})
    assert down.status == 503
    server.ask("PATCH", at, token=root, body={"enabled": False})
    gone = server.ask("POST", "/v1/login/corp", body={"username": "a", "password": "b"})
    assert gone.status == 404
    assert server.ask("DELETE", at, token=root).status == 204
    assert server.ask("GET", at, token=root).status == 404


def test_a_provider_that_is_down_is_told_of_and_sekisho_is_ready(server: Sekisho) -> None:
    root = sign_in(server, "root")
    add(server, root, "far")
    ready = server.ask("GET", "/readyz?verbose")
    assert ready.status == 200
    assert "[+]provider/local ok" in ready.body.decode()
    assert "provider/far" in ready.body.decode()
    assert server.metric('sekisho_provider_up{provider="local"}') == 1.0
    server.ask("DELETE", "/v1/providers/far", token=root)


def test_the_configurations_providers_are_changed_in_the_configuration(server: Sekisho) -> None:
    root = sign_in(server, "root")
    local = server.ask("GET", "/v1/providers/local", token=root).json()
    assert (local["type"], local["origin"], local["up"]) == ("local", "config", True)
    for answer in (
        server.ask("PATCH", "/v1/providers/local", token=root, body={"enabled": False}),
        server.ask("DELETE", "/v1/providers/local", token=root),
        add(server, root, "local"),
    ):
        assert answer.status == 409


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
    assert server.ask(method, path, token=alice, body={}).status == 403
    assert server.ask(method, path, body={}).status == 401


def test_what_is_wrong_with_a_new_provider_is_said(server: Sekisho) -> None:
    root = sign_in(server, "root")
    wrong = add(server, root, "corp", settings={**LDAP, "nonsense": "hush"})
    assert wrong.status == 422
    assert "settings.nonsense" in wrong.json()["detail"]
    assert b"hush" not in wrong.body
    assert add(server, root, "Corp!").status == 422


def test_a_provider_says_of_somebody_what_it_would_without_signing_them_in(
    server: Sekisho,
) -> None:
    root = sign_in(server, "root")
    for password, outcome in ((PASSWORD, "accepted"), ("wrong", "refused")):
        body = {"username": "alice", "password": password}
        tried = server.ask("POST", "/v1/providers/local/test", token=root, body=body).json()
        assert tried["outcome"] == outcome
        assert "token" not in tried
        assert bool(tried["reason"]) == (outcome == "refused")


def test_a_principal_is_linked_by_fresh_proofs_only_and_the_last_one_stays(
    server: Sekisho,
) -> None:
    name = f"linked-{uuid.uuid4().hex[:6]}"
    server.create_user(name)
    token = sign_in(server, name)
    me = server.ask("GET", "/v1/me", token=token).json()
    body = {"provider": "local", "username": "alice", "password": PASSWORD}
    # Somebody else's stays theirs, though the proof is right.
    assert server.ask("POST", "/v1/me/principals", token=token, body=body).status == 409
    wrong = {**body, "password": "wrong"}
    assert server.ask("POST", "/v1/me/principals", token=token, body=wrong).status == 403
    own = me["principals"][0]["id"]
    assert server.ask("DELETE", f"/v1/me/principals/{own}", token=token).status == 409
    made = server.ask("POST", "/v1/tokens", token=token, body={}).json()["token"]
    stale = server.ask("POST", "/v1/me/principals", token=made, body=body)
    assert stale.status == 403
    assert "sign in again" in stale.json()["detail"]


def test_all_ones_other_tokens_can_be_ended_at_once(server: Sekisho) -> None:
    name = f"many-{uuid.uuid4().hex[:6]}"
    server.create_user(name)
    token = sign_in(server, name)
    other = sign_in(server, name)
    server.ask("POST", "/v1/tokens", token=token, body={})
    assert server.ask("DELETE", "/v1/me/tokens", token=token).json() == {"revoked": 2}
    assert server.ask("GET", "/v1/me", token=token).status == 200
    assert server.ask("GET", "/v1/me", token=other).status == 401


def test_who_cannot_be_asked_about_is_told_so_and_keeps_everything(server: Sekisho) -> None:
    token = sign_in(server, "alice")
    answer = server.ask("POST", "/v1/me/refresh", token=token)
    assert [one["result"] for one in answer.json()["items"]] == ["unsupported"]
    assert server.ask("GET", "/v1/me", token=token).status == 200


def test_a_reset_password_ends_the_sessions_and_tokens_on_request(server: Sekisho) -> None:
    name = f"ned-{uuid.uuid4().hex[:8]}"
    user = server.create_user(name)
    root = sign_in(server, "root")
    session, token = sign_in(server, name), server.token(name)
    at, new = f"/v1/users/{user}/password", "a password to hand over"
    assert server.ask("POST", at, token=session, body={"new_password": new}).status == 403
    assert server.ask("POST", at, token=root, body={"new_password": "short"}).status == 422
    assert server.ask("POST", at, token=root, body={"new_password": new}).status == 204
    assert server.ask("GET", "/v1/me", token=session).status == 401
    assert server.ask("GET", "/v1/me", token=token).status == 200
    body = {"username": name, "password": new}
    again = server.ask("POST", "/v1/login/local", body=body).json()
    assert again["must_change_password"] is True
    everything = {"new_password": new, "revoke_tokens": True}
    assert server.ask("POST", at, token=root, body=everything).status == 204
    for ended in (token, again["token"]):
        assert server.ask("GET", "/v1/me", token=ended).status == 401
    assert server.ask("POST", "/v1/users/u-nobody/password", token=root, body=body).status == 404


def test_ones_own_new_password_ends_ones_tokens_on_request(server: Sekisho) -> None:
    name = f"ned-{uuid.uuid4().hex[:8]}"
    server.create_user(name)
    session, token = sign_in(server, name), server.token(name)
    body = {
        "current_password": PASSWORD,
        "new_password": "another password",
        "revoke_tokens": True,
    }
    assert server.ask("POST", "/v1/me/password", token=session, body=body).status == 204
    assert server.ask("GET", "/v1/me", token=session).status == 200
    assert server.ask("GET", "/v1/me", token=token).status == 401


def test_a_password_set_by_command_ends_the_sessions(server: Sekisho) -> None:
    name = f"ned-{uuid.uuid4().hex[:8]}"
    server.create_user(name)
    session = sign_in(server, name)
    done = server.run("user", "set-password", name, "--password-stdin", stdin=PASSWORD + "x\n")
    assert done.stdout.endswith("1 sign-ins ended\n")
    assert server.ask("GET", "/v1/me", token=session).status == 401


def test_who_can_let_people_in_may_search_for_them(server: Sekisho) -> None:
    root, alice = sign_in(server, "root"), sign_in(server, "alice")
    assert add(server, root, "away").status == 201
    at = "/v1/principals?search="
    assert server.ask("GET", at + "a", token=alice).status == 403
    found = server.ask("GET", at + "a", token=root)
    assert found.status == 200
    assert found.json() == {"items": [], "incomplete": ["away"]}
    for query in ("", "a&limit=0", "a&limit=x", "a&limit=101"):
        assert server.ask("GET", at + query, token=root).status == 422
    only = server.ask("GET", at + "a&provider=local", token=root).json()
    assert only == {"items": [], "incomplete": []}
    server.ask("DELETE", "/v1/providers/away", token=root)


def test_a_user_of_anothers_is_made_by_principal(server: Sekisho) -> None:
    principal = f"openldap_user://{uuid.uuid4()}"
    refused = server.run("user", "create", "ann", "--principal", principal, check=False)
    assert "no provider has principals" in refused.stderr
    server.ask(
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
    done = server.run("user", "create", "ann", "--principal", principal)
    assert done.stdout.startswith("made user ann (u-")
    twice = server.run("user", "create", "ann", "--principal", principal, check=False)
    assert "already" in twice.stderr
    for name, why in (("system:ann", "reserved"), ("a\nb", "printable")):
        refused = server.run("user", "create", name, "--principal", "x://y", check=False)
        assert why in refused.stderr
    neither = server.run("user", "create", "ann", check=False)
    assert neither.returncode == 2
