"""Loading the configuration reports all problems of file, environment and providers together."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.problems import ConfigError
from providers.discovery import discover
from proxy.startup.configuration import load_config
from proxy.transport.certificates import create_authority


def problems_of(folder: Path, text: str, **environment: str) -> list[str]:
    """Load a wrong configuration; return its problems without the folder's name."""
    (folder / "sekisho.yaml").write_text(text)
    with pytest.raises(ConfigError) as failure:
        load_config(str(folder / "sekisho.yaml"), environment)
    return [str(problem).replace(f"{folder}/", "") for problem in failure.value.problems]


def test_problems_of_file_environment_and_providers_are_reported_together(tmp_path: Path) -> None:
    text = """\
server:
  listen: nonsense
  tls: {cert_file: none.crt, key_file: none.key}
store: {url: "mysql://db"}
providers:
- {type: local, name: here, colour: red}
- {type: nope, name: there}
- {type: local, name: "No!"}
"""
    missing = "no such file or directory; correct the path or its mode"
    assert problems_of(tmp_path, text, SEKISHO_LOG__ACCESS="perhaps") == [
        f"{place}: {message}"
        for place, message in (
            (
                "sekisho.yaml:2: server.listen",
                "'nonsense' is not host:port; write it like 127.0.0.1:8443 or :8443",
            ),
            (
                "sekisho.yaml:8: providers[2].name",
                "must be 1 to 32 of a-z, 0-9 and -, and not begin or end with -",
            ),
            (
                "environment variable SEKISHO_LOG__ACCESS: log.access",
                "must be true or false",
            ),
            ("sekisho.yaml:6: providers[0].colour", "is not a setting; remove it"),
            (
                "sekisho.yaml:7: providers[1].type",
                f"'nope' is not installed; known: {', '.join(sorted(discover()))}",
            ),
            ("sekisho.yaml:3: server.tls.cert_file", f"none.crt: {missing}"),
            ("sekisho.yaml:3: server.tls.key_file", f"none.key: {missing}"),
            (
                "sekisho.yaml:4: store.url",
                "mysql:// is not supported; use sqlite:/// or postgresql://",
            ),
        )
    ]


def test_certificate_is_checked_when_the_configuration_is_loaded(tmp_path: Path) -> None:
    for name in ("a", "b"):
        pair = create_authority(name, lifetime=timedelta(days=1), now=datetime.now(UTC))
        (tmp_path / f"{name}.crt").write_bytes(pair.certificate_pem)
        (tmp_path / f"{name}.key").write_bytes(pair.key_pem)
    text = "server:\n  tls: {cert_file: a.crt, key_file: b.key, ca_file: b.key}\n"
    unfit, no_ca = problems_of(tmp_path, text)
    assert unfit.startswith("sekisho.yaml:2: server.tls: is not a certificate that matches its key")
    assert unfit.endswith("certificate: a.crt, key: b.key")
    assert no_ca.startswith("sekisho.yaml:2: server.tls.ca_file: is not a PEM file of certificates")
    (tmp_path / "sekisho.yaml").write_text(
        text.replace("b.key", "a.key").replace("ca_file: a.key", "ca_file: a.crt")
    )
    load_config(str(tmp_path / "sekisho.yaml"), {})
    assert {file.suffix for file in tmp_path.iterdir()} == {".crt", ".key", ".yaml"}


def test_encryption_key_is_checked_and_not_in_the_message(tmp_path: Path) -> None:
    [line] = problems_of(tmp_path, "store:\n  encryption_keys: [hunter2]\n")
    assert line.startswith("sekisho.yaml:2: store.encryption_keys: encryption key 1")
    assert "hunter2" not in line
    (tmp_path / "keys").write_text("hunter2\n")
    [line] = problems_of(tmp_path, "store:\n\n  encryption_keys_file: keys\n")
    assert line.startswith("sekisho.yaml:3: store.encryption_keys: encryption key 1")
    assert "hunter2" not in line


def test_database_url_problem_contains_no_password(tmp_path: Path) -> None:
    [line] = problems_of(tmp_path, "store: {url: 'postgresql://u:hunter2@db/x?sslmode=perhaps'}\n")
    assert line.startswith("sekisho.yaml:1: store.url: sslmode must be one of")
    assert "hunter2" not in line
