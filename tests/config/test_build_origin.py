"""What a build records of itself."""

from pathlib import Path

from config.build_origin import build_origin


def test_build_origin_of_a_file_has_commit_and_time(tmp_path: Path) -> None:
    file = tmp_path / "build.json"
    file.write_text('{"commit": "c0ffee", "epoch": "0"}')
    assert build_origin(file) == {"commit": "c0ffee", "built": "1970-01-01T00:00:00Z"}
    file.write_text('{"commit": "c0ffee", "epoch": ""}')
    assert build_origin(file) == {"commit": "c0ffee"}


def test_build_origin_without_a_file_is_empty(tmp_path: Path) -> None:
    assert build_origin(tmp_path / "build.json") == {}
