"""The main listener's certificate: created, private, renewed while the server runs."""

import asyncio
import contextlib
import socket
import ssl
import stat
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from cryptography import x509

from config.problems import ConfigError
from config.settings import Settings
from proxy.transport.certificates import KeyPair, create_authority, issue_server
from proxy.transport.server_tls import ServerTls

NOW = datetime.now(UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def settings(folder: Path, **tls: Any) -> Settings:
    return Settings.model_validate(
        {
            "data_dir": str(folder),
            "server": {"external_url": "https://sekisho.example.com", "tls": tls},
        }
    )


async def presented(context: ssl.SSLContext, ca_pem: str, name: str) -> x509.Certificate:
    """Return the certificate of a new connection, verified by a client that trusts ``ca_pem``."""
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]

    def connect() -> bytes:
        client = ssl.create_default_context(cadata=ca_pem)
        with (
            socket.create_connection(("127.0.0.1", port), 120) as plain,
            client.wrap_socket(plain, server_hostname=name) as connection,
        ):
            found = connection.getpeercert(binary_form=True)
            assert found is not None
            return found

    async with server:
        return x509.load_der_x509_certificate(await asyncio.to_thread(connect))


@pytest.mark.parametrize("name", ["sekisho.example.com", "127.0.0.1", "localhost"])
async def test_without_a_certificate_the_local_ca_issues_one(tmp_path: Path, name: str) -> None:
    tls = ServerTls(settings(tmp_path))
    assert tls.context is not None
    assert tls.ca_pem is not None
    await presented(tls.context, tls.ca_pem, name)


def test_key_files_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    ServerTls(settings(tmp_path))
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "tls").iterdir()}
    modes.pop(".lock", None)
    assert modes == {"ca.crt": 0o644, "ca.key": 0o600, "server.crt": 0o644, "server.key": 0o600}
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700
    (tmp_path / "tls" / "server.key").chmod(0o644)
    ServerTls(settings(tmp_path))
    assert stat.S_IMODE((tmp_path / "tls" / "server.key").stat().st_mode) == 0o600


def test_restart_keeps_ca_and_certificate(tmp_path: Path) -> None:
    first = ServerTls(settings(tmp_path)).ca_pem
    served = (tmp_path / "tls" / "server.crt").read_bytes()
    assert ServerTls(settings(tmp_path)).ca_pem == first
    assert (tmp_path / "tls" / "server.crt").read_bytes() == served


async def test_local_certificate_is_renewed_while_the_server_runs(tmp_path: Path) -> None:
    clock = Clock()
    clock.now -= timedelta(days=61)
    tls = ServerTls(settings(tmp_path), now=clock)
    assert tls.context is not None
    assert tls.ca_pem is not None
    before = await presented(tls.context, tls.ca_pem, "localhost")
    assert not tls.refresh()
    clock.now += timedelta(days=61)
    assert tls.refresh()
    after = await presented(tls.context, tls.ca_pem, "localhost")
    assert after.serial_number != before.serial_number
    assert after.not_valid_after_utc > before.not_valid_after_utc


async def test_ca_is_renewed_before_it_expires_and_bundle_keeps_the_old_one(tmp_path: Path) -> None:
    """Kubeconfigs that contain only the old CA verify certificates of the new one."""
    clock = Clock()
    clock.now -= timedelta(days=2600)
    old = ServerTls(settings(tmp_path), now=clock).ca_pem
    clock.now += timedelta(days=2600)
    renewed = ServerTls(settings(tmp_path), now=clock)
    assert old is not None
    assert renewed.ca_pem is not None
    assert renewed.ca_pem != old
    assert renewed.ca_pem.endswith(old)
    assert renewed.context is not None
    by_old = await presented(renewed.context, old, "localhost")
    by_new = await presented(renewed.context, renewed.ca_pem, "localhost")
    assert by_old == by_new


def test_changed_name_makes_a_new_certificate_of_the_same_ca(tmp_path: Path) -> None:
    first = ServerTls(settings(tmp_path))
    served = (tmp_path / "tls" / "server.crt").read_bytes()
    other = settings(tmp_path).model_copy(
        update={
            "server": settings(tmp_path).server.model_copy(
                update={"external_url": "https://other.example.com"}
            )
        }
    )
    second = ServerTls(other)
    assert (tmp_path / "tls" / "server.crt").read_bytes() != served
    assert first.ca_pem == second.ca_pem


def pair_for_localhost(authority: KeyPair) -> KeyPair:
    return issue_server(
        authority, common_name="x", names=["localhost"], lifetime=timedelta(days=1), now=NOW
    )


async def test_key_that_changes_while_it_is_loaded_does_not_replace_the_pair_in_use(
    tmp_path: Path,
) -> None:
    authority = create_authority("corp", lifetime=timedelta(days=9), now=NOW)
    cert, key, ca = tmp_path / "x.crt", tmp_path / "x.key", tmp_path / "ca.crt"
    first, second, third = (pair_for_localhost(authority) for _ in range(3))
    cert.write_bytes(first.certificate_pem)
    key.write_bytes(first.key_pem)
    ca.write_bytes(authority.certificate_pem)
    tls = ServerTls(settings(tmp_path, cert_file=str(cert), key_file=str(key), ca_file=str(ca)))
    assert tls.context is not None
    opened: list[str] | None = []

    def change_the_key(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and opened is not None and str(arguments[0]) == str(cert):
            opened.append(event)
            if len(opened) > 1:  # The pair has been tried, and is used now.
                key.write_bytes(third.key_pem)

    cert.write_bytes(second.certificate_pem)
    key.write_bytes(second.key_pem)
    sys.addaudithook(change_the_key)  # It cannot be removed.
    with contextlib.suppress(ConfigError):
        tls.refresh()
    opened = None
    served = await presented(tls.context, authority.certificate_pem.decode(), "localhost")
    assert served == x509.load_pem_x509_certificate(second.certificate_pem)


async def test_configured_files_are_reloaded_and_broken_ones_are_not_used(
    tmp_path: Path,
) -> None:
    authority = create_authority("corp", lifetime=timedelta(days=9), now=NOW)
    ca_pem = authority.certificate_pem.decode()
    cert, key = tmp_path / "x.crt", tmp_path / "x.key"

    def issue() -> None:
        pair = pair_for_localhost(authority)
        cert.write_bytes(pair.certificate_pem)
        key.write_bytes(pair.key_pem)

    issue()
    (tmp_path / "ca.crt").write_text(ca_pem)
    tls = ServerTls(
        settings(tmp_path, cert_file=str(cert), key_file=str(key), ca_file=str(tmp_path / "ca.crt"))
    )
    assert tls.context is not None
    assert tls.ca_pem == ca_pem
    before = await presented(tls.context, ca_pem, "localhost")
    issue()
    assert tls.refresh()
    after = await presented(tls.context, ca_pem, "localhost")
    assert after.serial_number != before.serial_number
    cert.write_text("broken")
    with pytest.raises(ConfigError, match="matches its key"):
        tls.refresh()
    assert (await presented(tls.context, ca_pem, "localhost")) == after
    assert not (tmp_path / "tls").exists()


def test_damaged_ca_folder_is_reported_with_a_remedy(tmp_path: Path) -> None:
    ServerTls(settings(tmp_path))
    (tmp_path / "tls" / "ca.crt").write_text("damaged")
    with pytest.raises(ConfigError, match="remove the folder"):
        ServerTls(settings(tmp_path))


def test_plain_http_has_no_context_and_no_files(tmp_path: Path) -> None:
    tls = ServerTls(settings(tmp_path, plain_http=True))
    assert tls.context is None
    assert not list(tmp_path.iterdir())


async def test_more_names_are_in_the_certificate_of_the_local_ca(tmp_path: Path) -> None:
    tls = ServerTls(settings(tmp_path, names=["former.example.com"]))
    assert tls.context is not None
    assert tls.ca_pem is not None
    for name in ("sekisho.example.com", "former.example.com"):
        await presented(tls.context, tls.ca_pem, name)


def test_more_names_beside_a_configured_certificate_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="names are for the certificate of Sekisho's own CA"):
        settings(tmp_path, names=["a.example"], cert_file="x.crt", key_file="x.key")


@pytest.mark.parametrize(
    ("names", "warned"),
    [
        (["sekisho.example.com"], False),
        (["*.example.com"], False),
        (["former.example.com"], True),
        (["*.sekisho.example.com"], True),
    ],
)
def test_configured_certificate_without_the_external_name_is_reported(
    tmp_path: Path, names: list[str], *, warned: bool
) -> None:
    authority = create_authority("test", lifetime=timedelta(days=1), now=NOW)
    pair = issue_server(
        authority, common_name="x", names=names, lifetime=timedelta(days=1), now=NOW
    )
    files = {"cert_file": tmp_path / "x.crt", "key_file": tmp_path / "x.key"}
    files["cert_file"].write_bytes(pair.certificate_pem)
    files["key_file"].write_bytes(pair.key_pem)
    files["key_file"].chmod(0o600)
    with structlog.testing.capture_logs() as logged:
        ServerTls(settings(tmp_path, **{name: str(file) for name, file in files.items()}))
    said = [one["host"] for one in logged if "not valid for server.external_url" in one["event"]]
    assert said == (["sekisho.example.com"] if warned else [])
