"""The static files of the pages: read once, compact, and addressed by a digest of them all.

A page refers to its modules below ``/static/<digest>/``, so browsers keep them for a year and never
combine modules of two versions. There is no build step: the served script is the source, without
its comments and indentation.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from management.web.static_responses import StaticResponse

FOLDER = Path(__file__).parent / "static"
MAX_AGE = 300
"""Seconds for which a browser may keep a file without a digest in its path."""

FOREVER = 365 * 86_400
"""Seconds for which a browser may keep a file whose path has the digest."""

_UNSERVED = re.compile(rb"(?m)^[ \t]*(?://.*)?")
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class StaticFiles:
    """All files by their path below ``/static/``. ``digest`` changes with any of them."""

    digest: str
    responses: Mapping[str, StaticResponse]
    modules: tuple[str, ...]
    """The modules of the frame, which every page needs."""

    def find(self, path: str) -> StaticResponse | None:
        """Return a file by its path, with or without a digest.

        During an upgrade a page of another version may ask this replica: it gets the present file,
        which it must not keep.
        """
        found = self.responses.get(path)
        if found is None:
            _, _, name = path.partition("/")
            return self.responses.get(f"/{name}")
        return found


@cache
def static_files() -> StaticFiles:
    """Return the files of this version."""
    bodies = {
        one.relative_to(FOLDER).as_posix(): compact(one.read_bytes(), one.suffix)
        for one in sorted(FOLDER.rglob("*"))
        if one.suffix in _TYPES
    }
    digest = hashlib.sha256(b"\0".join(bodies.values())).hexdigest()[:16]
    responses = {}
    for name, body in bodies.items():
        kind = _TYPES["." + name.rpartition(".")[2]]
        responses[name] = StaticResponse.of(body, kind, max_age=MAX_AGE)
        responses[f"{digest}/{name}"] = StaticResponse.of(body, kind, max_age=FOREVER)
        responses[f"/{name}"] = StaticResponse.of(body, kind)
    modules = tuple(one for one in bodies if one.startswith("frame/"))
    return StaticFiles(digest, responses, modules)


def compact(body: bytes, suffix: str) -> bytes:
    """Return a script without indentation and lines of comments; other files as they are.

    Line numbers stay. Scripts have no template literals of several lines: a test checks it.
    """
    if suffix != ".js":
        return body
    return _UNSERVED.sub(b"", body)
