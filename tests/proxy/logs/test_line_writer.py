"""Log lines are written by a thread, so that a slow reader never delays the proxy."""

import io
import os
import threading
from pathlib import Path

from impersonation.identity import Subject
from proxy.logs.access_log import AccessLog
from proxy.logs.line_writer import MAX_BACKLOG, MAX_BACKLOG_BYTES, LineWriter
from proxy.logs.rotating_file import RotatingFile
from proxy.request.context import RequestContext
from tests.proxy.logs.full_files import files_of_at_most
from tests.support.waiting import wait_until, within


def test_close_writes_all_lines_in_order() -> None:
    stream = io.StringIO()
    log = LineWriter(stream)
    for n in range(1000):
        log.write(str(n))
    log.close()
    assert stream.getvalue().splitlines() == [str(n) for n in range(1000)]


def test_stalled_reader_loses_lines_without_delay() -> None:
    lost = 0

    def count() -> None:
        nonlocal lost
        lost += 1

    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        log = LineWriter(stream, lost=count)
        with within(5):
            for _ in range(3 * MAX_BACKLOG):
                log.write("x" * 100)
        assert lost > 0
        drain = threading.Thread(
            target=lambda: [None for _ in iter(lambda: os.read(reading, 65536), b"")]
        )
        drain.start()
        log.close(timeout=120)
    drain.join()
    os.close(reading)


def test_stalled_reader_keeps_the_backlog_within_its_bytes() -> None:
    """Long lines reach the limit of bytes long before the limit of lines."""
    lost: list[int] = []
    reading, writing = os.pipe()
    line = "x" * 64 * 1024
    with os.fdopen(writing, "w") as stream:
        log = LineWriter(stream, lost=lambda: lost.append(1))
        for _ in range(MAX_BACKLOG_BYTES * 10 // len(line)):
            log.write(line)
        assert len(lost) > MAX_BACKLOG_BYTES * 8 // len(line)
        drain = threading.Thread(
            target=lambda: [None for _ in iter(lambda: os.read(reading, 65536), b"")]
        )
        drain.start()
        log.close(timeout=60)
        log.write("accepted again")
    drain.join()
    os.close(reading)


def test_writer_accepts_lines_again_after_its_reader_has_read() -> None:
    stream = io.StringIO()
    log = LineWriter(stream)
    line = "x" * 1024 * 1024
    for n in range(20):
        wait_until(lambda n=n: stream.getvalue().count("\n") == n)  # type: ignore[misc]
        log.write(line)
    log.close()
    assert len(stream.getvalue().splitlines()) == 20


def test_failing_stream_counts_lost_lines_and_raises_nothing() -> None:
    lost: list[int] = []
    stream = io.StringIO()
    stream.close()
    log = LineWriter(stream, lost=lambda: lost.append(1))
    log.write("a")
    log.write("b")
    log.close()
    assert len(lost) == 2


def test_outage_of_a_stream_is_reported_at_its_beginning_and_its_end(tmp_path: Path) -> None:
    reports: list[str] = []
    stream = RotatingFile(tmp_path / "audit.log", max_bytes=1000, backups=1)
    lost: list[int] = []
    log = LineWriter(
        stream, lost=lambda: lost.append(1), failing=lambda error: reports.append(str(error))
    )
    with files_of_at_most(1):
        for number in (1, 2):
            log.write("lost")
            wait_until(lambda number=number: len(lost) == number)  # type: ignore[misc]
    log.write("written")
    log.close()
    stream.close()
    assert reports == ["[Errno 27] File too large", "None"]
    assert (tmp_path / "audit.log").read_text() == "written\n"


def test_line_with_control_characters_stays_one_line() -> None:
    stream = io.StringIO()
    for style in ("json", "console"):
        log = LineWriter(stream)
        AccessLog(log, style).record(
            RequestContext(
                "::1",
                "GET",
                "/a\n\x1b[31m{forged}",
                1.0,
                impersonated=Subject("x\ny"),
                reason="a\nb",
                status=200,
            )
        )
        log.close()
    assert len(stream.getvalue().splitlines()) == 2
    assert "\x1b" not in stream.getvalue()
