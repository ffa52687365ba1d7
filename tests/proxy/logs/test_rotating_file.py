"""Log files that Sekisho rotates."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from proxy.logs.rotating_file import RotatingFile
from tests.proxy.logs.full_files import files_of_at_most
from tests.support.waiting import BUSY_SECONDS


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines()


def test_file_over_its_size_is_rotated_and_the_oldest_backup_is_deleted(tmp_path: Path) -> None:
    file = tmp_path / "audit.log"
    log = RotatingFile(file, max_bytes=20, backups=2)
    for number in range(8):
        log.write(f"line {number}\n")  # two lines fit into a file
    log.close()
    assert lines(file) == ["line 6", "line 7"]
    assert lines(tmp_path / "audit.log.1") == ["line 4", "line 5"]
    assert lines(tmp_path / "audit.log.2") == ["line 2", "line 3"]
    assert len(list(tmp_path.iterdir())) == 3


def test_file_and_backups_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    log = RotatingFile(tmp_path / "audit.log", max_bytes=5, backups=1)
    log.write("one\n")
    log.write("two\n")
    log.close()
    assert [file.stat().st_mode & 0o777 for file in tmp_path.iterdir()] == [0o600, 0o600]


def test_existing_file_is_appended_to(tmp_path: Path) -> None:
    file = tmp_path / "audit.log"
    for number in range(2):
        log = RotatingFile(file, max_bytes=1000, backups=1)
        log.write(f"start {number}\n")
        log.close()
    assert lines(file) == ["start 0", "start 1"]


def test_file_moved_by_logrotate_is_reopened(tmp_path: Path) -> None:
    file = tmp_path / "audit.log"
    log = RotatingFile(file, max_bytes=1000, backups=1)
    log.write("before\n")
    file.rename(tmp_path / "elsewhere")
    log.write("after\n")
    log.close()
    assert lines(tmp_path / "elsewhere") == ["before"]
    assert lines(file) == ["after"]


def test_rotation_without_backups_truncates_the_file(tmp_path: Path) -> None:
    log = RotatingFile(tmp_path / "audit.log", max_bytes=5, backups=0)
    log.write("one\n")
    log.write("two\n")
    log.close()
    assert [file.read_text() for file in tmp_path.iterdir()] == ["two\n"]


def test_line_over_the_file_size_is_written_completely(tmp_path: Path) -> None:
    log = RotatingFile(tmp_path / "audit.log", max_bytes=5, backups=1)
    log.write("x" * 100 + "\n")
    log.close()
    assert len((tmp_path / "audit.log").read_text()) == 101


def test_text_that_a_full_disk_takes_in_part_is_not_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "audit.log"
    log = RotatingFile(file, max_bytes=1000, backups=1)
    log.write("before\n")
    with files_of_at_most(12), pytest.raises(OSError, match="File too large"):
        log.write("is lost\n")
    log.write("after\n")
    log.close()
    assert lines(file) == ["before", "after"]


def test_text_after_an_unfinished_line_begins_a_line(tmp_path: Path) -> None:
    file = tmp_path / "audit.log"
    file.write_text("before\nthe machine sto")
    log = RotatingFile(file, max_bytes=1000, backups=1)
    log.write("after\n")
    log.write("later\n")
    log.close()
    assert lines(file) == ["before", "the machine sto", "after", "later"]


def test_file_that_cannot_be_rotated_keeps_no_process_waiting(tmp_path: Path) -> None:
    file = tmp_path / "audit.log"
    first = RotatingFile(file, max_bytes=8, backups=1)
    second = RotatingFile(file, max_bytes=8, backups=1)
    first.write("before\n")
    (tmp_path / "audit.log.1").mkdir()
    with pytest.raises(IsADirectoryError):
        first.write("lost\n")
    (tmp_path / "audit.log.1").rmdir()
    writing = threading.Thread(target=second.write, args=("after\n",), daemon=True)
    writing.start()
    writing.join(BUSY_SECONDS)
    assert lines(file) == ["after"]
    first.close()
    second.close()


def test_file_that_cannot_be_opened_raises(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        RotatingFile(tmp_path / "missing" / "audit.log", max_bytes=5, backups=1)


_WRITER = """
import sys
import subprocess
import sys
from pathlib import Path
from proxy.logs.rotating_file import RotatingFile
log = RotatingFile(Path(sys.argv[1]), max_bytes=20_000, backups=1_000)
for number in range(0, int(sys.argv[3]), 5):
    log.write("".join(f"{sys.argv[2]} {number + more}\\n" for more in range(5)))
"""


def test_rotation_by_several_processes_loses_no_line_and_happens_once(tmp_path: Path) -> None:
    file, count = tmp_path / "audit.log", 20_000
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, file, name, str(count)], cwd=Path(__file__).parents[3]
        )
        for name in "abc"
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    backups = sorted(tmp_path.glob("audit.log.*"), key=lambda one: -int(one.suffix[1:]))
    assert len(backups) > 20
    written = [line for one in (*backups, file) for line in lines(one)]
    for name in "abc":
        assert [one for one in written if one[0] == name] == [f"{name} {n}" for n in range(count)]
    assert len(written) == 3 * count
    # A file that is rotated twice leaves a backup of one or two lines.
    assert all(19_900 <= one.stat().st_size <= 20_000 for one in backups)
