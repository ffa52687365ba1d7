"""How directories are reached: TLS, certificates, servers that are down, many at once."""

import asyncio
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from providers.base import Attempt, ExternalIdentity, Outcome, ProviderUnavailable, Refused
from tests.parts.directory_pki import make_pki
from tests.parts.openldap import PASSWORD, OpenLdap
from tests.parts.scripted_directory import Request, scripted, silence
from tests.parts.tcp_relay import relay
from tests.providers.ldap.conftest import Providing


@pytest.fixture(scope="module")
def person(openldap: OpenLdap) -> str:
    return openldap.user()


@pytest.fixture
def silent_url() -> Iterator[str]:
    """A server that accepts connections and never says a word."""
    with silence() as port:
        yield f"ldaps://127.0.0.1:{port}"


def let_in(outcome: Outcome) -> ExternalIdentity:
    assert isinstance(outcome, ExternalIdentity), outcome
    return outcome


async def test_start_tls_encrypts_before_anything_is_said(
    providing: Providing, openldap: OpenLdap, person: str
) -> None:
    ldap = await providing(servers=[openldap.plain_url], start_tls=True)
    let_in(await ldap.authenticate(Attempt(person, PASSWORD)))


async def test_plain_ldap_where_somebody_asks_for_it(
    providing: Providing, openldap: OpenLdap, person: str
) -> None:
    ldap = await providing(servers=[openldap.plain_url], allow_plain=True, ca_file=None)
    let_in(await ldap.authenticate(Attempt(person, PASSWORD)))


@pytest.mark.parametrize("start_tls", [False, True])
async def test_a_certificate_of_another_authority_is_refused(
    providing: Providing, openldap: OpenLdap, person: str, tmp_path: Path, start_tls: bool
) -> None:
    other = make_pki(tmp_path, "127.0.0.1")
    url = openldap.plain_url if start_tls else openldap.url
    for ca_file in (other.ca, None):
        ldap = await providing(servers=[url], start_tls=start_tls, ca_file=ca_file)
        with pytest.raises(ProviderUnavailable, match="certificate verify failed"):
            await ldap.authenticate(Attempt(person, PASSWORD))
        with pytest.raises(ProviderUnavailable):
            await ldap.check()


@pytest.mark.parametrize("start_tls", [False, True])
async def test_a_certificate_for_another_name_is_refused(
    providing: Providing, openldap: OpenLdap, person: str, start_tls: bool
) -> None:
    port = openldap.port if start_tls else openldap.tls_port
    url = f"{'ldap' if start_tls else 'ldaps'}://localhost:{port}"
    ldap = await providing(servers=[url], start_tls=start_tls)
    with pytest.raises(ProviderUnavailable, match="Hostname mismatch"):
        await ldap.authenticate(Attempt(person, PASSWORD))
    named = await providing(servers=[url], start_tls=start_tls, tls_server_name="ldap.example.test")
    let_in(await named.authenticate(Attempt(person, PASSWORD)))


async def test_a_server_that_refuses_start_tls_hears_no_password(
    providing: Providing, person: str
) -> None:
    def script(request: Request) -> bytes:
        return request.bind_answer(2).replace(b"\x61", b"\x78", 1)

    with scripted(script) as directory:
        ldap = await providing(servers=[directory.url], start_tls=True)
        with pytest.raises(ProviderUnavailable):
            await ldap.authenticate(Attempt(person, PASSWORD))
        assert [one.operation for one in directory.requests] == [0x77]


async def test_what_is_said_before_tls_begins_is_not_listened_to(
    providing: Providing, person: str
) -> None:
    """Somebody in between could put a bind's answer behind that to StartTLS."""

    def script(request: Request) -> bytes:
        following = Request(request.number + 1, 0, b"")
        return request.bind_answer().replace(b"\x61", b"\x78", 1) + following.bind_answer()

    with scripted(script) as directory:
        ldap = await providing(servers=[directory.url], start_tls=True)
        with pytest.raises(ProviderUnavailable):
            await ldap.authenticate(Attempt(person, PASSWORD))
        assert [one.operation for one in directory.requests] == [0x77]


async def test_certificates_that_can_not_be_read_are_told_at_the_start(
    providing: Providing, tmp_path: Path
) -> None:
    (tmp_path / "no.pem").write_text("not a certificate")
    for file in (tmp_path / "none.pem", tmp_path / "no.pem"):
        with pytest.raises(ProviderUnavailable, match="ca_file"):
            await providing(ca_file=file)


async def test_a_dead_first_server_costs_its_timeout_once(
    providing: Providing, openldap: OpenLdap, person: str, unused_port: int, silent_url: str
) -> None:
    dead = f"ldaps://127.0.0.1:{unused_port}"
    ldap = await providing(servers=[dead, silent_url, openldap.url], connect_timeout="1s")
    let_in(await ldap.authenticate(Attempt(person, PASSWORD)))
    began = time.monotonic()
    for _ in range(5):
        let_in(await ldap.authenticate(Attempt(person, PASSWORD)))
    assert time.monotonic() - began < 5  # asked each time, the silent one alone would take longer


async def test_a_server_that_goes_away_is_replaced_by_the_next(
    providing: Providing, openldap: OpenLdap, person: str
) -> None:
    with relay(openldap.tls_port) as first:
        ldap = await providing(
            servers=[f"ldaps://127.0.0.1:{first.port}", openldap.url], connect_timeout="1s"
        )
        let_in(await ldap.authenticate(Attempt(person, PASSWORD)))
        first.cut()
        let_in(await ldap.authenticate(Attempt(person, PASSWORD)))
    let_in(await ldap.authenticate(Attempt(person, PASSWORD)))


async def test_all_servers_down_is_a_broken_backend_and_not_a_wrong_password(
    providing: Providing, person: str, unused_port: int
) -> None:
    ldap = await providing(servers=[f"ldaps://127.0.0.1:{unused_port}"])
    with pytest.raises(ProviderUnavailable, match="no server of the directory") as caught:
        await ldap.authenticate(Attempt(person, PASSWORD))
    assert caught.value.retry_after


async def test_200_sign_ins_at_once_keep_the_loop_free_and_the_directory_whole(
    providing: Providing, openldap: OpenLdap, person: str
) -> None:
    with relay(openldap.tls_port) as between:
        ldap = await providing(servers=[f"ldaps://127.0.0.1:{between.port}"], sign_in_timeout="60s")
        beats: list[float] = []
        done = asyncio.Event()

        async def heart() -> None:
            while not done.is_set():
                beats.append(time.monotonic())
                await asyncio.sleep(0.01)

        beating = asyncio.create_task(heart())
        attempts = [Attempt(person if n % 4 else "nobody-there", PASSWORD) for n in range(200)]
        outcomes = await asyncio.gather(*(ldap.authenticate(one) for one in attempts))
        done.set()
        await beating
    gaps = [after - before for before, after in pairwise(beats)]
    print(
        f"200 sign-ins in {beats[-1] - beats[0]:.2f} s; {between.most} connections at most; "
        f"longest pause of the loop {max(gaps) * 1000:.0f} ms"
    )
    assert sum(isinstance(one, ExternalIdentity) for one in outcomes) == 150
    assert outcomes.count(Refused("unknown_user")) == 50
    # Two for each of four threads, and those that are just being closed.
    assert between.most <= 20
    assert max(gaps) < 1.0
    assert len(beats) > 20
