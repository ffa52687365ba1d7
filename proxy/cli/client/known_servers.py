"""The servers that a user knows, by name, and the one in use: a private file.

``sekisho login`` adds a server and makes it the current one. Commands use the server of
``--server NAME-or-URL``, else that of ``$SEKISHO_SERVER``, else the current one.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from proxy.cli.client import credential_cache
from proxy.cli.client.credential_cache import normalised
from proxy.cli.common import CommandFailed, reason

SERVER_VARIABLE = "SEKISHO_SERVER"


@dataclass(frozen=True, slots=True)
class KnownServer:
    """A server. ``ca_pem`` verifies its certificate (None: the system's trust store)."""

    name: str
    url: str
    ca_pem: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class KnownServers:
    """All known servers. ``current`` is the name of the one in use, if one is."""

    servers: tuple[KnownServer, ...] = ()
    current: str | None = None

    def find(self, name_or_url: str) -> KnownServer | None:
        """Return the server of that name, else the one of that URL."""
        by_name = {one.name: one for one in self.servers}
        by_url = {one.url: one for one in self.servers}
        return by_name.get(name_or_url) or by_url.get(normalised(name_or_url))

    def with_server(self, server: KnownServer) -> "KnownServers":
        """Return these with ``server`` as the current one; it replaces the one of its URL."""
        others = tuple(one for one in self.servers if one.url != server.url)
        return KnownServers((*others, server), server.name)

    def without(self, server: KnownServer) -> "KnownServers":
        """Return these without ``server``."""
        others = tuple(one for one in self.servers if one.url != server.url)
        return KnownServers(others, None if self.current == server.name else self.current)

    def using(self, server: KnownServer) -> "KnownServers":
        """Return these with ``server`` in use."""
        return replace(self, current=server.name)


def server_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--server NAME-or-URL`` to a command."""
    return click.option(
        "--server",
        metavar="SERVER",
        help="A server's name or URL. Default: $SEKISHO_SERVER, else the one in use.",
        shell_complete=known_names,
    )(command)


def known_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Suggest names of known servers to a shell; none if the file can't be read."""
    try:
        return [one.name for one in load().servers if one.name.startswith(incomplete)]
    except CommandFailed:
        return []


def load() -> KnownServers:
    """Return the known servers. Raises CommandFailed if the file can't be read."""
    file = _file()
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return KnownServers()
    except (OSError, ValueError) as exc:
        why = reason(exc) if isinstance(exc, OSError) else "it is not text"
        raise CommandFailed(f"{file} can't be read: {why}; correct that, or delete it") from None
    try:
        return _parsed(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise CommandFailed(
            f"{file} is not a list of servers: correct it, or delete it and run `sekisho login`"
        ) from None


def change(changed: Callable[[KnownServers], KnownServers]) -> KnownServers:
    """Change the file atomically, alone among processes, and return the result.

    Raises:
        CommandFailed: the file can't be read or written.
    """
    with _alone():
        now = changed(load())
        _write(now)
    return now


def resolve(named: str | None, environment: Mapping[str, str]) -> KnownServer:
    """Return the server to use. Raises CommandFailed if none can be found."""
    wanted = named or environment.get(SERVER_VARIABLE) or None
    known = load()
    if wanted is not None:
        return known.find(wanted) or _unknown(wanted, known)
    found = known.find(known.current) if known.current else None
    if found is None and len(known.servers) == 1:
        found = known.servers[0]
    if found is not None:
        return found
    if known.servers:
        names = ", ".join(one.name for one in known.servers)
        raise CommandFailed(f"choose a server with `sekisho server use NAME`; known: {names}")
    raise CommandFailed(
        f"no server is known: run `sekisho login --server URL`, or set ${SERVER_VARIABLE}"
    )


def default_name(url: str, known: KnownServers) -> str:
    """Return a name for a new server: its host, with the port if it is not the usual one."""
    existing = known.find(normalised(url))
    if existing is not None:
        return existing.name
    name = urlsplit(normalised(url)).netloc.rpartition("@")[2]
    return name if known.find(name) is None else normalised(url)


def check_name(name: str, url: str, known: KnownServers) -> None:
    """Raise CommandFailed unless ``name`` can be the name of the server at ``url``."""
    if not name.isprintable() or not name.strip() or "://" in name:
        raise CommandFailed("--name must be a short name, such as prod")
    other = known.find(name)
    if other is not None and other.url != normalised(url):
        raise CommandFailed(f'the name "{name}" is in use for {other.url}: choose another --name')


def _unknown(wanted: str, known: KnownServers) -> KnownServer:
    """Return a server that is only known by its URL. Raises CommandFailed for a name."""
    if "://" in wanted or "." in wanted:  # a host without https:// is reported before it is used
        return KnownServer(normalised(wanted), normalised(wanted))
    names = ", ".join(one.name for one in known.servers) or "none"
    raise CommandFailed(
        f'no server is called "{wanted}"; known: {names}. To add one, run '
        "`sekisho login --server URL`"
    )


def _parsed(data: Mapping[str, object]) -> KnownServers:
    current, listed = data.get("current"), data["servers"]
    if not isinstance(listed, list) or not isinstance(current, str | None):
        raise TypeError("not a list")
    return KnownServers(tuple(_server(one) for one in listed), current)


def _server(data: Mapping[str, object]) -> KnownServer:
    name, url, ca_pem = data["name"], data["url"], data.get("ca_pem")
    if not (isinstance(name, str) and isinstance(url, str) and isinstance(ca_pem, str | None)):
        raise TypeError("not a server")
    return KnownServer(name, normalised(url), ca_pem)


def _write(known: KnownServers) -> None:
    from proxy.files.private_files import write_private

    servers = [{"name": one.name, "url": one.url, "ca_pem": one.ca_pem} for one in known.servers]
    text = json.dumps({"current": known.current, "servers": servers}, indent=2)
    write_private(_file(), f"{text}\n".encode())


@contextmanager
def _alone() -> Iterator[None]:
    from proxy.files.private_files import locked, make_private_folder

    folder = _file().parent
    try:
        make_private_folder(folder)
        with locked(folder):
            yield
    except OSError as exc:
        raise CommandFailed(f"{folder} can't be written: {reason(exc)}; repair that") from exc


def _file() -> Path:
    return credential_cache.folder().parent / "servers.json"
