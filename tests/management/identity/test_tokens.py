"""API tokens: created, listed, limited, revoked."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from tests.management.identity.test_sign_in import eventually, sign_in
from tests.support.sekisho import HttpResponse, Sekisho


@pytest.fixture
def alice(server: Sekisho) -> str:
    return str(sign_in(server).json()["token"])


def create(server: Sekisho, token: str, **body: object) -> HttpResponse:
    return server.request("POST", "/v1/tokens", token=token, body=body)


def test_token_is_shown_once_and_listed_without_its_secret(server: Sekisho, alice: str) -> None:
    response = create(server, alice, description="for CI", ttl="8h")
    assert response.status == 201
    made = response.json()
    name, _, secret = made["token"].partition(":")
    assert made["name"] == name
    ends = datetime.fromisoformat(made["expires_at"])
    assert timedelta(hours=7) < ends - datetime.now(UTC) <= timedelta(hours=8)
    listed = server.request("GET", "/v1/tokens", token=alice)
    assert name in [one["name"] for one in listed.json()["items"]]
    assert secret not in listed.body.decode()
    assert server.request("GET", "/v1/me", token=made["token"]).json()["username"] == "alice"


def test_token_is_accepted_as_username_and_password(server: Sekisho, alice: str) -> None:
    basic = base64.b64encode(alice.encode()).decode()
    response = server.request("GET", "/v1/me", headers={"Authorization": f"Basic {basic}"})
    assert response.status == 200


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("Bearer x", 401),
        ("Bearer token-abcdefghij:wrong", 401),
        ("Bearer", 400),
        ("Basic !!", 400),
        ("Digest x", 400),
        ("Bearer a b", 400),
        ("Bearer " + "x" * 9000, 400),
    ],
)
def test_malformed_credential_is_rejected(server: Sekisho, value: str, status: int) -> None:
    response = server.request("GET", "/v1/me", headers={"Authorization": value})
    assert response.status == status
    if status == 401:
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="sekisho"'


def test_revoked_token_is_rejected_immediately(server: Sekisho, alice: str) -> None:
    made = create(server, alice).json()
    assert server.request("GET", "/v1/me", token=made["token"]).status == 200
    assert server.request("DELETE", f"/v1/tokens/{made['name']}", token=alice).status == 204
    assert server.request("GET", "/v1/me", token=made["token"]).status == 401
    assert server.request("DELETE", f"/v1/tokens/{made['name']}", token=alice).status == 404


def test_token_revoked_by_another_process_is_rejected_within_a_second(
    server: Sekisho, alice: str
) -> None:
    made = create(server, alice).json()
    assert server.request("GET", "/v1/me", token=made["token"]).status == 200
    server.prepare("admin", "token", "revoke", made["name"])
    eventually(server, "/v1/me", made["token"], 401)


def test_expired_token_is_rejected(server: Sekisho, alice: str) -> None:
    made = create(server, alice, ttl="1s").json()
    eventually(server, "/v1/me", made["token"], 401)


def test_token_of_another_user_is_visible_to_administrators_only(
    server: Sekisho, alice: str
) -> None:
    name = create(server, alice).json()["name"]
    alice_id = server.request("GET", "/v1/me", token=alice).json()["id"]
    bob = sign_in(server, "bob").json()["token"]
    root = sign_in(server, "root").json()["token"]
    assert server.request("DELETE", f"/v1/tokens/{name}", token=bob).status == 404
    assert server.request("GET", f"/v1/tokens?user={alice_id}", token=bob).status == 403
    assert server.request("GET", f"/v1/tokens?user={alice_id}", token=root).status == 200
    assert server.request("DELETE", f"/v1/tokens/{name}", token=root).status == 204


def test_child_token_does_not_outlive_its_parent(server: Sekisho, alice: str) -> None:
    short = create(server, alice, ttl="1h").json()
    made = create(server, short["token"], ttl="30d").json()
    assert made["expires_at"] == short["expires_at"]


def test_read_only_token_may_only_read(server: Sekisho, alice: str) -> None:
    made = create(server, alice, read_only=True).json()
    assert server.request("GET", "/v1/tokens", token=made["token"]).status == 200
    assert create(server, made["token"]).status == 403


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"ttl": "soon"}, "is not a duration"),
        ({"ttl": 5}, "must be text"),
        ({"ttl": "400d"}, "at most 365 days"),
        ({"clusters": ["nope"]}, 'no cluster "nope" that you may enter'),
        ({"description": "x" * 300}, "256"),
        ({"description": "a\0b"}, "without control, bidirectional"),
        ({"description": "\x1b[31m"}, "without control, bidirectional"),
        ({"scope": "all"}, "Extra inputs"),
    ],
)
def test_invalid_token_request_is_rejected_with_the_reason(
    server: Sekisho, alice: str, body: dict[str, object], said: str
) -> None:
    response = create(server, alice, **body)
    assert response.status == 422
    assert said in response.json()["detail"]


def test_child_token_is_revoked_with_its_parent(server: Sekisho, alice: str) -> None:
    first = create(server, alice, ttl="8h").json()
    second = create(server, first["token"]).json()
    third = create(server, second["token"]).json()
    assert (first["parent"], second["parent"]) == (alice.partition(":")[0], first["name"])
    for made in (second, third):
        assert datetime.fromisoformat(made["expires_at"]) <= datetime.fromisoformat(
            first["expires_at"]
        )
    path = f"/v1/tokens/{first['name']}"
    assert server.request("DELETE", path, token=alice).status == 204
    for made in (first, second, third):
        eventually(server, "/v1/me", made["token"], 401)
    assert server.request("GET", "/v1/me", token=alice).status == 200


def test_sign_out_of_a_token_revokes_its_children(server: Sekisho, alice: str) -> None:
    first = create(server, alice).json()["token"]
    second = create(server, first).json()["token"]
    assert server.request("POST", "/v1/logout", token=first).status == 204
    eventually(server, "/v1/me", second, 401)


def test_sign_out_of_a_renewed_session_ends_it_and_keeps_its_tokens(server: Sekisho) -> None:
    first = sign_in(server).json()["token"]
    made = create(server, first).json()["token"]
    renewed = [first]
    for _ in range(2):
        form = f"grant_type=refresh_token&refresh_token={renewed[-1]}"
        response = server.request_raw(
            "POST",
            "/v1/token",
            form.encode(),
            {"Content-Type": "application/x-www-form-urlencoded"},
        )
        assert response.status == 200, response.body
        renewed.append(response.json()["access_token"])
    # The renewed token stays valid for a moment, for processes that already hold it.
    assert server.request("POST", "/v1/logout", token=renewed[1]).status == 204
    for session in renewed:
        eventually(server, "/v1/me", session, 401)
    assert server.request("GET", "/v1/me", token=made).status == 200


def test_revoked_session_revokes_the_tokens_created_in_it(server: Sekisho, alice: str) -> None:
    stolen = sign_in(server).json()["token"]
    made = create(server, stolen).json()["token"]
    path = f"/v1/tokens/{stolen.partition(':')[0]}"
    assert server.request("DELETE", path, token=alice).status == 204
    for one in (stolen, made):
        eventually(server, "/v1/me", one, 401)
