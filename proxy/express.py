"""The express lane: ordinary requests, served in the same breath that they are read in.

Most of what the gate relays is small, asks for nothing special, and comes from a caller who is
known, on a connection that carried the same header lines a moment ago. Such a request is decided on
and sent to the cluster before the loop turns: no task, no future, no request object. Whatever needs
to wait, or to be looked at closely, is left to :mod:`proxy.gate` as if nothing had happened. Both
ask the same checkpoint, are counted by the same limits and told of in the same way.
"""

import asyncio
import time
from dataclasses import dataclass

from impersonation.outbound import request_id_line
from management.resolver import Resolved, TokenResolver
from proxy.access import Access
from proxy.asked import Asked, asked_by
from proxy.exchange import Answer
from proxy.express_connection import ExpressConnection
from proxy.express_request import ExpressRequest
from proxy.failure import refusal_of
from proxy.held import HeldRefusal
from proxy.last_used import LastUsed
from proxy.limits import REQUESTS, WATCHES, Limited, Limiter, Place
from proxy.live import LiveRequests
from proxy.metrics import GateMetrics
from proxy.opening import Opening, OpeningReader
from proxy.passage import Checkpoint
from proxy.request_id import RequestIds
from proxy.status import Refusal
from proxy.telling import Teller
from proxy.upstream import UpstreamError
from store.interfaces import Cluster

_END = b"\r\n\r\n"


@dataclass(slots=True, eq=False)
class ExpressLane:
    """Takes requests that need nothing but to be passed on. One per process."""

    loop: asyncio.AbstractEventLoop
    checkpoint: Checkpoint
    resolver: TokenResolver
    reader: OpeningReader
    request_ids: RequestIds
    limiter: Limiter
    live: LiveRequests
    last_used: LastUsed
    teller: Teller
    metrics: GateMetrics
    watching: set[Answer]

    def take(self, connection: ExpressConnection, data: bytes) -> bool:
        """Serve the request in ``data``, on a connection that has nothing else to do.

        False where it isn't ordinary: nothing has happened then, but that ``connection.owed`` says
        how many more bytes belong to it (None: who knows).
        """
        connection.owed = None
        line_end = data.find(b"\r\n")
        head_end = data.find(_END, line_end) + 4
        if line_end < 0 or head_end < 4:
            return False
        asked = asked_by(data[:line_end])
        if asked is None:
            return False
        opening = self._opening(connection, data[line_end + 2 : head_end])
        if opening is None:
            return False
        connection.owed = owed = head_end + opening.length - len(data)
        if owed or connection.writing_paused:
            return False
        return self._pass(connection, asked, opening, data, data[head_end:])

    def _opening(self, connection: ExpressConnection, lines: bytes) -> Opening | None:
        opening = connection.opening
        if opening is None or connection.opening_lines != lines:
            opening = self.reader.read(lines, connection.address)
            connection.opening, connection.opening_lines = opening, lines
        return opening

    def _pass(
        self,
        connection: ExpressConnection,
        asked: Asked,
        opening: Opening,
        data: bytes,
        body: bytes,
    ) -> bool:
        resolved = self.resolver.live(opening.digest)
        if resolved is None or not self._waved_through(asked, opening, resolved):
            return False
        downstream = opening.downstream
        assert downstream is not None
        upstream = downstream.pool.take_idle()
        if upstream is None:
            return False
        access = self._access(asked, opening, resolved, downstream.cluster)
        try:
            place = self._place(access, resolved)
        except Limited as exc:
            downstream.pool.put_back(upstream)
            self._refuse(connection, access, opening, exc)
            return True
        request = ExpressRequest(self, connection, asked, opening, access, place, upstream, data)
        self._begin(connection, request)
        head = upstream.master.head_of(asked.method_bytes, asked.target_bytes)
        line = request_id_line(access.request_id)
        request.send(b"".join((head, opening.stamp, opening.identity, line, b"\r\n", body)))
        return True

    def _waved_through(self, asked: Asked, opening: Opening, resolved: Resolved) -> bool:
        try:
            return self.checkpoint.wave_through(asked, opening, resolved)
        except Refusal:
            return False  # The other lane says it again, aloud.

    def _access(
        self, asked: Asked, opening: Opening, resolved: Resolved, cluster: Cluster
    ) -> Access:
        # By position, for that is cheaper.
        return Access(
            opening.remote,
            asked.method,
            asked.path,
            time.time(),
            self.request_ids.next(opening.head.request_id),
            opening.user_agent,
            asked.target,
            asked.info,
            resolved,
            cluster.name,
            cluster.id,
            opening.telling(asked),
        )

    def _place(self, access: Access, resolved: Resolved) -> Place:
        """The request's place under the limits. Raises Limited."""
        self.limiter.arrive(access.remote)
        kind = WATCHES if access.info.long_running else REQUESTS
        keys = (resolved.token.name, resolved.user.id, access.remote, access.cluster_id)
        return self.limiter.enter(kind, keys)

    def _begin(self, connection: ExpressConnection, request: ExpressRequest) -> None:
        """Take down that it runs."""
        resolved, traffic = request.resolved, self.metrics.traffic
        traffic.authenticated(resolved.identity.provider, "accepted")
        traffic.in_flight += 1
        self.last_used.note(resolved.token.name)
        self.live.add(request)
        connection.running = request
        if request.asked.info.verb == "watch":
            self.watching.add(request)
            self.metrics.watches.labels(request.access.cluster).inc()

    def began(self, request: ExpressRequest, status: int) -> None:
        """The answer to a long-running request has begun."""
        request.began()
        self.teller.began(request.access, status)

    def left(self, request: ExpressRequest) -> None:
        """The request runs no more."""
        self.metrics.traffic.in_flight -= 1
        self.live.finish(request)
        request.place.leave()
        if request in self.watching:
            self.watching.discard(request)
            self.metrics.watches.labels(request.access.cluster).dec()

    def failure(self, error: UpstreamError, access: Access) -> Refusal:
        """What the client is told of the cluster's failure."""
        refusal = self.teller.failure(error, access)
        self.teller.refused(refusal, access)
        return refusal

    def tell(self, request: ExpressRequest) -> None:
        """Tell of a request that has ended."""
        self.teller.ended(request.access, self.loop.time() - request.started)

    def _refuse(
        self, connection: ExpressConnection, access: Access, opening: Opening, exc: Limited
    ) -> None:
        """Answer a request that a limit refuses, at the least cost: there may be many."""
        refusal, kept = refusal_of(exc), opening.keep_alive
        if exc.hold:
            held = HeldRefusal(connection, refusal, access.request_id, keep_alive=kept)
            held.answer_in(self.loop, exc.hold)
        else:
            connection.refuse(refusal, access.request_id, keep_alive=kept)
        self.teller.refused(refusal, access)
        self.teller.ended(access, 0.0)
