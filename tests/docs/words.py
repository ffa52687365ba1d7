"""Check that code and documentation use plain words: ``python -m tests.docs.words``.

CONTRIBUTING.md ("Words") says which words to use instead. Files that still have some are listed in
``words_allowed.txt`` with their number. That list may only shrink: a file with more than its number
fails, and so does a file with fewer, until its line is corrected with ``--update``.
"""

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
ALLOWED = Path(__file__).with_name("words_allowed.txt")

WORDS = [
    "whoever",
    "nobody",
    "somebody",
    "everybody",
    "anybody",
    "shall",
    "anew",
    "told",
    "heed",
    "heeds",
    "heeded",
    "vouch",
    "vouches",
    "vouched",
    "vouching",
    "mend",
    "mends",
    "mended",
    "mending",
    "keeper",
    "keepers",
    "errand",
    "errands",
    "sick",
    "downstream",
]
PHRASES = ("any more", "anymore", "look after", "looks after", "looked after")
PATTERN = re.compile(
    r"(?<![A-Za-z])(?:" + "|".join([*WORDS, *PHRASES]) + r")(?![A-Za-z])", re.IGNORECASE
)

EXEMPT = (
    "CHANGELOG.md",  # Its tables of renames contain old names; test_words checks the rest.
    "tests/docs/words.py",
    "tests/docs/test_words.py",
)


def words_in(text: str) -> list[tuple[int, str]]:
    """Return line numbers and words of ``text`` that have a plainer one; snake_case is split."""
    return [
        (number, found.group())
        for number, line in enumerate(text.splitlines(), 1)
        for found in PATTERN.finditer(line)
    ]


def files() -> Iterable[str]:
    """Return the paths of all Python and Markdown files of the project."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    return [one for one in listed if one and one not in EXEMPT and (ROOT / one).is_file()]


def allowed() -> dict[str, int]:
    """Return how many such words each listed file may have."""
    if not ALLOWED.exists():
        return {}
    pairs = (line.rsplit(" ", 1) for line in ALLOWED.read_text().splitlines())
    return {path: int(number) for path, number in pairs}


def problems(found: dict[str, int], listed: dict[str, int]) -> list[str]:
    """Return a sentence for each file whose number differs from the list's."""
    lines = []
    for path in sorted({*found, *listed}):
        has, may = found.get(path, 0), listed.get(path, 0)
        if has > may:
            lines.append(f"{path}: {has} words to replace, {may} allowed")
        elif has < may:
            lines.append(f"{path}: {has} words to replace, but {may} listed; run with --update")
    return lines


def main() -> int:
    """Print what is wrong; return the exit code."""
    found = {one: words_in((ROOT / one).read_text()) for one in files()}
    counts = {one: len(words) for one, words in found.items() if words}
    listed = allowed()
    if "--update" in sys.argv and all(counts[one] <= listed.get(one, 0) for one in counts):
        ALLOWED.write_text("".join(f"{one} {counts[one]}\n" for one in sorted(counts)))
        return 0
    wrong = problems(counts, listed)
    for line in wrong:
        print(line)
        path = line.split(":")[0]
        if counts.get(path, 0) > listed.get(path, 0):
            for number, word in found[path]:
                print(f"  {path}:{number}: {word}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
