"""Find the ends of a watch's events as the bytes pass. Pure.

Sekisho ends a watch only between two events, so that the client has the last one complete and
continues from it. The separation of events depends on the media type of the response:

- JSON: each event is a line.
- Protobuf: each event follows its length, four bytes in network order.
- CBOR: a sequence of items (RFC 8742), each of which encodes its length (RFC 8949).

A tracker reads each byte once and stores a few numbers. A body that it cannot follow (another media
type, an encoded body, invalid CBOR) has no further ends of events.
"""

from collections.abc import Sequence

MAX_DEPTH = 1024
"""Deepest CBOR nesting that is followed. Kubernetes' own decoder stops at 64."""

_ARRAY_OF_ANY = -1
_STRING_PIECES = -2


class Frames:
    """Tracks a body. ``between`` is true between two events."""

    __slots__ = ("between",)

    def __init__(self) -> None:
        self.between = True

    def feed(self, piece: bytes) -> None:
        """Track the next bytes."""
        self.advance(piece, to_edge=False)

    def advance(self, piece: bytes, *, to_edge: bool) -> int:
        """Track the next bytes; with ``to_edge`` no further than the first end of an event.

        Returns their number: all of them, unless an event ended before.
        """
        raise NotImplementedError


class NoFrames(Frames):
    """A body whose events cannot be separated."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__()
        self.between = False

    def advance(self, piece: bytes, *, to_edge: bool) -> int:
        """Skip everything."""
        return len(piece)


class JsonLines(Frames):
    """A body whose events are lines."""

    __slots__ = ()

    def feed(self, piece: bytes) -> None:
        """Read the last byte, which alone decides."""
        if piece:
            self.between = piece.endswith(b"\n")

    def advance(self, piece: bytes, *, to_edge: bool) -> int:
        """Track to the end of the first line, or to the end."""
        end = piece.find(b"\n") + 1 if to_edge else 0
        if end:
            self.between = True
            return end
        self.feed(piece)
        return len(piece)


class LengthPrefixed(Frames):
    """A body whose events follow their length, in four bytes."""

    __slots__ = ("_head", "_left")

    def __init__(self) -> None:
        super().__init__()
        self._head = b""
        self._left = 0

    def advance(self, piece: bytes, *, to_edge: bool) -> int:
        """Track by adding up lengths."""
        place, end = 0, len(piece)
        while place < end:
            if self._left:
                step = min(self._left, end - place)
                self._left -= step
                place += step
            else:
                step = 4 - len(self._head)
                self._head += piece[place : place + step]
                place = min(place + step, end)
                if len(self._head) < 4:
                    break
                self._left = int.from_bytes(self._head, "big")
                self._head = b""
            if not self._left and to_edge:
                break
        self.between = not self._left and not self._head
        return place


class CborSequence(Frames):
    """A body whose events are the items of a CBOR sequence.

    ``_open`` has the containers around the current position: the number of items that an array, map
    or tag still needs, or a mark that it ends by a break. ``_left`` are the bytes left of a string.
    """

    __slots__ = ("_head", "_left", "_lost", "_open")

    def __init__(self) -> None:
        super().__init__()
        self._open: list[int] = []
        self._head = b""
        self._left = 0
        self._lost = False

    def advance(self, piece: bytes, *, to_edge: bool) -> int:
        """Track item by item."""
        place, end = 0, len(piece)
        while place < end and not self._lost:
            if self._left:
                step = min(self._left, end - place)
                self._left -= step
                place += step
                if not self._left:
                    self._item_ended()
            else:
                if self._open and not self._head:
                    place = self._pass_strings(piece, place)
                    if place >= end:
                        break
                place = self._read_head(piece, place)
            if to_edge and self._is_between():
                break
        self.between = self._is_between()
        return len(piece) if self._lost else place

    def _pass_strings(self, piece: bytes, place: int) -> int:
        """Skip complete short strings that end no container, as most items are.

        The other methods would do the same at five times the cost.
        """
        open_, end = self._open, len(piece)
        wanted = open_[-1]
        while place < end and (wanted > 1 or wanted == _ARRAY_OF_ANY):
            first = piece[place]
            info = first & 31
            if first >> 5 not in {2, 3} or info > 24:
                break
            after = place + 1 + info
            if info == 24:
                if place + 1 >= end:
                    break
                after = place + 2 + piece[place + 1]
            if after > end:
                break
            place = after
            if wanted > 1:
                wanted -= 1
        open_[-1] = wanted
        return place

    def _is_between(self) -> bool:
        return not (self._open or self._left or self._head or self._lost)

    def _read_head(self, piece: bytes, place: int) -> int:
        """Read an item's first byte and its argument. Return the position after them."""
        first = self._head[0] if self._head else piece[place]
        info = first & 31
        if info < 24 or info == 31:
            self._begin(first, info)
            return place + 1
        if info > 27:
            self._lost = True
            return place
        size = 1 + (1 << (info - 24))
        if self._head or place + size > len(piece):
            taken = size - len(self._head)
            self._head += piece[place : place + taken]
            if len(self._head) < size:
                return len(piece)
            argument = int.from_bytes(self._head[1:], "big")
            self._head = b""
            place += taken
        else:
            argument = int.from_bytes(piece[place + 1 : place + size], "big")
            place += size
        self._begin(first, argument)
        return place

    def _begin(self, first: int, argument: int) -> None:
        """Begin the item with this head."""
        major = first >> 5
        if first == 0xFF:
            self._break()
        elif self._open and self._open[-1] <= _STRING_PIECES:
            # A string of indefinite length contains only pieces of its own type.
            if _STRING_PIECES - major == self._open[-1] and first & 31 != 31:
                self._string(argument)
            else:
                self._lost = True
        elif major in {2, 3}:
            if first & 31 == 31:
                self._enter(_STRING_PIECES - major)
            else:
                self._string(argument)
        elif major in {4, 5}:
            self._container(major, argument, unknown=first & 31 == 31)
        elif first & 31 == 31:
            self._lost = True
        elif major == 6:
            self._enter(1)
        else:
            self._item_ended()

    def _string(self, size: int) -> None:
        self._left = size
        if not size:
            self._item_ended()

    def _container(self, major: int, argument: int, *, unknown: bool) -> None:
        if unknown:
            self._enter(_ARRAY_OF_ANY)
        elif argument:
            self._enter(argument * (major - 3))
        else:
            self._item_ended()

    def _enter(self, wanted: int) -> None:
        if len(self._open) >= MAX_DEPTH:
            self._lost = True
        else:
            self._open.append(wanted)

    def _break(self) -> None:
        if self._open and self._open[-1] < 0:
            self._open.pop()
            self._item_ended()
        else:
            self._lost = True

    def _item_ended(self) -> None:
        """End an item, and the containers around it that need no further item."""
        open_ = self._open
        while open_:
            wanted = open_[-1]
            if wanted < 0:
                return
            if wanted > 1:
                open_[-1] = wanted - 1
                return
            open_.pop()


def frames_of(headers: Sequence[tuple[bytes, bytes]]) -> Frames:
    """Return the tracker for a watch whose response has these headers."""
    kinds: list[bytes] = []
    for name, value in headers:
        lower = name.lower()
        if lower == b"content-type":
            kinds.append(value.partition(b";")[0].strip().lower())
        elif lower == b"content-encoding" and value.strip().lower() not in {b"", b"identity"}:
            return NoFrames()
    if len(kinds) > 1:
        return NoFrames()
    kind = kinds[0] if kinds else b"application/json"
    if kind == b"application/vnd.kubernetes.protobuf":
        return LengthPrefixed()
    if kind in {b"application/cbor-seq", b"application/cbor"}:
        return CborSequence()
    if kind in {b"application/json", b"application/x-ndjson"} or kind.endswith(b"+json"):
        return JsonLines()
    return NoFrames()
