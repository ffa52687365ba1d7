"""One connection to one server of a directory: the only module that imports ldap3.

It uses as little of ldap3 as possible: no schema, no referrals, no aliases, no formatting.
Passwords are sent as the bytes that the user typed: ldap3's SASLprep would turn a password of soft
hyphens into an empty one, which is an anonymous bind.

ldap3 trusts servers, and raises arbitrary exceptions for invalid messages. All exceptions are
translated here: after an unexpected event the connection is broken (:class:`ConnectionBroken`) and
is never used again.

The module is over 300 lines because it is the only one that may use ldap3.
"""

import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import ldap3

from config.address_policy import ANY_ADDRESS, AddressPolicy
from providers.base import ProviderUnavailable
from providers.ldap.message_reader import MessageReader
from providers.ldap.results import (
    ADMIN_LIMIT,
    NO_SUCH_OBJECT,
    REFERRAL,
    REFUSALS,
    SIZE_LIMIT,
    SUCCESS,
    BindResult,
    Entry,
    entry_of,
)
from providers.ldap.servers import ServerAddress
from providers.network.addresses import AddressMemory
from providers.network.dialing import dial, endpoints_of

PAGE_SIZE = 500
"""Entries per page, if a search has more results than the server returns at once."""

MAX_ENTRIES = 100_000
"""The limit of entries and values: no legitimate search finds more."""

PASSWORD_POLICY = "1.3.6.1.4.1.42.2.27.8.5.1"  # noqa: S105 (an OID)
"""The control of draft-behera-ldap-password-policy, with the reason of a rejected bind."""

_SERVER_FAILURES = frozenset({1, 2, 3, 51, 52, 80})
"""Results that are specific to one server: operationsError, busy, unavailable, …"""

Scope = Literal["BASE", "SUBTREE"]

_PAGED = "1.2.840.113556.1.4.319"
_RANGE = re.compile(r"(?P<name>[^;]+);range=(?P<low>\d{1,9})-(?P<high>\*|\d{1,9})", re.IGNORECASE)


class ConnectionBroken(ProviderUnavailable):
    """The connection is no longer usable. Another server, or a new connection, may work."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time limits in seconds for the connection, TLS included, and for a response."""

    connect: float
    answer: float


class _VerifiedTls(ldap3.Tls):  # type: ignore[misc]
    """TLS by Python's ``ssl``, which verifies the name during the handshake, not after it."""

    def __init__(self, context: ssl.SSLContext, name: str) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = context
        self._name = name

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        """Replace the connection's socket by a TLS socket."""
        receiving = connection.strategy.receiving
        if isinstance(receiving, MessageReader):
            receiving.end()
        connection.socket = self._context.wrap_socket(connection.socket, server_hostname=self._name)


class LdapConnection:
    """A connection for one thread at a time. Any thread may call ``abort``."""

    def __init__(
        self,
        server: ServerAddress,
        timeouts: Timeouts,
        memory: AddressMemory | None = None,
        addresses: AddressPolicy = ANY_ADDRESS,
    ) -> None:
        self.server = server
        self._timeouts = timeouts
        self._memory = memory or AddressMemory(time.monotonic)
        self._addresses = addresses
        self._ldap: Any = None
        self._receiver: MessageReader | None = None
        self._aborted = threading.Event()

    def open(self, context: ssl.SSLContext, name: str, *, start_tls: bool) -> None:
        """Connect, with TLS unless the server's URL is plain LDAP without ``start_tls``.

        Tries every address of the host name until one works.

        Raises:
            ConnectionBroken: no address works.
        """
        tls = _VerifiedTls(context, name) if self.server.tls or start_tls else None
        with self._translated("cannot be reached"):
            waiting = endpoints_of(
                self.server.host,
                self.server.port,
                self._timeouts.connect,
                self._memory,
                self._addresses,
            )
            while True:
                sock, endpoint = dial(
                    waiting, self._timeouts.connect, self._memory, self._aborted.is_set
                )
                waiting.remove(endpoint)
                try:
                    self._begin(sock, tls, start_tls=start_tls)
                except Exception:
                    # The server listens, but is not usable. Another address may be.
                    self._memory.failed(endpoint)
                    self.close()
                    if not waiting or self._aborted.is_set():
                        raise
                else:
                    return

    def _begin(self, sock: socket.socket, tls: "_VerifiedTls | None", *, start_tls: bool) -> None:
        """Start LDAP over a connected socket, with TLS if ``tls`` is given."""
        self._ldap = ldap3.Connection(
            ldap3.Server(
                self.server.host,
                self.server.port,
                use_ssl=self.server.tls,
                tls=tls,
                get_info=ldap3.NONE,
                connect_timeout=self._timeouts.connect,
            ),
            client_strategy=ldap3.SYNC,
            auto_referrals=False,
            auto_range=False,
            auto_escape=False,
            auto_encode=False,
            check_names=False,
            return_empty_attributes=False,
            read_only=True,
        )
        self._ldap.strategy.receiving = self._receiver = MessageReader(self._ldap)
        # The connect timeout also applies to StartTLS and the handshake.
        sock.settimeout(self._timeouts.connect)
        self._ldap.socket = sock
        # This replaces ldap3's way to connect, which tries addresses one after the other.
        self._ldap.strategy._open_socket = lambda *_, **__: self._encrypt(tls)
        self._ldap.server.candidate_addresses = lambda: [(sock.family, sock.type, 0, "", "")]
        self._ldap.server.update_availability = lambda *_: None
        self._ldap.open(read_server_info=False)
        if start_tls:
            self._ldap.start_tls(read_server_info=False)
        if tls is not None and not isinstance(self._ldap.socket, ssl.SSLSocket):
            raise ConnectionError("TLS was not established")
        self._ldap.socket.settimeout(self._timeouts.answer)

    def _encrypt(self, tls: "_VerifiedTls | None") -> None:
        if tls is not None and self.server.tls:
            tls.wrap_socket(self._ldap, do_handshake=True)
        self._ldap.closed = False

    def bind(self, dn: str, password: bytes) -> BindResult:
        """Return the result of a bind as ``dn``. Raises ConnectionBroken.

        Neither argument may be empty: such a bind is anonymous and succeeds (RFC 4513 §5.1.2).
        """
        if not dn or not password:
            raise ValueError("a bind needs a name and a password")
        with self._translated("responds incorrectly to a bind"):
            ldap = self._ldap
            ldap.user, ldap.password, ldap.authentication = dn, password, ldap3.SIMPLE
            try:
                ldap.bind(read_server_info=False, controls=[(PASSWORD_POLICY, False, None)])
            finally:
                ldap.password = None
            result = ldap.result
            if result["type"] != "bindResponse":
                raise ValueError(f"the response to a bind is a {result['type']}")
            if result["result"] != SUCCESS and result["result"] not in REFUSALS:
                raise ValueError(f"{result['description']} ({result['result']})")
            policy = result.get("controls", {}).get(PASSWORD_POLICY)
            return BindResult(
                int(result["result"]), str(result["message"]), policy["value"] if policy else None
            )

    def search(
        self, base: str, search_filter: str, attributes: Sequence[str], scope: Scope = "SUBTREE"
    ) -> list[Entry]:
        """Return every entry that the filter finds, with every value.

        Raises:
            ConnectionBroken: the connection failed.
            ProviderUnavailable: the server does not return everything.
        """
        # Without pages first: servers keep state for pages, and few searches need them.
        entries, result = self._search(base, search_filter, attributes, scope)
        if result["result"] in (SIZE_LIMIT, ADMIN_LIMIT):
            return self.pages(base, search_filter, attributes)
        if result["result"] == NO_SUCH_OBJECT and scope == "BASE":
            return []
        self._expect_success(result, base)
        return [self._whole(entry) for entry in entries]

    def some(
        self, base: str, search_filter: str, attributes: Sequence[str], limit: int
    ) -> list[Entry]:
        """Return up to ``limit`` entries that the filter finds, without completing value ranges."""
        entries, result = self._search(base, search_filter, attributes, "SUBTREE", limit)
        if result["result"] != SIZE_LIMIT:
            self._expect_success(result, base)
        return entries[:limit]

    def abort(self) -> None:
        """Interrupt another thread that waits for this connection."""
        self._aborted.set()
        sock = self._ldap.socket if self._ldap is not None else None
        if isinstance(sock, socket.socket):
            try:
                # Not SSLSocket's method, which would remove the TLS object under its reader.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self) -> None:
        """Close the connection. Never raises."""
        if self._ldap is None:
            return
        try:
            self._ldap.strategy.close()
        except Exception:  # noqa: S110 (the connection is gone in any case)
            pass

    def pages(self, base: str, search_filter: str, attributes: Sequence[str]) -> list[Entry]:
        """Search in pages (RFC 2696), for more entries than a server returns at once."""
        found: list[Entry] = []
        cookie: bytes | None = None
        while True:
            page, result = self._search(
                base,
                search_filter,
                attributes,
                "SUBTREE",
                paged_size=PAGE_SIZE,
                paged_criticality=True,
                paged_cookie=cookie,
            )
            found += page
            control = result.get("controls", {}).get(_PAGED)
            cookie = control["value"]["cookie"] if control else None
            self._expect_success(result, base)
            if not cookie:
                return [self._whole(entry) for entry in found]
            if not page or len(found) > MAX_ENTRIES:
                raise self._broken("returns pages without end")

    def _search(
        self,
        base: str,
        search_filter: str,
        attributes: Sequence[str],
        scope: Scope,
        limit: int = 0,
        **paging: Any,
    ) -> tuple[list[Entry], dict[str, Any]]:
        with self._translated("responds incorrectly to a search"):
            self._ldap.search(
                base,
                search_filter,
                scope,
                dereference_aliases=ldap3.DEREF_NEVER,
                attributes=list(attributes),
                size_limit=limit,
                **paging,
            )
            result = self._ldap.result
            if result["type"] != "searchResDone":
                raise ValueError(f"the response to a search is a {result['type']}")
            # The other items are references to other servers, which are not followed.
            items = self._ldap.response
            entries = [entry_of(one) for one in items if one["type"] == "searchResEntry"]
            return entries, result

    def _whole(self, entry: Entry) -> Entry:
        """Return the entry with all values of attributes of which the server sent a range."""
        ranged = [found for name in entry.attributes if (found := _RANGE.fullmatch(name))]
        if not ranged:
            return entry
        attributes = dict(entry.attributes)
        for found in ranged:
            values = list(attributes.pop(found[0]))
            values += self._rest(entry.dn, found["name"], found["high"])
            attributes[found["name"]] = values
        return Entry(entry.dn, attributes)

    def _rest(self, dn: str, attribute: str, high: str) -> Iterator[bytes]:
        """Yield the values after number ``high`` (MS-ADTS 3.1.1.3.1.3.3)."""
        count = 0
        while high != "*":
            low = int(high) + 1
            wanted = f"{attribute};range={low}-*"
            entries, result = self._search(dn, "(objectClass=*)", [wanted], "BASE")
            self._expect_success(result, dn)
            ranges = [
                (found, values)
                for entry in entries
                for name, values in entry.attributes.items()
                if (found := _RANGE.fullmatch(name)) and found["name"] == attribute
            ]
            if len(ranges) != 1 or int(ranges[0][0]["low"]) != low or not ranges[0][1]:
                raise self._broken(f"does not return all values of {attribute}")
            yield from ranges[0][1]
            count += len(ranges[0][1])
            if count > MAX_ENTRIES:
                raise self._broken(f"returns values of {attribute} without end")
            high = ranges[0][0]["high"]

    def _expect_success(self, result: Mapping[str, Any], base: str) -> None:
        if result["result"] == SUCCESS:
            return
        text = f"{result['description']} ({result['result']}) {result['message']}".strip()
        if result["result"] == NO_SUCH_OBJECT:
            raise ProviderUnavailable(f"{self.server}: {base!r} does not exist; correct the base")
        if result["result"] in (SIZE_LIMIT, ADMIN_LIMIT):
            raise ProviderUnavailable(
                f"{self.server} does not return all results ({text}): raise its limits for bind_dn"
            )
        if result["result"] == REFERRAL:
            raise ProviderUnavailable(
                f"{self.server} refers to another server for {base!r}: referrals are not followed"
            )
        if result["result"] in _SERVER_FAILURES:
            raise self._broken(f"cannot search: {text}")
        raise ProviderUnavailable(f"{self.server} rejects a search of {base!r}: {text}")

    def _broken(self, what: str) -> ConnectionBroken:
        return ConnectionBroken(f"{self.server} {what}")

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        """Translate every exception of ldap3 to ConnectionBroken, and close the connection."""
        if self._aborted.is_set():
            raise self._broken("took too long")
        try:
            if self._receiver is not None:
                self._receiver.begin()
            yield
            if self._receiver is not None:
                self._receiver.end()
        except Exception as exc:
            self.close()
            raise ConnectionBroken(f"{self.server} {what}: {_cause(exc)}") from exc
        if self._aborted.is_set():
            self.close()
            raise self._broken("took too long")


def _cause(exc: Exception) -> str:
    """Return the cause as one line of limited length: a server may have chosen the text."""
    return f"{type(exc).__name__}: {exc}".replace("\n", " ")[:300]


Opener = Callable[[ServerAddress], LdapConnection]
"""A function that opens a connection to a server."""
