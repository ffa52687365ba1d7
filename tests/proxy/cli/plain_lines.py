"""What an error of the command line may contain."""

import re

_PYTHON = re.compile(r"<[^>]*(object|\.)[^>]*>|0x[0-9a-f]{4}|\w(Error|Exception)\b|Traceback|Errno")


def assert_plain(text: str) -> None:
    """Assert that ``text`` is one error line with a cause and without names from Python."""
    assert text.startswith("sekisho: error: "), text
    assert len(text.splitlines()) == 1, text
    assert not _PYTHON.search(text), text
    assert len(text) < 500
