"""Logs on a terminal: only colours reach it."""

import pytest

from proxy.cli.verbs.workload_log_text import RESET, TerminalText

RED = "\x1b[1;31m"


def shown(*pieces: bytes) -> str:
    text = TerminalText()
    return "".join(text.feed(one) for one in pieces) + text.end()


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("größe 日本\r\n", "größe 日本\n"),
        ("\x1b]0;title\x07", "\ufffd]0;title\ufffd"),
        ("\x1b[2J\x9b2J", "\ufffd[2J\ufffd2J"),
        ("a\u202eb\x00", "a\ufffdb\ufffd"),
        (f"{RED}error{RESET}\n", f"{RED}error{RESET}\n{RESET}"),
        (f"{RED}cut\x1b[3", f"{RED}cut\ufffd[3{RESET}"),
        ("\x1b[" + "1" * 50 + "m", "\ufffd[" + "1" * 50 + "m"),
    ],
)
def test_text_is_the_same_in_pieces_of_any_size(log: str, expected: str) -> None:
    raw = log.encode()
    assert shown(raw) == expected
    assert shown(*(raw[one : one + 1] for one in range(len(raw)))) == expected


def test_bytes_that_are_not_utf_8_are_replaced() -> None:
    assert shown(b"a\xffb", b"\xe6\x97") == "a\ufffdb\ufffd"
