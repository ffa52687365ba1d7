"""The messages of the control stream: lines of JSON in both directions.

The agent opens the control stream first. It sends ``hello``, and the server answers ``welcome``.
Unknown keys and unknown messages are ignored, so that versions can differ. Nothing that an agent
says selects the cluster: its token does (CVE-2026-4740).
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from config.bounded_json import InvalidJson, load_json

MAX_LINE_BYTES: Final = 16 * 1024
MAX_TEXT: Final = 253
"""Characters of a text in a message; names of pods and nodes have no more (RFC 1123)."""


class ControlError(Exception):
    """The peer sent a line that is no message, or one that is too long."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The agent's first message: its version, pod, and node, and its API server's name."""

    version: str = ""
    pod: str = ""
    node: str = ""
    api_server_name: str = ""


@dataclass(frozen=True, slots=True)
class Welcome:
    """The server's answer: its version, and the replica and machine that have this tunnel.

    An agent with several tunnels wants them at different replicas.
    """

    version: str = ""
    replica: str = ""
    machine: str = ""


@dataclass(frozen=True, slots=True)
class Drain:
    """The sender ends soon. The agent opens a tunnel elsewhere, and streams may finish."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """The server uses the tunnel for no request. An empty reason: it does so again.

    The agent keeps the tunnel, so that it is not refused once more every few seconds.
    """

    reason: str = ""


Message = Hello | Welcome | Drain | Refused
_KINDS: Final[dict[str, type[Message]]] = {
    "hello": Hello,
    "welcome": Welcome,
    "drain": Drain,
    "refused": Refused,
}
_NAMES: Final = {kind: name for name, kind in _KINDS.items()}


def encode(message: Message) -> bytes:
    """Return a message as a line."""
    body = {"type": _NAMES[type(message)], **asdict(message)}
    return json.dumps(body, separators=(",", ":")).encode() + b"\n"


class ControlReader:
    """Splits received bytes into messages. It holds less than one line."""

    def __init__(self) -> None:
        self._line = bytearray()

    def read(self, data: bytes) -> Iterator[Message]:
        """Yield the messages of all complete lines. Raises ControlError."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            whole = bytes(self._line) + line
            self._line.clear()
            if len(whole) > MAX_LINE_BYTES:
                raise ControlError("a message is too long")
            message = _decode(whole)
            if message is not None:
                yield message
        self._line += rest
        if len(self._line) > MAX_LINE_BYTES:
            raise ControlError("a message is too long")


def _decode(line: bytes) -> Message | None:
    """Return the message in a line; None for an unknown one. Raises ControlError."""
    try:
        data = load_json(line)
    except InvalidJson:
        raise ControlError("a message is not JSON") from None
    if not isinstance(data, dict):
        raise ControlError("a message is not an object")
    name = data.get("type")
    kind = _KINDS.get(name) if isinstance(name, str) else None
    return kind(**{one.name: _text(data.get(one.name)) for one in fields(kind)}) if kind else None


def _text(value: Any) -> str:
    """Return a printable, bounded text; empty for other types."""
    if not isinstance(value, str):
        return ""
    return "".join(one for one in value[:MAX_TEXT] if one.isprintable())
