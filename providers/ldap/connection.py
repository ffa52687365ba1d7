"""One connection to one server of a directory: the only file that knows ldap3.

ldap3 is asked for as little as possible: no schema, no referrals, no alias is followed, nothing is
formatted, and passwords go out as the bytes that were typed (its SASLprep would turn a password of
soft hyphens into an empty one, which is an anonymous bind).

ldap3 trusts what a server sends, and answers nonsense with whatever exception that happens to
raise. So every one of them is translated here: a connection that did anything unexpected is broken
(:class:`ConnectionBroken`), and is never used again.
"""

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import ldap3

from providers.base import ProviderUnavailable
from providers.ldap_answers import (
    ADMIN_LIMIT,
    NO_SUCH_OBJECT,
    REFERRAL,
    REFUSALS,
    SIZE_LIMIT,
    SUCCESS,
    Bound,
    Entry,
    entry_of,
)
from providers.ldap_receiver import Receiver
from providers.ldap_servers import ServerAddress

PAGE_SIZE = 500
"""Entries a page, where a search has more results than the server gives at once."""

MAX_ENTRIES = 100_000
"""A search that finds more is not one of ours, or not a directory."""

PASSWORD_POLICY = "1.3.6.1.4.1.42.2.27.8.5.1"  # noqa: S105 (an OID)
"""The control of draft-behera-ldap-password-policy, by which servers say why they refuse."""

_SERVERS_TROUBLE = frozenset({1, 2, 3, 51, 52, 80})
"""Results of a search that another server may not have: operationsError, busy, unavailable, …"""

Scope = Literal["BASE", "SUBTREE"]

_PAGED = "1.2.840.113556.1.4.319"
_RANGE = re.compile(r"(?P<name>[^;]+);range=(?P<low>\d{1,9})-(?P<high>\*|\d{1,9})", re.IGNORECASE)


class ConnectionBroken(ProviderUnavailable):
    """The connection can't be used any more; another server, or a new one, might."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: until a server is connected to, TLS included, and until it answers."""

    connect: float
    answer: float


class _VerifiedTls(ldap3.Tls):  # type: ignore[misc]
    """TLS as Python's ``ssl`` does it, names verified while shaking hands and not after."""

    def __init__(self, context: ssl.SSLContext, name: str) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = context
        self._name = name

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        """Replace the connection's socket by one with TLS."""
        receiving = connection.strategy.receiving
        if isinstance(receiving, Receiver):
            receiving.end()
        connection.socket = self._context.wrap_socket(connection.socket, server_hostname=self._name)


class Wire:
    """A connection. One thread at a time uses it; ``abort`` may come from any."""

    def __init__(self, server: ServerAddress, patience: Patience) -> None:
        self.server = server
        self._patience = patience
        self._ldap: Any = None
        self._receiver: Receiver | None = None
        self._aborted = threading.Event()

    def open(self, context: ssl.SSLContext, name: str, *, start_tls: bool) -> None:
        """Connect, and encrypt unless the server is a plain one. Raises ConnectionBroken."""
        encrypted = self.server.tls or start_tls
        with self._translated("can't be connected to"):
            self._ldap = ldap3.Connection(
                ldap3.Server(
                    self.server.host,
                    self.server.port,
                    use_ssl=self.server.tls,
                    tls=_VerifiedTls(context, name) if encrypted else None,
                    get_info=ldap3.NONE,
                    connect_timeout=self._patience.connect,
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
            self._ldap.strategy.receiving = self._receiver = Receiver(self._ldap)
            # The timeout of connecting stays the socket's for StartTLS and the handshake.
            self._ldap.open(read_server_info=False)
            if start_tls:
                self._ldap.start_tls(read_server_info=False)
            if encrypted and not isinstance(self._ldap.socket, ssl.SSLSocket):
                raise ConnectionError("no TLS where there should be")
            self._ldap.socket.settimeout(self._patience.answer)

    def bind(self, dn: str, password: bytes) -> Bound:
        """Whether it is the password of ``dn``. Raises ConnectionBroken.

        Neither may be empty: such a bind is an anonymous one, and succeeds (RFC 4513 §5.1.2).
        """
        if not dn or not password:
            raise ValueError("a bind without a name or a password proves nothing")
        with self._translated("doesn't answer a bind as it should"):
            ldap = self._ldap
            ldap.user, ldap.password, ldap.authentication = dn, password, ldap3.SIMPLE
            try:
                ldap.bind(read_server_info=False, controls=[(PASSWORD_POLICY, False, None)])
            finally:
                ldap.password = None
            result = ldap.result
            if result["type"] != "bindResponse":
                raise ValueError(f"a bind was answered by a {result['type']}")
            if result["result"] != SUCCESS and result["result"] not in REFUSALS:
                raise ValueError(f"{result['description']} ({result['result']})")
            policy = result.get("controls", {}).get(PASSWORD_POLICY)
            return Bound(
                int(result["result"]), str(result["message"]), policy["value"] if policy else None
            )

    def search(
        self, base: str, search_filter: str, attributes: Sequence[str], scope: Scope = "SUBTREE"
    ) -> list[Entry]:
        """Everything that the filter finds, and every value of it.

        Raises ConnectionBroken, and ProviderUnavailable where the server doesn't give it all.
        """
        # Not in pages at first: servers keep state for pages, and few searches need any.
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
        """Up to ``limit`` of what the filter finds, ranged values not completed."""
        entries, result = self._search(base, search_filter, attributes, "SUBTREE", limit)
        if result["result"] != SIZE_LIMIT:
            self._expect_success(result, base)
        return entries[:limit]

    def abort(self) -> None:
        """End whatever another thread is waiting for on this connection."""
        self._aborted.set()
        sock = self._ldap.socket if self._ldap is not None else None
        if isinstance(sock, socket.socket):
            try:
                # Not SSLSocket's, which would take the TLS object away from its reader.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self) -> None:
        """Hang up. Never raises."""
        if self._ldap is None:
            return
        try:
            self._ldap.strategy.close()
        except Exception:  # noqa: S110 (whatever it is, the connection is gone)
            pass

    def pages(self, base: str, search_filter: str, attributes: Sequence[str]) -> list[Entry]:
        """As ``search``, a page at a time (RFC 2696): for more than a server gives at once."""
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
                raise self._broken("doesn't come to an end of its pages")

    def _search(
        self,
        base: str,
        search_filter: str,
        attributes: Sequence[str],
        scope: Scope,
        limit: int = 0,
        **paging: Any,
    ) -> tuple[list[Entry], dict[str, Any]]:
        with self._translated("doesn't answer a search as it should"):
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
                raise ValueError(f"a search was answered by a {result['type']}")
            # What else there is are references to other servers, which aren't followed.
            answers = self._ldap.response
            entries = [entry_of(one) for one in answers if one["type"] == "searchResEntry"]
            return entries, result

    def _whole(self, entry: Entry) -> Entry:
        """The entry with every value of attributes that the server gave only a range of."""
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
        """Values after number ``high`` (MS-ADTS 3.1.1.3.1.3.3)."""
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
                raise self._broken(f"doesn't give all values of {attribute}")
            yield from ranges[0][1]
            count += len(ranges[0][1])
            if count > MAX_ENTRIES:
                raise self._broken(f"doesn't come to an end of the values of {attribute}")
            high = ranges[0][0]["high"]

    def _expect_success(self, result: Mapping[str, Any], base: str) -> None:
        if result["result"] == SUCCESS:
            return
        said = f"{result['description']} ({result['result']}) {result['message']}".strip()
        if result["result"] == NO_SUCH_OBJECT:
            raise ProviderUnavailable(f"{self.server}: there is no {base!r}: mend the search base")
        if result["result"] in (SIZE_LIMIT, ADMIN_LIMIT):
            raise ProviderUnavailable(
                f"{self.server} doesn't give all results ({said}): raise its limits for bind_dn"
            )
        if result["result"] == REFERRAL:
            raise ProviderUnavailable(f"{self.server} refers to another for {base!r}: not followed")
        if result["result"] in _SERVERS_TROUBLE:
            raise self._broken(f"can't search: {said}")
        raise ProviderUnavailable(f"{self.server} won't search {base!r}: {said}")

    def _broken(self, what: str) -> ConnectionBroken:
        return ConnectionBroken(f"{self.server} {what}")

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        """Whatever ldap3 raises is this connection's end."""
        if self._aborted.is_set():
            raise self._broken("was given up")
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
            raise self._broken("was given up")


def _cause(exc: Exception) -> str:
    """What happened, on one line and not too long: a server may have chosen the words."""
    return f"{type(exc).__name__}: {exc}".replace("\n", " ")[:300]


Opener = Callable[[ServerAddress], Wire]
"""Makes a wire to a server, open."""
