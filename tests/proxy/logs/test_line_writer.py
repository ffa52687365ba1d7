"""A log must never hold up the gate."""

import io
import os
import threading
import time

from impersonation.identity import Subject
from proxy.access import Access
from proxy.access_log import AccessLog
from proxy.line_log import MAX_BACKLOG, LineLog


def test_lines_are_written_in_order_and_all_of_them_at_the_end() -> None:
    stream = io.StringIO()
    log = LineLog(stream)
    for n in range(1000):
        log.write(str(n))
    log.close()
    assert stream.getvalue().splitlines() == [str(n) for n in range(1000)]


def test_a_reader_that_does_not_read_costs_lines_not_time() -> None:
    lost = 0

    def count() -> None:
        nonlocal lost
        lost += 1

    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        log = LineLog(stream, lost=count)
        started = time.monotonic()
        for _ in range(3 * MAX_BACKLOG):
            log.write("x" * 100)
        assert time.monotonic() - started < 5
        assert lost > 0
        drain = threading.Thread(
            target=lambda: [None for _ in iter(lambda: os.read(reading, 65536), b"")]
        )
        drain.start()
        log.close(timeout=10)
    drain.join()
    os.close(reading)


def test_a_stream_that_fails_is_counted_and_harms_nobody() -> None:
    lost: list[int] = []
    stream = io.StringIO()
    stream.close()
    log = LineLog(stream, lost=lambda: lost.append(1))
    log.write("a")
    log.write("b")
    log.close()
    assert len(lost) == 2


def test_a_line_cannot_be_made_two_by_what_is_in_it() -> None:
    stream = io.StringIO()
    for style in ("json", "console"):
        log = LineLog(stream)
        AccessLog(log, style).record(
            Access(
                "::1",
                "GET",
                "/a\n\x1b[31m{forged}",
                1.0,
                acting_as=Subject("x\ny"),
                note="a\nb",
                code=200,
            ),
            "then",
        )
        log.close()
    assert len(stream.getvalue().splitlines()) == 2
    assert "\x1b" not in stream.getvalue()
