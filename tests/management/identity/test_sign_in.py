"""Sign in and out over the API with a token."""

import contextlib
import sqlite3
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.log_lines import events_of
from tests.support.sekisho import PASSWORD, HttpResponse, Sekisho, free_port, make_sekisho
from tests.support.waiting import wait_until


def sign_in(server: Sekisho, username: str = "alice", password: str = PASSWORD) -> HttpResponse:
    body = {"username": username, "password": password}
    return server.request("POST", "/v1/login/local", body=body)


def eventually(server: Sekisho, path: str, token: str, status: int) -> None:
    """Wait until the response has that status. A second is the promise."""
    wait_until(lambda: server.request("GET", path, token=token).status == status, 1.5)


def test_password_sign_in_returns_a_token_and_the_user(server: Sekisho) -> None:
    answer = sign_in(server)
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert set(body) == {"token", "expires_at", "renewable_until", "must_change_password", "user"}
    me = server.request("GET", "/v1/me", token=body["token"]).json()
    assert me["id"] == body["user"]["id"]
    assert me["username"] == "alice"
    assert me["principals"][0]["id"] == f"local://{me['id']}"
    assert me["groups"] == []
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("username", "password"),
    [("alice", "wrong"), ("unknown", PASSWORD), ("disabled", PASSWORD), ("", PASSWORD)],
)
def test_every_rejected_sign_in_gets_the_same_response(
    server: Sekisho, username: str, password: str
) -> None:
    if username == "disabled":
        server.create_user("disabled")
        server.change("admin", "user", "disable", "disabled")
    answer = sign_in(server, username, password)
    assert answer.status == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["detail"] == "the username or password is wrong, or the user may not sign in"
    assert problem["request_id"] == answer.headers["X-Request-Id"]


def test_repeated_guesses_are_throttled_with_retry_after(server: Sekisho) -> None:
    name = f"guessed-{uuid.uuid4().hex[:6]}"
    server.create_user(name)
    responses = [sign_in(server, name, "wrong").status for _ in range(5)]
    assert responses == [401] * 5
    refused = sign_in(server, name, PASSWORD)
    assert refused.status == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 900


def test_sign_out_ends_the_token_immediately(server: Sekisho) -> None:
    token = sign_in(server).json()["token"]
    assert server.request("POST", "/v1/logout", token=token).status == 204
    assert server.request("GET", "/v1/me", token=token).status == 401


def test_user_disabled_by_another_process_is_rejected_within_a_second(server: Sekisho) -> None:
    name = f"leaver-{uuid.uuid4().hex[:6]}"
    server.create_user(name)
    token = sign_in(server, name).json()["token"]
    server.prepare("admin", "user", "disable", name)
    eventually(server, "/v1/me", token, 401)


def test_first_administrators_password_is_shown_once(tmp_path: Path) -> None:
    server = make_sekisho(tmp_path, (free_port(), free_port()))
    server.start()
    lines = server.output
    password = lines.partition("one-time password: ")[2].split()[0]
    answer = sign_in(server, "admin", password)
    assert answer.status == 200
    assert answer.json()["must_change_password"] is True
    assert answer.json()["user"]["administrator"] is True
    confined = answer.json()["token"]
    assert server.request("GET", "/v1/me", token=confined).json()["must_change_password"] is True
    refused = server.request("GET", "/v1/users", token=confined)
    assert (refused.status, "change it first" in refused.json()["detail"]) == (403, True)
    assert "within 24 hours" in lines
    assert password not in server.log
    stored = b"".join(p.read_bytes() for p in (server.folder / "data").glob("sekisho.db*"))
    assert password.encode() not in stored
    server.stop()
    server.start()
    assert "password" not in server.output
    server.stop()


def test_administrator_set_password_ends_after_a_day(server: Sekisho) -> None:
    name = f"late-{uuid.uuid4().hex[:6]}"
    given = ("--password-stdin", "--must-change")
    server.change("admin", "user", "create", name, *given, stdin=PASSWORD + "\n")
    database = server.folder / "data" / "sekisho.db"
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        where = "FROM passwords WHERE username = ?"
        [[ends]] = connection.execute(f"SELECT expires_at {where}", [name])
        left = datetime.fromisoformat(ends).replace(tzinfo=UTC) - datetime.now(UTC)
        assert timedelta(hours=23) < left <= timedelta(hours=24)
    token = sign_in(server, name).json()["token"]
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        past = "UPDATE passwords SET expires_at = '2020-01-01 00:00:00' WHERE username = ?"
        connection.execute(past, [name])
    assert sign_in(server, name).status == 401
    body = {"current_password": PASSWORD, "new_password": "another long password"}
    assert server.request("POST", "/v1/me/password", token=token, body=body).status == 403


def test_session_is_unconfined_once_the_set_password_is_changed(server: Sekisho) -> None:
    name = f"fresh-{uuid.uuid4().hex[:6]}"
    given = ("--password-stdin", "--must-change")
    server.change("admin", "user", "create", name, *given, stdin=PASSWORD + "\n")
    mine, other = (sign_in(server, name).json()["token"] for _ in range(2))
    assert server.request("GET", "/v1/clusters", token=mine).status == 403
    body = {"current_password": PASSWORD, "new_password": "another long password"}
    assert server.request("POST", "/v1/me/password", token=mine, body=body).status == 204
    eventually(server, "/v1/clusters", mine, 200)
    assert server.request("GET", "/v1/me", token=mine).json()["must_change_password"] is False
    assert server.request("GET", "/v1/me", token=other).status == 401
    assert sign_in(server, name).status == 401


def test_password_change_needs_the_old_one_and_ends_other_sessions(server: Sekisho) -> None:
    name = f"changer-{uuid.uuid4().hex[:6]}"
    server.create_user(name)
    first, second = (sign_in(server, name).json()["token"] for _ in range(2))
    new = "another long password"

    def change(current: str, to: str) -> HttpResponse:
        body = {"current_password": current, "new_password": to}
        return server.request("POST", "/v1/me/password", token=first, body=body)

    assert change("wrong", new).status == 403
    assert change(PASSWORD, "short").status == 422
    assert change(PASSWORD, PASSWORD).status == 422
    # Normalisation makes it three times as long.
    assert change(PASSWORD, "\U0001d160" * 250).status == 422
    assert change(PASSWORD, new).status == 204
    assert server.request("GET", "/v1/me", token=first).status == 200
    assert server.request("GET", "/v1/me", token=second).status == 401
    assert sign_in(server, name).status == 401
    assert sign_in(server, name, new).json()["must_change_password"] is False


@pytest.mark.parametrize(
    ("raw", "content_type", "status", "said"),
    [
        (b"{", "application/json", 400, "not valid JSON"),
        (b"{}", "text/plain", 415, "application/json"),
        (b"{}", "application/json", 422, "username: Field required"),
        (b'{"username":1,"password":"x"}', "application/json", 422, "username"),
        (b'{"username":"a","password":"b","x":1}', "application/json", 422, "x: Extra inputs"),
        (b"[]", "application/json", 422, "body"),
        (b'"' + b"x" * 70_000 + b'"', "application/json", 413, "65536 bytes"),
        (b'{"username":"\xff","password":"b"}', "application/json", 400, "not valid JSON"),
    ],
)
def test_invalid_body_is_rejected_with_every_field(
    server: Sekisho, raw: bytes, content_type: str, status: int, said: str
) -> None:
    answer = server.request_raw("POST", "/v1/login/local", raw, {"Content-Type": content_type})
    assert answer.status == status
    assert answer.json()["status"] == status
    assert said in answer.json()["detail"]


def test_unknown_path_gets_a_problem(server: Sekisho) -> None:
    assert server.request("GET", "/v1/nope").json()["title"] == "Not Found"
    wrong = server.request("PUT", "/v1/login/local", body={})
    assert (wrong.status, wrong.headers["Allow"]) == (405, "POST")
    unknown = server.request("POST", "/v1/login/nope", body={"username": "a", "password": "b"})
    assert unknown.status == 404


def test_every_response_has_the_security_headers(server: Sekisho) -> None:
    for answer in (
        server.request("GET", "/"),
        server.request("GET", "/v1/me"),
        server.request("GET", "/x"),
    ):
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Server"] == "sekisho"


def test_well_formed_request_id_is_used(server: Sekisho) -> None:
    taken = server.request("GET", "/v1/providers", headers={"X-Request-Id": "abc-12345678"})
    assert taken.headers["X-Request-Id"] == "abc-12345678"
    made = server.request("GET", "/v1/providers", headers={"X-Request-Id": "a b"})
    assert made.headers["X-Request-Id"] != "a b"


def test_logs_contain_no_secrets(server: Sekisho) -> None:
    token = sign_in(server).json()["token"]
    server.request("GET", "/k8s/clusters/nope/api?token=hush", token=token)
    secret = token.partition(":")[2]
    wait_until(lambda: "/k8s/clusters/nope" in server.log)
    log = server.log
    assert events_of(log)
    for text in (secret, PASSWORD, "hush"):
        assert text not in log


@pytest.mark.parametrize(("password", "outcome"), [(PASSWORD, "accepted"), ("wrong", "refused")])
def test_sign_in_is_counted_by_provider_and_outcome(
    server: Sekisho, password: str, outcome: str
) -> None:
    line = f'sekisho_sign_ins_total{{outcome="{outcome}",provider="local"}}'
    before = server.metric(line)
    sign_in(server, password=password)
    assert server.metric(line) == before + 1
