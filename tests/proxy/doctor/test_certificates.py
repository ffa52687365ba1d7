"""Certificates are checked as a client would, without changing any file."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from config.settings import Settings
from proxy.doctor.certificates import check_certificates
from proxy.doctor.findings import Finding, Status
from proxy.transport.certificates import KeyPair, create_authority, issue_server
from proxy.transport.server_tls import ServerTls

NOW = datetime.now(UTC)
HOST = "sekisho.example.com"


def authority(name: str = "Test") -> KeyPair:
    return create_authority(name, lifetime=timedelta(days=365), now=NOW)


def settings(folder: Path, **tls: Any) -> Settings:
    server = {"external_url": f"https://{HOST}", "tls": tls}
    return Settings.model_validate({"data_dir": str(folder / "data"), "server": server})


def configured(folder: Path, signer: KeyPair, ca: KeyPair, *names: str, days: int = 90) -> Settings:
    lifetime = timedelta(days=days)
    pair = issue_server(signer, common_name="x", names=names or [HOST], lifetime=lifetime, now=NOW)
    files = {"cert_file": pair.certificate_pem, "key_file": pair.key_pem}
    files["ca_file"] = ca.certificate_pem
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return settings(folder, **{name: str(folder / name) for name in files})


def worst(findings: list[Finding]) -> Finding:
    order = list(Status)
    return max(findings, key=lambda one: order.index(one.status))


def test_valid_certificate_is_fine(tmp_path: Path) -> None:
    ca = authority()
    assert worst(list(check_certificates(configured(tmp_path, ca, ca)))).status is Status.OK


def test_certificate_for_another_name_is_an_error(tmp_path: Path) -> None:
    ca = authority()
    found = worst(list(check_certificates(configured(tmp_path, ca, ca, "other.example.com"))))
    assert found.status is Status.ERROR
    assert HOST in found.message


def test_certificate_of_another_ca_is_an_error(tmp_path: Path) -> None:
    made = configured(tmp_path, authority(), authority("Other"))
    found = worst(list(check_certificates(made)))
    assert found.status is Status.ERROR
    assert "server.tls.ca_file" in found.remedy


def test_certificate_that_ends_soon_is_a_warning(tmp_path: Path) -> None:
    ca = authority()
    found = worst(list(check_certificates(configured(tmp_path, ca, ca, days=5))))
    assert found.status is Status.WARNING
    assert "renew it" in found.remedy


def test_key_of_another_certificate_is_an_error(tmp_path: Path) -> None:
    ca = authority()
    made = configured(tmp_path, ca, ca)
    (tmp_path / "key_file").write_bytes(ca.key_pem)
    found = worst(list(check_certificates(made)))
    assert found.status is Status.ERROR
    assert "cannot be used" in found.message


def test_own_certificate_is_fine_and_none_is_made(tmp_path: Path) -> None:
    made = settings(tmp_path)
    assert worst(list(check_certificates(made))).status is Status.SKIPPED
    assert not (tmp_path / "data").exists()
    ServerTls(made)
    found = list(check_certificates(made))
    assert worst(found).status is Status.OK
    assert {one.subject for one in found} == {"server", "own CA"}
