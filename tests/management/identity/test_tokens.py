"""API tokens: made, listed, limited, revoked."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from tests.management.test_sign_in import eventually, sign_in
from tests.parts.sekisho import Answer, Sekisho


@pytest.fixture
def alice(server: Sekisho) -> str:
    return str(sign_in(server).json()["token"])


def create(server: Sekisho, token: str, **body: object) -> Answer:
    return server.ask("POST", "/v1/tokens", token=token, body=body)


def test_a_token_is_told_once_and_listed_without_its_secret(server: Sekisho, alice: str) -> None:
    answer = create(server, alice, description="for CI", ttl="8h")
    assert answer.status == 201
    made = answer.json()
    name, _, secret = made["token"].partition(":")
    assert made["name"] == name
    ends = datetime.fromisoformat(made["expires_at"])
    assert timedelta(hours=7) < ends - datetime.now(UTC) <= timedelta(hours=8)
    listed = server.ask("GET", "/v1/tokens", token=alice)
    assert name in [one["name"] for one in listed.json()["items"]]
    assert secret not in listed.body.decode()
    assert server.ask("GET", "/v1/me", token=made["token"]).json()["username"] == "alice"


def test_a_token_may_come_as_name_and_password_too(server: Sekisho, alice: str) -> None:
    basic = base64.b64encode(alice.encode()).decode()
    answer = server.ask("GET", "/v1/me", headers={"Authorization": f"Basic {basic}"})
    assert answer.status == 200


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
def test_a_credential_that_is_none_is_refused(server: Sekisho, value: str, status: int) -> None:
    answer = server.ask("GET", "/v1/me", headers={"Authorization": value})
    assert answer.status == status
    if status == 401:
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="sekisho"'


def test_a_revoked_token_is_refused_at_once(server: Sekisho, alice: str) -> None:
    made = create(server, alice).json()
    assert server.ask("GET", "/v1/me", token=made["token"]).status == 200
    assert server.ask("DELETE", f"/v1/tokens/{made['name']}", token=alice).status == 204
    assert server.ask("GET", "/v1/me", token=made["token"]).status == 401
    assert server.ask("DELETE", f"/v1/tokens/{made['name']}", token=alice).status == 404


def test_a_token_revoked_by_another_process_is_refused_within_a_second(
    server: Sekisho, alice: str
) -> None:
    made = create(server, alice).json()
    assert server.ask("GET", "/v1/me", token=made["token"]).status == 200
    server.run("token", "revoke", made["name"])
    eventually(server, "/v1/me", made["token"], 401)


def test_an_ended_token_is_refused(server: Sekisho, alice: str) -> None:
    made = create(server, alice, ttl="1s").json()
    eventually(server, "/v1/me", made["token"], 401)


def test_nobody_sees_or_revokes_anothers_token_but_an_administrator(
    server: Sekisho, alice: str
) -> None:
    name = create(server, alice).json()["name"]
    alice_id = server.ask("GET", "/v1/me", token=alice).json()["id"]
    bob = sign_in(server, "bob").json()["token"]
    root = sign_in(server, "root").json()["token"]
    assert server.ask("DELETE", f"/v1/tokens/{name}", token=bob).status == 404
    assert server.ask("GET", f"/v1/tokens?user={alice_id}", token=bob).status == 403
    assert server.ask("GET", f"/v1/tokens?user={alice_id}", token=root).status == 200
    assert server.ask("DELETE", f"/v1/tokens/{name}", token=root).status == 204


def test_a_token_makes_none_that_outlives_it(server: Sekisho, alice: str) -> None:
    short = create(server, alice, ttl="1h").json()
    made = create(server, short["token"], ttl="30d").json()
    assert made["expires_at"] == short["expires_at"]


def test_a_read_only_token_reads_and_nothing_else(server: Sekisho, alice: str) -> None:
    made = create(server, alice, read_only=True).json()
    assert server.ask("GET", "/v1/tokens", token=made["token"]).status == 200
    assert create(server, made["token"]).status == 403


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"ttl": "soon"}, "is not a duration"),
        ({"ttl": 5}, "must be text"),
        ({"ttl": "400d"}, "365 days at the most"),
        ({"clusters": ["nope"]}, 'no cluster "nope" that you may enter'),
        ({"description": "x" * 300}, "256"),
        ({"description": "a\0b"}, "without control characters"),
        ({"description": "\x1b[31m"}, "without control characters"),
        ({"scope": "all"}, "Extra inputs"),
    ],
)
def test_what_a_token_may_not_be_is_told(
    server: Sekisho, alice: str, body: dict[str, object], said: str
) -> None:
    answer = create(server, alice, **body)
    assert answer.status == 422
    assert said in answer.json()["detail"]
