"""A response without content has no Content-Length (RFC 9110 §8.6)."""

from tests.support.sekisho import PASSWORD, Sekisho


def test_response_204_has_no_content_length(server: Sekisho) -> None:
    server.create_user("zoe")
    body = {"username": "zoe", "password": PASSWORD}
    token = server.request("POST", "/v1/login/local", body=body).json()["token"]
    key = {"Idempotency-Key": "once"}
    new = {"current_password": PASSWORD, "new_password": f"{PASSWORD}!"}
    for answer in (
        server.request("POST", "/v1/me/password", token=token, body=new, headers=key),
        server.request("POST", "/v1/me/password", token=token, body=new, headers=key),
        server.request("POST", "/v1/logout", token=token),
    ):
        assert answer.status == 204
        assert "Content-Length" not in answer.headers
        assert "Transfer-Encoding" not in answer.headers


def test_response_304_has_no_content_length(server: Sekisho) -> None:
    tag = server.request("GET", "/docs").headers["ETag"]
    answer = server.request("GET", "/docs", headers={"If-None-Match": tag})
    assert answer.status == 304
    assert "Content-Length" not in answer.headers
