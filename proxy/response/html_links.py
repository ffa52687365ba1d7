"""Rewrite links in HTML as the bytes pass: a tokenizer that stores one tag at a time. Pure.

The attributes are those that ``k8s.io/apimachinery/pkg/util/proxy`` rewrites inside the API server;
like it, this leaves scripts, styles and comments unchanged. Text and tags without links pass
unchanged. The operator of the service controls the page, so its cost is limited: at most
``MAX_TAG`` bytes of a tag are stored, and after ``MAX_TAGS`` tags the rest passes unchanged.
"""

import html
import re
from collections.abc import Callable

MAX_TAG = 64 * 1024
MAX_TAGS = 50_000

Rewrite = Callable[[bytes], bytes]
"""Returns the rewritten link, or the same object if nothing changes."""

_LINKS: dict[bytes, frozenset[bytes]] = {
    tag.encode(): frozenset(name.encode() for name in names.split())
    for tag, names in {
        "a": "href",
        "applet": "codebase",
        "area": "href",
        "audio": "src",
        "base": "href",
        "blockquote": "cite",
        "body": "background",
        "button": "formaction",
        "command": "icon",
        "del": "cite",
        "embed": "src",
        "form": "action",
        "frame": "longdesc src",
        "head": "profile",
        "html": "manifest",
        "iframe": "longdesc src",
        "img": "longdesc src usemap",
        "input": "src usemap formaction",
        "ins": "cite",
        "link": "href",
        "object": "classid codebase data usemap",
        "q": "cite",
        "script": "src",
        "source": "src",
        "track": "src",
        "video": "poster src",
    }.items()
}
_TEXT_ONLY = {
    name: re.compile(rb"</" + name + rb"(?=[\s/>])", re.IGNORECASE)
    for name in (
        *(b"script", b"style", b"textarea", b"title", b"xmp", b"iframe", b"noembed", b"noframes"),
    )
}
"""Elements whose content is text, with the pattern of their end."""

_INTERESTING = re.compile(
    rb"<(?:(!--)|(" + b"|".join(sorted({*_LINKS, *_TEXT_ONLY}, reverse=True)) + rb")(?=[\s/>]))",
    re.IGNORECASE,
)
"""The start of a comment, or of a tag whose attributes or content are relevant."""

_LONGEST = max(map(len, _LINKS)) + 2
"""Bytes that ``_INTERESTING`` needs to decide."""

_NOT_SPACE = re.compile(rb"[^\s/]")
_KEY_END = re.compile(rb"[\s/>=]")
_NOT_BLANK = re.compile(rb"[^\s]")
_BARE_END = re.compile(rb"[\s>]")

_TEXT, _COMMENT, _RAW, _REST, _LONG_TAG = range(5)
_BEFORE_KEY, _KEY, _AFTER_KEY, _BEFORE_VALUE, _VALUE, _WHOLE = range(5, 11)

_RELEASING = frozenset({_TEXT, _COMMENT, _RAW, _REST, _LONG_TAG})
"""States in which no byte before the current position can still change."""

_MORE = -1
"""Result of a step that needs more bytes."""


class HtmlLinks:
    """Rewrites the links of one page, piece by piece."""

    def __init__(self, rewrite: Rewrite) -> None:
        self._rewrite = rewrite
        self._buffer = b""
        self._place = 0
        self._released = 0
        self._state = _TEXT
        self._tags = 0
        self._name = b""
        self._key = b""
        self._quote = b""
        self._start = 0
        self._edits: list[tuple[int, int, bytes]] = []
        self._steps: dict[int, Callable[[], int]] = {
            _TEXT: self._text,
            _COMMENT: self._comment,
            _RAW: self._raw,
            _REST: self._rest,
            _LONG_TAG: self._long_tag,
            _BEFORE_KEY: self._before_key,
            _KEY: self._attribute,
            _AFTER_KEY: self._after_key,
            _BEFORE_VALUE: self._before_value,
            _VALUE: self._value,
            _WHOLE: self._whole,
        }

    def feed(self, piece: bytes, *, last: bool = False) -> bytes:
        """Return the bytes that are final after ``piece``; with ``last``, all remaining ones."""
        self._buffer += piece
        out: list[bytes] = []
        while self._place < len(self._buffer) or self._state == _WHOLE:
            place = self._steps[self._state]()
            if place == _MORE:
                break
            self._place = place
            if self._state in _RELEASING:
                self._release(out, place)
        if self._state not in _RELEASING and len(self._buffer) - self._released > MAX_TAG:
            self._edits.clear()
            self._state = _LONG_TAG
            self._release(out, self._place)
        if last:
            self._release(out, len(self._buffer))
        self._compact()
        return b"".join(out)

    def _release(self, out: list[bytes], end: int) -> None:
        """Release the buffer up to ``end``, with its edits applied."""
        for start, stop, new in self._edits:
            out += (self._buffer[self._released : start], new)
            self._released = stop
        self._edits.clear()
        out.append(self._buffer[self._released : end])
        self._released = end

    def _compact(self) -> None:
        """Drop released bytes: once for each piece, because it costs a copy."""
        gone = self._released
        self._buffer = self._buffer[gone:]
        self._released = 0
        self._place -= gone
        self._start -= gone
        self._edits = [(start - gone, stop - gone, new) for start, stop, new in self._edits]

    # Each step goes from the current position to the next one.

    def _text(self) -> int:
        found = _INTERESTING.search(self._buffer, self._place)
        if found is None:
            begun = self._buffer.rfind(b"<", max(self._place, len(self._buffer) - _LONGEST))
            return len(self._buffer) if begun < 0 else begun if begun > self._place else _MORE
        if found[1]:
            self._state = _COMMENT
            return found.start() + 2  # So that <!--> ends by its own dashes.
        self._tags += 1
        if self._tags > MAX_TAGS:
            self._state = _REST
            return found.start()
        self._name = found[2].lower()
        self._state = _BEFORE_KEY
        return found.end()

    def _rest(self) -> int:
        return len(self._buffer)

    def _comment(self) -> int:
        found = self._buffer.find(b"-->", self._place)
        if found < 0:
            return self._all_but(2)
        self._state = _TEXT
        return found + 3

    def _all_but(self, kept: int) -> int:
        """The place before the last bytes, which may be the beginning of what is looked for."""
        place = len(self._buffer) - kept
        return place if place > self._place else _MORE

    def _long_tag(self) -> int:
        found = self._buffer.find(b">", self._place)
        if found < 0:
            return len(self._buffer)
        self._state = _TEXT
        return found + 1

    def _raw(self) -> int:
        found = _TEXT_ONLY[self._name].search(self._buffer, self._place)
        if found is None:
            return self._all_but(len(self._name) + 2)
        self._state = _TEXT
        return found.end()

    def _before_key(self) -> int:
        found = _NOT_SPACE.search(self._buffer, self._place)
        if found is None:
            return len(self._buffer)
        if found[0] == b">":
            self._state = _WHOLE
            return found.end()
        self._state = _KEY
        self._start = found.start()
        return found.end()  # A = here is part of the name.

    def _attribute(self) -> int:
        found = _KEY_END.search(self._buffer, self._place)
        if found is None:
            return len(self._buffer)
        self._key = self._buffer[self._start : found.start()].lower()
        self._state = _AFTER_KEY
        return found.start()

    def _after_key(self) -> int:
        found = _NOT_BLANK.search(self._buffer, self._place)
        if found is None:
            return len(self._buffer)
        self._state = _BEFORE_VALUE if found[0] == b"=" else _BEFORE_KEY
        return found.end() if found[0] == b"=" else found.start()

    def _before_value(self) -> int:
        found = _NOT_BLANK.search(self._buffer, self._place)
        if found is None:
            return len(self._buffer)
        if found[0] == b">":
            self._state = _WHOLE
            return found.end()
        quoted = found[0] in b"\"'"
        self._quote = found[0] if quoted else b""
        self._state = _VALUE
        self._start = found.end() if quoted else found.start()
        return self._start

    def _value(self) -> int:
        if self._quote:
            end = self._buffer.find(self._quote, self._place)
            after = end + 1
        else:
            found = _BARE_END.search(self._buffer, self._place)
            end = after = found.start() if found is not None else -1
        if end < 0:
            return len(self._buffer)
        if self._key in _LINKS.get(self._name, ()):
            self._edit(self._start, end)
        self._state = _BEFORE_KEY
        return after

    def _whole(self) -> int:
        """Continue after a complete tag, which is released."""
        self._state = _RAW if self._name in _TEXT_ONLY else _TEXT
        return self._place

    def _edit(self, start: int, end: int) -> None:
        raw = self._buffer[start:end]
        link = raw
        if b"&" in raw:
            text = html.unescape(raw.decode("utf-8", "surrogateescape"))
            link = text.encode("utf-8", "surrogateescape")
        new = self._rewrite(link)
        if new is link or new == link:
            return
        text = html.escape(new.decode("utf-8", "surrogateescape"))
        # An unquoted value stays unquoted: an added quote could end an attribute around it.
        self._edits.append((start, end, text.encode("utf-8", "surrogateescape")))
