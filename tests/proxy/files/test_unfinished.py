"""Files under a temporary name: they are complete, or removed by the next process."""

import errno
import stat
from pathlib import Path

import pytest

from proxy.files.unfinished import SUFFIX, remove_abandoned, unfinished_file, unfinished_folder


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def test_file_gets_its_name_when_it_is_complete(tmp_path: Path) -> None:
    file = tmp_path / "x"
    with unfinished_file(file) as output:
        output.write(b"content")
        assert not file.exists()
    assert names(tmp_path) == ["x"]
    assert file.read_bytes() == b"content"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "x"
    slow = unfinished_file(file)
    slow.__enter__().write(b"slow")
    with unfinished_file(file) as other:
        other.write(b"fast")
    with pytest.raises(FileExistsError):
        slow.__exit__(None, None, None)
    assert file.read_bytes() == b"fast"
    assert names(tmp_path) == ["x"]


def test_symbolic_link_to_nothing_counts_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "x").symlink_to(tmp_path / "nothing")
    with pytest.raises(FileExistsError), unfinished_file(tmp_path / "x"):
        pass
    assert names(tmp_path) == ["x"]


def test_abandoned_files_and_folders_are_removed(tmp_path: Path) -> None:
    (tmp_path / f".a.1{SUFFIX}").write_bytes(b"sealed")
    (tmp_path / f".b.1{SUFFIX}").mkdir()
    (tmp_path / f".b.1{SUFFIX}" / "database").write_bytes(b"rows")
    (tmp_path / "kept").touch()
    with unfinished_file(tmp_path / "x"):
        assert len(names(tmp_path)) == 2
    assert names(tmp_path) == ["kept", "x"]


def test_what_is_being_written_is_not_removed(tmp_path: Path) -> None:
    with unfinished_folder(tmp_path / "y") as folder, unfinished_file(tmp_path / "x") as output:
        remove_abandoned(tmp_path)
        assert folder.is_dir()
        output.write(b"content")
    assert names(tmp_path) == ["x"]
    assert (tmp_path / "x").read_bytes() == b"content"


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / f".a{SUFFIX}").symlink_to(outside)
    (inside / f".b{SUFFIX}").symlink_to(outside / "file")
    remove_abandoned(inside)
    assert names(outside) == ["file"]


def test_error_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "x"
    with pytest.raises(OSError, match="No space") as caught, unfinished_file(file):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(file)
    missing = tmp_path / "missing" / "x"
    with pytest.raises(FileNotFoundError) as other, unfinished_file(missing):
        pass
    assert other.value.filename == str(missing)
    assert names(tmp_path) == []
