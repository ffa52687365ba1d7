"""Clusters, users, tokens and grants change without a restart, also under running streams."""

import http.client
import ssl
from collections.abc import Callable

import pytest

from proxy.transport.certificates import KeyPair
from tests.faults.conftest import FaultSekisho
from tests.faults.test_broken_answers import errors
from tests.support.scripted_api_server import (
    ReceivedRequest,
    ScriptedApiServer,
    issue,
    make_authority,
    respond_json,
)
from tests.support.sekisho import PASSWORD
from tests.support.waiting import wait_until

SCRIPTED = "/k8s/clusters/scripted"
WATCH = "/api/v1/pods"
LOG = "/api/v1/namespaces/n/pods/p/log"
EXEC = "/api/v1/namespaces/n/pods/p/exec"
SOON = 10.0
"""Within how many seconds a stream must end whose right has ended; on a busy machine."""


async def stream(received: ReceivedRequest) -> None:
    """Send a beginning, and then nothing."""
    await received.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello\n\r\n")
    await received.wait_until_closed()


async def session(received: ReceivedRequest) -> None:
    """Open an exec session that is silent after a greeting."""
    await received.send(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n",
        b"hello\n",
    )
    await received.wait_until_closed()


def status(sekisho: FaultSekisho, path: str, token: str) -> int:
    return sekisho.request("GET", path, token=token).status


def test_cluster_is_added_moved_and_removed_while_the_server_runs(
    sekisho: FaultSekisho, authority: KeyPair
) -> None:
    path = "/k8s/clusters/nomad/where"
    assert status(sekisho, path, sekisho.root) == 404
    with (
        ScriptedApiServer(issue(authority)) as first,
        ScriptedApiServer(issue(authority)) as second,
    ):
        first.scripts["/where"], second.scripts["/where"] = respond_json(b"1"), respond_json(b"2")
        sekisho.put_cluster("nomad", [first.url], authority.certificate_pem)
        wait_until(lambda: status(sekisho, path, sekisho.root) == 200, SOON)
        assert sekisho.request("GET", path, token=sekisho.root).body == b"1"
        sekisho.put_cluster("nomad", [second.url], authority.certificate_pem)
        wait_until(lambda: sekisho.request("GET", path, token=sekisho.root).body == b"2", SOON)
        sekisho.change("admin", "cluster", "remove", "nomad", "--keep-cluster-objects")
        wait_until(lambda: status(sekisho, path, sekisho.root) == 404, SOON)
    assert errors(sekisho, "refused", "nomad") == 0
    del sekisho.clusters["nomad"]


def test_requests_continue_while_a_cluster_moves_and_running_ones_finish(
    sekisho: FaultSekisho, authority: KeyPair
) -> None:
    with ScriptedApiServer(issue(authority)) as old, ScriptedApiServer(issue(authority)) as new:
        old.scripts["/stream"] = stream
        new.scripts["/where"] = respond_json(b"new")
        sekisho.put_cluster("moving", [old.url], authority.certificate_pem)
        wait_until(lambda: sekisho.knows("moving"), SOON)
        with sekisho.open_request("GET", "/k8s/clusters/moving/stream") as running:
            assert running.readline() == b"hello\n"
            sekisho.put_cluster("moving", [new.url], authority.certificate_pem)

            def moved() -> bool:
                answer = sekisho.request("GET", "/k8s/clusters/moving/where", token=sekisho.root)
                assert answer.status == 200
                return answer.body == b"new"

            wait_until(moved, SOON)
            assert sekisho.metric("sekisho_requests_in_flight") == 1


def test_changed_ca_replaces_the_old_one(sekisho: FaultSekisho, authority: KeyPair) -> None:
    renewed = make_authority()
    path = "/k8s/clusters/renewed/api"
    with ScriptedApiServer(issue(renewed)) as api_server:
        sekisho.put_cluster("renewed", [api_server.url], authority.certificate_pem)
        wait_until(lambda: status(sekisho, path, sekisho.root) == 503, SOON)
        sekisho.put_cluster("renewed", [api_server.url], renewed.certificate_pem)
        wait_until(lambda: status(sekisho, path, sekisho.root) == 200, SOON)
        sekisho.put_cluster("renewed", [api_server.url], authority.certificate_pem)
        wait_until(lambda: status(sekisho, path, sekisho.root) == 503, SOON)


# Changes that end a permission end running requests.


def remove_cluster(sekisho: FaultSekisho, user: str, token: str) -> None:
    sekisho.change("admin", "cluster", "remove", "ending", "--keep-cluster-objects")
    del sekisho.clusters["ending"]


def revoke_token(sekisho: FaultSekisho, user: str, token: str) -> None:
    sekisho.change("admin", "token", "revoke", token.partition(":")[0])


def disable_user(sekisho: FaultSekisho, user: str, token: str) -> None:
    sekisho.change("admin", "user", "disable", user)


def delete_user(sekisho: FaultSekisho, user: str, token: str) -> None:
    sekisho.change("admin", "user", "delete", user)


def take_grant(sekisho: FaultSekisho, user: str, token: str) -> None:
    sekisho.change("admin", "cluster", "revoke", "ending", "--user", user)


Ending = Callable[[FaultSekisho, str, str], None]


@pytest.mark.parametrize(
    "end", [remove_cluster, revoke_token, disable_user, delete_user, take_grant]
)
def test_running_streams_end_soon_after_their_permission(
    sekisho: FaultSekisho, authority: KeyPair, end: Ending
) -> None:
    user = f"leaving-{end.__name__.replace('_', '-')}"
    with ScriptedApiServer(issue(authority)) as api_server:
        api_server.scripts |= {WATCH: stream, LOG: stream, EXEC: session}
        sekisho.put_cluster("ending", [api_server.url], authority.certificate_pem)
        wait_until(lambda: sekisho.knows("ending"), SOON)
        sekisho.change("admin", "user", "create", user, "--password-stdin", stdin=f"{PASSWORD}\n")
        sekisho.change("admin", "cluster", "grant", "ending", "--user", user, "--role", "owner")
        token = sekisho.prepare("admin", "token", "create", "--user", user)
        base = "/k8s/clusters/ending"
        head = (
            f"GET {base}{EXEC}?command=sh HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {token}\r\n"
            "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
        )
        with (
            sekisho.open_request("GET", f"{base}{WATCH}?watch=true", token=token) as watch,
            sekisho.open_request("GET", f"{base}{LOG}?follow=true", token=token) as log,
            sekisho.connected() as shell,
            sekisho.open_request("GET", f"{base}{WATCH}?watch=true") as other,
        ):
            shell.sendall(head.encode())
            assert watch.readline() == log.readline() == other.readline() == b"hello\n"
            got = b""
            while not got.endswith(b"hello\n"):
                got += shell.recv(65536)
            end(sekisho, user, token)
            left = 0 if end is remove_cluster else 1
            wait_until(
                lambda: sekisho.metric("sekisho_requests_in_flight") == left, SOON, "their end"
            )
            assert not rest(watch)
            assert not rest(log)
            assert shell.recv(65536) == b""
            assert status(sekisho, f"{base}/api", token) in {401, 404}


def test_connection_stays_open_after_an_ended_watch(
    sekisho: FaultSekisho, scripted: ScriptedApiServer
) -> None:
    """The client expects it to stay open, and may have sent the next request."""
    scripted.scripts[WATCH] = stream
    token = sekisho.prepare("admin", "token", "create", "--user", "root")
    with sekisho.connected() as connection:
        connection.sendall(open_request(f"{SCRIPTED}{WATCH}?watch=true", token))
        until_it_says(connection, b"hello\n\r\n")
        revoke_token(sekisho, "root", token)
        until_it_says(connection, b"0\r\n\r\n")
        connection.sendall(open_request(f"{SCRIPTED}/api", token))
        assert connection.recv(65536).startswith(b"HTTP/1.1 401 ")


def open_request(path: str, token: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


def until_it_says(connection: ssl.SSLSocket, what: bytes) -> None:
    """Read up to these bytes, which must be the last that came."""
    got = b""
    while not got.endswith(what):
        piece = connection.recv(65536)
        assert piece, got
        got += piece


def rest(stream: http.client.HTTPResponse) -> bytes:
    """Return all further bytes up to the end, whether clean or not."""
    try:
        return stream.read()
    except http.client.IncompleteRead as exc:
        return exc.partial
    except ConnectionError:
        return b""
