"""What two right answers to the same request may differ in, and nothing else.

Each rule replaces what can't be the same twice by a word that says what stood there. They are few
on purpose: what is hidden here is not compared. The list is explained in docs/compatibility.md.
"""

import re
from collections.abc import Mapping

_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d (?:\+0000|GMT)"
_AGE = r"(?:\d+d)?(?:\d+h)?(?:\d+m)?(?:\d+s)?"

RULES = tuple(
    (re.compile(pattern, re.MULTILINE), replacement)
    for pattern, replacement in (
        # Made anew for each object and each request.
        (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<uid>"),
        (r"""(resourceVersion[\\"']*\s*[:=]\s*[\\"']*)\d+""", r"\1<version>"),
        (r"\b(web-[0-9a-f]{8,10}|kube-api-access)-[a-z0-9]{5}\b", r"\1-<random>"),
        (r"/tmp/(LIVE|MERGED)-\d+", r"/tmp/\1-<random>"),
        # Moments and spans.
        (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z", "<time>"),
        (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \+0000", "<time>"),
        (_DAY, "<time>"),
        (rf"(?<=\s)(?=\d){_AGE}(?=\s|$)(?: \(x\d+ over {_AGE}\))?", "<age>"),
        (r"^([IWEF])\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ ", r"\1 "),
        (r"(illiseconds=|\bin )\d+( milliseconds)?", r"\1<n>\2"),
        # kubectl about itself, in any order.
        (r"^I (envvar|loader|cert_rotation)\.go:.*\n", ""),
    )
)
"""In this order. The first group is about identifiers, the second about time, the last about -v."""

_COLUMNS = re.compile(r"^.*(?:<age>|\bAGE\b|\bAge\b|----).*$", re.MULTILINE)


def normalised(text: str, names: Mapping[str, str]) -> str:
    """Replace ``names`` (the namespace, the server's address) and what the rules are about."""
    for name, word in names.items():
        text = text.replace(name, word)
    for pattern, replacement in RULES:
        text = pattern.sub(replacement, text)
    # A column is as wide as its widest age.
    return _COLUMNS.sub(lambda line: re.sub(r" +", " ", line[0]).rstrip(), text)
