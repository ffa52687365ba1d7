"""Replace the values in which two correct responses to one request may differ.

Each rule replaces a volatile value by a placeholder. There are few rules on purpose, because
replaced values are not compared. docs/compatibility.md explains them.
"""

import re
from collections.abc import Mapping

_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d (?:\+0000|GMT)"
_AGE = r"(?:\d+d)?(?:\d+h)?(?:\d+m)?(?:\d+s)?"

RULES = tuple(
    (re.compile(pattern, re.MULTILINE), replacement)
    for pattern, replacement in (
        # New for each object and each request.
        (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<uid>"),
        (r"""(resourceVersion[\\"']*\s*[:=]\s*[\\"']*)\d+""", r"\1<version>"),
        (r"\b(web-[0-9a-f]{8,10}|kube-api-access)-[a-z0-9]{5}\b", r"\1-<random>"),
        (r"/tmp/(LIVE|MERGED)-\d+", r"/tmp/\1-<random>"),
        # Times and durations.
        (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z", "<time>"),
        (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \+0000", "<time>"),
        (_DAY, "<time>"),
        (rf"(?<=\s)(?=\d){_AGE}(?=\s|$)(?: \(x\d+ over {_AGE}\))?", "<age>"),
        ("Waiting for deployment spec update to be observed...\n", ""),  # at a busy moment
        # A cell of a Table in JSON, or in JSON that is text in JSON.
        (rf'(\\?")(?=\d){_AGE}\1', r"\1<age>\1"),
        (r"^([IWEF])\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ ", r"\1 "),
        (r"(illiseconds=|\bin )\d+( milliseconds)?", r"\1<n>\2"),
        # Sekisho's warning about the cluster's refusal, which names the request.
        (r"^Warning: `sekisho why [\w-]+` explains this refusal\n", ""),
        # kubectl's messages on its environment, in any order.
        (r"^I (envvar|loader|cert_rotation)\.go:.*\n", ""),
    )
)
"""Applied in order: first identifiers, then times, then verbose output (``-v``)."""

_COLUMNS = re.compile(r"^.*(?:<age>|\bAGE\b|\bAge\b|----).*$", re.MULTILINE)


def normalized(text: str, names: Mapping[str, str]) -> str:
    """Replace ``names`` (namespace, server address) and all values that the rules match."""
    for name, word in names.items():
        text = text.replace(name, word)
    for pattern, replacement in RULES:
        text = pattern.sub(replacement, text)
    # The width of a column depends on its widest age.
    return _COLUMNS.sub(lambda read_line: re.sub(r" +", " ", read_line[0]).rstrip(), text)
