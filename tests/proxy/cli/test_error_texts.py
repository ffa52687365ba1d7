"""Every failure of a command is one plain line, without Python objects and tracebacks."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from proxy.cli.client import credential_cache
from proxy.cli.client.credential_cache import Credential
from proxy.cli.main import main
from tests.proxy.cli.plain_lines import assert_plain
from tests.support.directory_pki import make_pki
from tests.support.isolation import free_port


@contextmanager
def responding(reply: bytes | None, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Run a server that sends ``reply`` on each connection and closes it; yield its port.

    With None, it closes the connection and sends nothing.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                try:
                    with peer:
                        if reply is not None:
                            peer.recv(65536)
                            peer.sendall(reply)
                            peer.shutdown(socket.SHUT_WR)
                            peer.recv(65536)
                except OSError:
                    continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
    thread.join(60)


def http(head: str, body: bytes = b"") -> bytes:
    return f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


FAULTS: dict[str, bytes | None] = {
    "closes the connection": None,
    "sends nothing": b"",
    "speaks TLS": b"\x15\x03\x01\x00\x02\x02\x0a",
    "speaks SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
    "a broken chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    "no status": b"HTTP/1.1 hello\r\n\r\n",
    "a header without end": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 60000 + b"\r\n\r\n",
    "a web page": http("200 OK", b"<html><body>Welcome</body></html>"),
    "nothing at all": http("204 No Content"),
    "a list": http("200 OK", b"[]"),
    "deep nesting": http("200 OK", b"[" * 100000),
    "not UTF-8": http("200 OK", b'{"token": "\xff\xfe"}'),
    "wrong types": http(
        "200 OK", b'{"token": {"a": 1}, "expires_at": [], "items": 7, "user": "x"}'
    ),
    "an error that is an object": http("400 Bad Request", b'{"detail": {"a": ["<b>"]}}'),
    "an OAuth error of odd types": http("400 Bad Request", b'{"error": {}, "interval": "x"}'),
    "a redirect": http("302 Found\r\nLocation: http://other.example/"),
    "a page of a gateway": http("502 Bad Gateway", b"<html>nginx</html>"),
    "too many": http("429 Too Many Requests\r\nRetry-After: soon"),
    "an invalid date": http("503 Service Unavailable\r\nDate: yesterday\r\nRetry-After: 9", b"{}"),
}
COMMANDS: dict[str, list[str]] = {
    "a password": ["login", "--provider", "local", "--username", "alice", "--password-stdin"],
    "list of providers": ["login"],
    "a code": ["login", "--provider", "corp", "--no-browser"],
    "sign-out": ["logout"],
    "kubectl": ["credential"],
    "an object": ["whoami"],
    "a list": ["clusters"],
    "a list as JSON": ["user", "list", "-o", "json"],
    "a change": ["user", "create", "x", "--password-stdin"],
    "a stream": ["clusters", "--watch"],
    "a name": ["project", "delete", "shop", "--yes"],
}


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def run(command: list[str], url: str) -> Result:
    if command[0] != "login":
        long_ago = datetime.now(UTC) - timedelta(hours=1)
        credential_cache.save(Credential(url, "session-x:y", long_ago, "corp"))
    return CliRunner().invoke(main, [*command, "--server", url], input="a password\n")


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
@pytest.mark.parametrize("reply", FAULTS.values(), ids=FAULTS.keys())
def test_invalid_response_is_reported_on_one_plain_line(
    reply: bytes | None, command: list[str]
) -> None:
    with responding(reply) as port:
        done = run(command, f"http://127.0.0.1:{port}")
    if done.exit_code == 0:  # a sign-out needs only status 204
        assert (command, reply) == (["logout"], FAULTS["nothing at all"])
        return
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    assert_plain(done.stderr)


URLS = {
    "refused": lambda: f"https://127.0.0.1:{free_port()}",
    "no such name": lambda: "https://no-such-host.invalid",
    "no URL": lambda: "https://[",
    "no host": lambda: "https://",
    "no port": lambda: "https://host.invalid:99999",
    "a port in words": lambda: "https://host.invalid:https",
    "an empty label": lambda: "https://a..invalid",
    "a label too long": lambda: f"https://{'x' * 70}.invalid",
    "white space": lambda: "https://a b",
    "control characters": lambda: "https://a\x1b[2J",
    "an invalid address": lambda: "https://[::g]",
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
@pytest.mark.parametrize("url", URLS.values(), ids=URLS.keys())
def test_unreachable_or_invalid_server_is_reported_on_one_plain_line(
    url: Callable[[], str], command: list[str]
) -> None:
    done = run(command, url())
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit), done.exception
    assert_plain(done.stderr)


def test_server_without_tls_and_unusable_ca_are_reported(tmp_path: Path) -> None:
    with responding(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        done = run(COMMANDS["a password"], f"https://127.0.0.1:{port}")
    assert_plain(done.stderr)
    assert "no TLS connection" in done.stderr
    pki = make_pki(tmp_path, "127.0.0.1")
    done = run([*COMMANDS["a password"], "--ca-file", str(pki.key)], "https://127.0.0.1:1")
    assert_plain(done.stderr)
    credential_cache.save(Credential("https://127.0.0.1:1", "t", None, ca_pem="no PEM"))
    done = CliRunner().invoke(
        main, [*COMMANDS["list of providers"], "--server", "https://127.0.0.1:1"]
    )
    assert_plain(done.stderr)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (http("407 Proxy Authentication Required"), "answered 407"),
        (http("403 Forbidden"), "answered 403"),
        (b"garbage\r\n\r\n", "can't be reached"),
        (None, "can't be reached"),
    ],
)
def test_rejecting_http_proxy_is_reported_without_its_password(
    monkeypatch: pytest.MonkeyPatch, reply: bytes | None, reason: str
) -> None:
    with responding(reply) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:hush-hush@127.0.0.1:{port}")
        done = run(COMMANDS["a password"], "https://server.invalid")
    assert_plain(done.stderr)
    assert reason in done.stderr
    assert "hush" not in done.stderr


def test_unreachable_http_proxy_is_reported_and_no_proxy_is_honoured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{free_port()}")
    done = run(COMMANDS["a password"], "https://server.invalid")
    assert_plain(done.stderr)
    assert "the proxy 127.0.0.1:" in done.stderr
    monkeypatch.setenv("NO_PROXY", ".invalid")
    done = run(COMMANDS["a password"], "https://server.invalid")
    assert "no such name as server.invalid" in done.stderr


def test_request_goes_through_the_http_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The HTTP proxy responds itself, in place of the server."""
    with responding(http("418 A proxy")) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        done = run(COMMANDS["kubectl"], "https://server.invalid")
    assert "the proxy 127.0.0.1" in done.stderr
    assert "418" in done.stderr


def test_unreadable_credential_folder_is_reported_on_one_plain_line(tmp_path: Path) -> None:
    folder = credential_cache.folder()
    folder.parent.mkdir(parents=True)
    folder.write_text("a file where a folder should be")
    for command in (["credential"], ["logout"]):
        done = CliRunner().invoke(main, [*command, "--server", "https://server.example"])
        assert done.exit_code == 1
        assert_plain(done.stderr)
    with responding(http("200 OK", json.dumps(_signed_in()).encode())) as port:
        done = run(COMMANDS["a password"], f"http://127.0.0.1:{port}")
    assert_plain(done.stderr)
    assert "can't be stored" in done.stderr


def _signed_in() -> dict[str, object]:
    ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    user = {"id": "u-1", "display_name": "Alice"}
    return {"token": "session-x:y", "expires_at": ends, "user": user}
