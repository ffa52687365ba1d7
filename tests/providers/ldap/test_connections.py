"""Tests of connections to directories: TLS, certificates, failover, concurrency."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from providers.base import ExternalIdentity, Outcome, PasswordAttempt, ProviderUnavailable, Rejected
from tests.providers.ldap.conftest import MakeProvider
from tests.support.directory_pki import make_pki
from tests.support.openldap import PASSWORD, OpenLdap
from tests.support.scripted_directory import Request, scripted, silent_server
from tests.support.tcp_relay import relay
from tests.support.waiting import within


@pytest.fixture(scope="module")
def user(openldap: OpenLdap) -> str:
    return openldap.create_user()


@pytest.fixture
def silent_url() -> Iterator[str]:
    """Yield the URL of a server that accepts connections and sends nothing."""
    with silent_server() as port:
        yield f"ldaps://127.0.0.1:{port}"


def signed_in(outcome: Outcome) -> ExternalIdentity:
    assert isinstance(outcome, ExternalIdentity), outcome
    return outcome


async def test_start_tls_sign_in_succeeds(
    make_provider: MakeProvider, openldap: OpenLdap, user: str
) -> None:
    ldap = await make_provider(servers=[openldap.plain_url], start_tls=True)
    signed_in(await ldap.authenticate(PasswordAttempt(user, PASSWORD)))


async def test_plain_ldap_with_allow_plain_signs_in(
    make_provider: MakeProvider, openldap: OpenLdap, user: str
) -> None:
    ldap = await make_provider(servers=[openldap.plain_url], allow_plain=True, ca_file=None)
    signed_in(await ldap.authenticate(PasswordAttempt(user, PASSWORD)))


@pytest.mark.parametrize("start_tls", [False, True])
async def test_certificate_of_another_authority_is_refused(
    make_provider: MakeProvider, openldap: OpenLdap, user: str, tmp_path: Path, start_tls: bool
) -> None:
    other = make_pki(tmp_path, "127.0.0.1")
    url = openldap.plain_url if start_tls else openldap.url
    for ca_file in (other.ca, None):
        ldap = await make_provider(servers=[url], start_tls=start_tls, ca_file=ca_file)
        with pytest.raises(ProviderUnavailable, match="certificate verify failed"):
            await ldap.authenticate(PasswordAttempt(user, PASSWORD))
        with pytest.raises(ProviderUnavailable):
            await ldap.check()


@pytest.mark.parametrize("start_tls", [False, True])
async def test_certificate_for_another_name_is_refused(
    make_provider: MakeProvider, openldap: OpenLdap, user: str, start_tls: bool
) -> None:
    port = openldap.port if start_tls else openldap.tls_port
    url = f"{'ldap' if start_tls else 'ldaps'}://localhost:{port}"
    ldap = await make_provider(servers=[url], start_tls=start_tls)
    with pytest.raises(ProviderUnavailable, match="Hostname mismatch"):
        await ldap.authenticate(PasswordAttempt(user, PASSWORD))
    named = await make_provider(
        servers=[url], start_tls=start_tls, tls_server_name="ldap.example.test"
    )
    signed_in(await named.authenticate(PasswordAttempt(user, PASSWORD)))


async def test_server_that_refuses_start_tls_receives_no_password(
    make_provider: MakeProvider, user: str
) -> None:
    def script(request: Request) -> bytes:
        return request.bind_response(2).replace(b"\x61", b"\x78", 1)

    with scripted(script) as directory:
        ldap = await make_provider(servers=[directory.url], start_tls=True)
        with pytest.raises(ProviderUnavailable):
            await ldap.authenticate(PasswordAttempt(user, PASSWORD))
        assert [one.operation for one in directory.requests] == [0x77]


async def test_response_injected_before_tls_is_refused(
    make_provider: MakeProvider, user: str
) -> None:
    """An attacker on the path could append a bind response to the StartTLS response."""

    def script(request: Request) -> bytes:
        following = Request(request.number + 1, 0, b"")
        return request.bind_response().replace(b"\x61", b"\x78", 1) + following.bind_response()

    with scripted(script) as directory:
        ldap = await make_provider(servers=[directory.url], start_tls=True)
        with pytest.raises(ProviderUnavailable):
            await ldap.authenticate(PasswordAttempt(user, PASSWORD))
        assert [one.operation for one in directory.requests] == [0x77]


async def test_unreadable_ca_file_is_reported_at_start(
    make_provider: MakeProvider, tmp_path: Path
) -> None:
    (tmp_path / "no.pem").write_text("not a certificate")
    for file in (tmp_path / "none.pem", tmp_path / "no.pem"):
        with pytest.raises(ProviderUnavailable, match="ca_file"):
            await make_provider(ca_file=file)


async def test_unreachable_first_server_costs_its_timeout_once(
    make_provider: MakeProvider, openldap: OpenLdap, user: str, unused_port: int, silent_url: str
) -> None:
    dead = f"ldaps://127.0.0.1:{unused_port}"
    ldap = await make_provider(servers=[dead, silent_url, openldap.url], connect_timeout="1s")
    signed_in(await ldap.authenticate(PasswordAttempt(user, PASSWORD)))
    # Another attempt at the silent server in each sign-in would take longer.
    with within(5):
        for _ in range(5):
            signed_in(await ldap.authenticate(PasswordAttempt(user, PASSWORD)))


async def test_failed_server_is_replaced_by_next_server(
    make_provider: MakeProvider, openldap: OpenLdap, user: str
) -> None:
    with relay(openldap.tls_port) as first:
        ldap = await make_provider(
            servers=[f"ldaps://127.0.0.1:{first.port}", openldap.url], connect_timeout="1s"
        )
        signed_in(await ldap.authenticate(PasswordAttempt(user, PASSWORD)))
        first.cut()
        signed_in(await ldap.authenticate(PasswordAttempt(user, PASSWORD)))
    signed_in(await ldap.authenticate(PasswordAttempt(user, PASSWORD)))


async def test_all_servers_unreachable_is_unavailable(
    make_provider: MakeProvider, user: str, unused_port: int
) -> None:
    ldap = await make_provider(servers=[f"ldaps://127.0.0.1:{unused_port}"])
    with pytest.raises(ProviderUnavailable, match="no server of the directory") as caught:
        await ldap.authenticate(PasswordAttempt(user, PASSWORD))
    assert caught.value.retry_after


async def test_200_concurrent_sign_ins_do_not_block_the_loop_or_exceed_connections(
    make_provider: MakeProvider, openldap: OpenLdap, user: str
) -> None:
    with relay(openldap.tls_port) as relayed:
        ldap = await make_provider(
            servers=[f"ldaps://127.0.0.1:{relayed.port}"], sign_in_timeout="60s"
        )
        beats: list[float] = []
        done = asyncio.Event()

        async def heartbeat() -> None:
            while not done.is_set():
                beats.append(time.monotonic())
                await asyncio.sleep(0.01)

        beating = asyncio.create_task(heartbeat())
        attempts = [
            PasswordAttempt(user if n % 4 else "unknown-user", PASSWORD) for n in range(200)
        ]
        outcomes = await asyncio.gather(*(ldap.authenticate(one) for one in attempts))
        done.set()
        await beating
    gaps = [after - before for before, after in pairwise(beats)]
    print(
        f"200 sign-ins in {beats[-1] - beats[0]:.2f} s; {relayed.most} connections at most; "
        f"longest pause of the loop {max(gaps) * 1000:.0f} ms"
    )
    assert sum(isinstance(one, ExternalIdentity) for one in outcomes) == 150
    assert outcomes.count(Rejected("unknown_user")) == 50
    # Two for each of four threads, and connections that are being closed.
    assert relayed.most <= 20
    assert max(gaps) < 1.0
    assert len(beats) > 20


@pytest.mark.parametrize("scheme", ["ldaps", "ldap"])
async def test_host_with_unreachable_first_addresses_costs_its_timeout_once(
    make_provider: MakeProvider,
    openldap: OpenLdap,
    user: str,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
) -> None:
    """Resolve to an address that refuses, a silent one, one without a directory, a good one."""
    port = openldap.tls_port if scheme == "ldaps" else openldap.port
    resolve = socket.getaddrinfo
    with silent_server() as no_directory, full_queue() as silent:
        addresses = [("127.0.0.2", port), ("127.0.0.1", silent), ("127.0.0.1", no_directory)]

        def resolve_to_all(host: str, *arguments: Any, **options: Any) -> Any:
            if host != "ldap.example.test":
                return resolve(host, *arguments, **options)
            kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
            return [(*kind, one) for one in (*addresses, ("127.0.0.1", port))]

        monkeypatch.setattr(socket, "getaddrinfo", resolve_to_all)
        ldap = await make_provider(
            servers=[f"{scheme}://ldap.example.test:{port}"],
            start_tls=scheme == "ldap",
            connect_timeout="2s",
        )
        signed_in(await ldap.authenticate(PasswordAttempt(user, PASSWORD)))
        # Another attempt at the dead addresses would cost more than two seconds each.
        with within(8):
            for _ in range(4):
                signed_in(await ldap.authenticate(PasswordAttempt(user, PASSWORD)))


@contextmanager
def full_queue() -> Iterator[int]:
    """Yield a port with a full accept queue, which does not reply to a SYN."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        port: int = listener.getsockname()[1]
        yield port
