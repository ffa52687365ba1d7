"""Certificates of the authority that Sekisho creates for itself."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from config.problems import ConfigError
from proxy.transport.server_tls import ServerTls
from tests.proxy.transport.tls_listener import NOW, handshake, settings, trusting

LONG_AGO = NOW - timedelta(days=2500)


def test_clients_with_either_ca_connect_after_ca_renewal(tmp_path: Path) -> None:
    old_ca = ServerTls(settings(tmp_path), now=lambda: LONG_AGO).ca_pem
    renewed = ServerTls(settings(tmp_path), now=lambda: NOW)
    assert old_ca is not None
    assert renewed.ca_pem is not None
    newest = x509.load_pem_x509_certificates(renewed.ca_pem.encode())[0]
    assert newest.not_valid_after_utc > NOW + timedelta(days=3600)
    for client in (old_ca, renewed.ca_pem):
        handshake(renewed.context, trusting(client), "sekisho.example.com")


def test_address_in_another_spelling_needs_no_new_certificate(tmp_path: Path) -> None:
    by_address = settings(tmp_path, "https://[fd00:0:0::1]")
    ServerTls(by_address)
    made = (tmp_path / "tls" / "server.crt").read_bytes()
    tls = ServerTls(by_address)
    assert (tmp_path / "tls" / "server.crt").read_bytes() == made
    handshake(tls.context, trusting(tls.ca_pem), "fd00::1")


def test_long_name_has_a_certificate(tmp_path: Path) -> None:
    name = ".".join(["a" * 40, "b" * 40, "example", "com"])
    tls = ServerTls(settings(tmp_path, f"https://{name}"))
    handshake(tls.context, trusting(tls.ca_pem), name)


def test_key_of_another_server_certificate_is_replaced(tmp_path: Path) -> None:
    """A crash between the writes of two files leaves them so."""
    first = ServerTls(settings(tmp_path / "a"))
    ServerTls(settings(tmp_path / "b"))
    other = (tmp_path / "b" / "tls" / "server.key").read_bytes()
    (tmp_path / "a" / "tls" / "server.key").write_bytes(other)
    repaired = ServerTls(settings(tmp_path / "a"))
    assert repaired.ca_pem == first.ca_pem
    handshake(repaired.context, trusting(first.ca_pem))


def test_ca_key_without_certificate_is_replaced_but_a_lost_ca_key_is_an_error(
    tmp_path: Path,
) -> None:
    ServerTls(settings(tmp_path))
    (tmp_path / "tls" / "ca.crt").unlink()
    ServerTls(settings(tmp_path))
    made = (tmp_path / "tls" / "ca.crt").read_bytes()
    (tmp_path / "tls" / "ca.key").unlink()
    with pytest.raises(ConfigError, match=r"ca\.key is missing; restore .* from a backup"):
        ServerTls(settings(tmp_path))
    assert (tmp_path / "tls" / "ca.crt").read_bytes() == made


def test_concurrent_processes_create_one_authority(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from config.settings import Settings\n"
        "from proxy.transport.server_tls import ServerTls\n"
        "print(ServerTls(Settings(data_dir=sys.argv[1])).ca_pem)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "data")]
    root = Path(__file__).parents[3]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) for _ in range(4)
    ]
    bundles = {process.communicate(timeout=60)[0] for process in started}
    assert [process.returncode for process in started] == [0, 0, 0, 0]
    assert len(bundles) == 1
