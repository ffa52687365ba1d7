"""Signing in and out over the API, with a token."""

import json
import time
import uuid

import pytest

from tests.parts.sekisho import PASSWORD, Answer, Sekisho


def sign_in(server: Sekisho, username: str = "alice", password: str = PASSWORD) -> Answer:
    body = {"username": username, "password": password}
    return server.ask("POST", "/v1/login/local", body=body)


def eventually(server: Sekisho, path: str, token: str, status: int) -> float:
    """Seconds until the answer has that status; it must within one."""
    started = time.monotonic()
    while server.ask("GET", path, token=token).status != status:
        assert time.monotonic() - started < 1.5, "a second is the promise"
    return time.monotonic() - started


def test_a_password_gets_a_token_that_says_who_one_is(server: Sekisho) -> None:
    answer = sign_in(server)
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert set(body) == {"token", "expires_at", "renewable_until", "must_change_password", "user"}
    me = server.ask("GET", "/v1/me", token=body["token"]).json()
    assert me["id"] == body["user"]["id"]
    assert me["username"] == "alice"
    assert me["principals"][0]["id"] == f"local://{me['id']}"
    assert me["groups"] == []
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("username", "password"),
    [("alice", "wrong"), ("nobody", PASSWORD), ("disabled", PASSWORD), ("", PASSWORD)],
)
def test_any_refused_sign_in_gets_the_same_answer(
    server: Sekisho, username: str, password: str
) -> None:
    if username == "disabled":
        server.create_user("disabled")
        server.run("user", "disable", "disabled")
    answer = sign_in(server, username, password)
    assert answer.status == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["detail"] == "the user name or the password is not right, or may not sign in"
    assert problem["request_id"] == answer.headers["X-Request-Id"]


def test_guessing_is_slowed_down_and_told_for_how_long(server: Sekisho) -> None:
    name = f"guessed-{uuid.uuid4().hex[:6]}"
    server.create_user(name)
    answers = [sign_in(server, name, "wrong").status for _ in range(5)]
    assert answers == [401] * 5
    refused = sign_in(server, name, PASSWORD)
    assert refused.status == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 900


def test_signing_out_ends_the_token_at_once(server: Sekisho) -> None:
    token = sign_in(server).json()["token"]
    assert server.ask("POST", "/v1/logout", token=token).status == 204
    assert server.ask("GET", "/v1/me", token=token).status == 401


def test_a_user_who_is_disabled_by_another_process_is_out_within_a_second(server: Sekisho) -> None:
    name = f"leaver-{uuid.uuid4().hex[:6]}"
    server.create_user(name)
    token = sign_in(server, name).json()["token"]
    server.run("user", "disable", name)
    eventually(server, "/v1/me", token, 401)


def test_the_first_administrator_has_a_password_that_is_told_once(server: Sekisho) -> None:
    lines = server.output
    password = lines.partition("one-time password: ")[2].split()[0]
    answer = sign_in(server, "admin", password)
    assert answer.status == 200
    assert answer.json()["must_change_password"] is True
    assert answer.json()["user"]["administrator"] is True
    assert password not in server.log
    stored = b"".join(p.read_bytes() for p in (server.folder / "data").glob("sekisho.db*"))
    assert password.encode() not in stored
    server.stop()
    server.start()
    assert "password" not in server.output


def test_changing_a_password_needs_the_old_one_and_ends_other_sign_ins(server: Sekisho) -> None:
    name = f"changer-{uuid.uuid4().hex[:6]}"
    server.create_user(name)
    first, second = (sign_in(server, name).json()["token"] for _ in range(2))
    new = "another long password"

    def change(current: str, to: str) -> Answer:
        body = {"current_password": current, "new_password": to}
        return server.ask("POST", "/v1/me/password", token=first, body=body)

    assert change("wrong", new).status == 403
    assert change(PASSWORD, "short").status == 422
    assert change(PASSWORD, PASSWORD).status == 422
    # Normalised, it is three times as long.
    assert change(PASSWORD, "\U0001d160" * 250).status == 422
    assert change(PASSWORD, new).status == 204
    assert server.ask("GET", "/v1/me", token=first).status == 200
    assert server.ask("GET", "/v1/me", token=second).status == 401
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
def test_a_body_that_is_not_as_it_should_be_is_told_precisely(
    server: Sekisho, raw: bytes, content_type: str, status: int, said: str
) -> None:
    answer = server.send("POST", "/v1/login/local", raw, {"Content-Type": content_type})
    assert answer.status == status
    assert answer.json()["status"] == status
    assert said in answer.json()["detail"]


def test_what_is_not_there_is_told_as_a_problem(server: Sekisho) -> None:
    assert server.ask("GET", "/v1/nope").json()["title"] == "Not Found"
    wrong = server.ask("PUT", "/v1/login/local", body={})
    assert (wrong.status, wrong.headers["Allow"]) == (405, "POST")
    unknown = server.ask("POST", "/v1/login/nope", body={"username": "a", "password": "b"})
    assert unknown.status == 404


def test_every_answer_has_the_headers_that_keep_browsers_honest(server: Sekisho) -> None:
    for answer in (server.ask("GET", "/"), server.ask("GET", "/v1/me"), server.ask("GET", "/x")):
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Server"] == "sekisho"


def test_a_request_id_is_taken_over_if_it_is_well_formed(server: Sekisho) -> None:
    taken = server.ask("GET", "/v1/providers", headers={"X-Request-Id": "abc-12345678"})
    assert taken.headers["X-Request-Id"] == "abc-12345678"
    made = server.ask("GET", "/v1/providers", headers={"X-Request-Id": "a b"})
    assert made.headers["X-Request-Id"] != "a b"


def test_no_secret_is_in_the_log(server: Sekisho) -> None:
    token = sign_in(server).json()["token"]
    server.ask("GET", "/k8s/clusters/nope/api?token=hush", token=token)
    secret = token.partition(":")[2]
    for line in server.log.splitlines():
        assert secret not in line
        assert PASSWORD not in line
        assert "hush" not in line
        json.loads(line)
