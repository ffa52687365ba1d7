"""Clusters, users, tokens and grants change without a restart, also under running streams."""

import http.client
import ssl
from collections.abc import Callable

import pytest

from proxy.certificates import KeyPair
from tests.faults.conftest import Besieged
from tests.faults.test_broken_answers import errors
from tests.parts.scripted_master import Asked, ScriptedMaster, answering, issue, make_authority
from tests.parts.sekisho import PASSWORD
from tests.parts.vitals import until

SCRIPTED = "/k8s/clusters/scripted"
WATCH = "/api/v1/pods"
LOG = "/api/v1/namespaces/n/pods/p/log"
EXEC = "/api/v1/namespaces/n/pods/p/exec"
SOON = 10.0
"""Within how many seconds a stream must end whose right has ended; on a busy machine."""


async def stream(asked: Asked) -> None:
    """Something at the beginning, and then nothing for ever."""
    await asked.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello\n\r\n")
    await asked.hang()


async def session(asked: Asked) -> None:
    """An exec session in which nothing is said after a greeting."""
    await asked.say(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n",
        b"hello\n",
    )
    await asked.hang()


def status(sekisho: Besieged, path: str, token: str) -> int:
    return sekisho.ask("GET", path, token=token).status


def test_a_cluster_comes_moves_and_goes_while_the_server_runs(
    sekisho: Besieged, authority: KeyPair
) -> None:
    path = "/k8s/clusters/nomad/where"
    assert status(sekisho, path, sekisho.root) == 404
    with ScriptedMaster(issue(authority)) as first, ScriptedMaster(issue(authority)) as second:
        first.scripts["/where"], second.scripts["/where"] = answering(b"1"), answering(b"2")
        sekisho.put_cluster("nomad", [first.url], authority.certificate_pem)
        until(lambda: status(sekisho, path, sekisho.root) == 200, SOON)
        assert sekisho.ask("GET", path, token=sekisho.root).body == b"1"
        sekisho.put_cluster("nomad", [second.url], authority.certificate_pem)
        until(lambda: sekisho.ask("GET", path, token=sekisho.root).body == b"2", SOON)
        sekisho.run("cluster", "remove", "nomad", "--keep-downstream")
        until(lambda: status(sekisho, path, sekisho.root) == 404, SOON)
    assert errors(sekisho, "refused", "nomad") == 0
    del sekisho.clusters["nomad"]


def test_requests_go_on_while_a_cluster_moves_and_what_runs_ends_where_it_began(
    sekisho: Besieged, authority: KeyPair
) -> None:
    with ScriptedMaster(issue(authority)) as old, ScriptedMaster(issue(authority)) as new:
        old.scripts["/stream"] = stream
        new.scripts["/where"] = answering(b"new")
        sekisho.put_cluster("moving", [old.url], authority.certificate_pem)
        until(lambda: sekisho.knows("moving"), SOON)
        with sekisho.asking("GET", "/k8s/clusters/moving/stream") as running:
            assert running.readline() == b"hello\n"
            sekisho.put_cluster("moving", [new.url], authority.certificate_pem)

            def moved() -> bool:
                answer = sekisho.ask("GET", "/k8s/clusters/moving/where", token=sekisho.root)
                assert answer.status == 200
                return answer.body == b"new"

            until(moved, SOON)
            assert sekisho.metric("sekisho_requests_in_flight") == 1


def test_a_new_ca_is_believed_and_the_old_one_no_more(
    sekisho: Besieged, authority: KeyPair
) -> None:
    renewed = make_authority()
    path = "/k8s/clusters/renewed/api"
    with ScriptedMaster(issue(renewed)) as master:
        sekisho.put_cluster("renewed", [master.url], authority.certificate_pem)
        until(lambda: status(sekisho, path, sekisho.root) == 503, SOON)
        sekisho.put_cluster("renewed", [master.url], renewed.certificate_pem)
        until(lambda: status(sekisho, path, sekisho.root) == 200, SOON)
        sekisho.put_cluster("renewed", [master.url], authority.certificate_pem)
        until(lambda: status(sekisho, path, sekisho.root) == 503, SOON)


# What ends a right ends what runs by it.


def remove_cluster(sekisho: Besieged, user: str, token: str) -> None:
    sekisho.run("cluster", "remove", "ending", "--keep-downstream")
    del sekisho.clusters["ending"]


def revoke_token(sekisho: Besieged, user: str, token: str) -> None:
    sekisho.run("token", "revoke", token.partition(":")[0])


def disable_user(sekisho: Besieged, user: str, token: str) -> None:
    sekisho.run("user", "disable", user)


def delete_user(sekisho: Besieged, user: str, token: str) -> None:
    sekisho.run("user", "delete", user)


def take_grant(sekisho: Besieged, user: str, token: str) -> None:
    sekisho.run("cluster", "revoke", "ending", "--user", user)


Ending = Callable[[Besieged, str, str], None]


@pytest.mark.parametrize(
    "end", [remove_cluster, revoke_token, disable_user, delete_user, take_grant]
)
def test_running_streams_end_soon_after_the_right_to_them(
    sekisho: Besieged, authority: KeyPair, end: Ending
) -> None:
    user = f"leaving-{end.__name__.replace('_', '-')}"
    with ScriptedMaster(issue(authority)) as master:
        master.scripts |= {WATCH: stream, LOG: stream, EXEC: session}
        sekisho.put_cluster("ending", [master.url], authority.certificate_pem)
        until(lambda: sekisho.knows("ending"), SOON)
        sekisho.quickly("user", "create", user, "--password-stdin", stdin=f"{PASSWORD}\n")
        sekisho.quickly("cluster", "grant", "ending", "--user", user, "--role", "owner")
        token = sekisho.quickly("token", "create", "--user", user)
        base = "/k8s/clusters/ending"
        head = (
            f"GET {base}{EXEC}?command=sh HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {token}\r\n"
            "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
        )
        with (
            sekisho.asking("GET", f"{base}{WATCH}?watch=true", token=token) as watch,
            sekisho.asking("GET", f"{base}{LOG}?follow=true", token=token) as log,
            sekisho.connected() as shell,
            sekisho.asking("GET", f"{base}{WATCH}?watch=true") as other,
        ):
            shell.sendall(head.encode())
            assert watch.readline() == log.readline() == other.readline() == b"hello\n"
            got = b""
            while not got.endswith(b"hello\n"):
                got += shell.recv(65536)
            end(sekisho, user, token)
            left = 0 if end is remove_cluster else 1
            until(lambda: sekisho.metric("sekisho_requests_in_flight") == left, SOON, "their end")
            assert not rest(watch)
            assert not rest(log)
            assert shell.recv(65536) == b""
            assert status(sekisho, f"{base}/api", token) in {401, 404}


def test_a_connection_goes_on_when_a_watch_on_it_was_ended(
    sekisho: Besieged, scripted: ScriptedMaster
) -> None:
    """Its client was not told otherwise, and may have sent something already."""
    scripted.scripts[WATCH] = stream
    token = sekisho.quickly("token", "create", "--user", "root")
    with sekisho.connected() as connection:
        connection.sendall(asking(f"{SCRIPTED}{WATCH}?watch=true", token))
        until_it_says(connection, b"hello\n\r\n")
        revoke_token(sekisho, "root", token)
        until_it_says(connection, b"0\r\n\r\n")
        connection.sendall(asking(f"{SCRIPTED}/api", token))
        assert connection.recv(65536).startswith(b"HTTP/1.1 401 ")


def asking(path: str, token: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


def until_it_says(connection: ssl.SSLSocket, what: bytes) -> None:
    """Read to that; it must be the last that comes."""
    got = b""
    while not got.endswith(what):
        piece = connection.recv(65536)
        assert piece, got
        got += piece


def rest(stream: http.client.HTTPResponse) -> bytes:
    """What else comes before the end, be it a clean one or not."""
    try:
        return stream.read()
    except http.client.IncompleteRead as exc:
        return exc.partial
    except ConnectionError:
        return b""
