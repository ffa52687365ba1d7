"""Tests of reading files that settings name."""

import os
from pathlib import Path

import pytest

from config.loading import load
from config.problems import ConfigError
from config.regular_files import FileTooLarge, NotRegular, read_regular_file
from providers.settings.certificates import tls_context
from proxy.logs.rotating_file import RotatingFile
from proxy.transport.server_tls import check_pair, read_ca


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """Make a pipe without a writer: opening it as a file blocks permanently."""
    file = tmp_path / "pipe"
    os.mkfifo(file)
    return file


def test_read_regular_file_rejects_pipe_folder_and_device(pipe: Path, tmp_path: Path) -> None:
    for file in (pipe, tmp_path, Path("/dev/zero")):
        with pytest.raises(NotRegular):
            read_regular_file(file, 10)


def test_read_regular_file_rejects_a_file_above_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 10)
    assert read_regular_file(file, 10) == b"x" * 10
    link = tmp_path / "link"
    link.symlink_to(file)
    assert read_regular_file(link, 10) == b"x" * 10
    with pytest.raises(FileTooLarge):
        read_regular_file(file, 9)


def test_load_with_a_secret_in_a_pipe_reports_a_problem(pipe: Path, tmp_path: Path) -> None:
    config = tmp_path / "sekisho.yaml"
    config.write_text(f"store: {{encryption_keys_file: {pipe}}}\n")
    (problem,) = load(str(config), {}).problems
    assert "is not a regular file" in problem.message


def test_certificates_in_a_pipe_are_rejected_without_waiting(pipe: Path) -> None:
    with pytest.raises(OSError, match="not a regular file"):
        tls_context(pipe, None)
    with pytest.raises(ConfigError, match="not a regular file"):
        check_pair(pipe, pipe)
    with pytest.raises(ConfigError, match="not a regular file"):
        read_ca(pipe)


def test_tls_context_with_an_empty_file_raises(tmp_path: Path) -> None:
    empty = tmp_path / "ca.crt"
    empty.write_text("\n")
    with pytest.raises(ValueError, match="PEM"):
        tls_context(empty, None)


def test_audit_log_in_a_pipe_is_rejected(pipe: Path) -> None:
    with pytest.raises(OSError):
        RotatingFile(pipe, max_bytes=1000, backups=1)
