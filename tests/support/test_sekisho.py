"""``tests/support/sekisho.py``."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.sekisho import free_port, make_sekisho

SHELLS = 8 * ["bash", "zsh", "fish"]


def test_commands_of_several_threads_print_what_each_of_them_was_asked(tmp_path: Path) -> None:
    sekisho = make_sekisho(tmp_path, (free_port(), free_port()))
    with ThreadPoolExecutor(len(SHELLS)) as threads:
        printed = list(threads.map(lambda shell: sekisho.prepare("completion", shell), SHELLS))
    assert [next(one for one in SHELLS if f"{one}_complete" in text) for text in printed] == SHELLS
