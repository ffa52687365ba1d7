"""The checkpoint: from a request as it came to one that may pass, or a refusal.

Route, authenticate, decide, stamp, in this order, and all of it before the cluster hears anything.
"""

from dataclasses import dataclass

import structlog
from aiohttp import web

from impersonation.identity import Subject
from impersonation.nested import BadImpersonation, on_behalf, permissions_needed, wished_subject
from impersonation.outbound import Inexpressible, header_block, request_id_line, subject_of
from impersonation.subject_name import subject_name
from management.resolver import Resolved
from management.user_accounts import NoAccount, NotStored, UserAccounts
from proxy.access import Access
from proxy.access_review import ReviewFailed
from proxy.admission import admit, allow_by_scope
from proxy.asked import Asked
from proxy.caller import Authenticator
from proxy.clusters import ClusterDirectory, Downstream
from proxy.final_check import IdentityMismatch, verify_head
from proxy.forward import Outbound
from proxy.inbound_head import InboundHead
from proxy.opening import Opening
from proxy.request_info import CONNECT, RequestInfo, request_info
from proxy.routing import BadTarget, route
from proxy.status import BadRequest, Forbidden, InternalError, TooLarge, Unavailable
from proxy.upstream_head import body_framing, request_lines, upgrade_framing
from store.interfaces import StoreUnavailable

_LOG = structlog.get_logger("sekisho.gate")


@dataclass(frozen=True, slots=True)
class Passage:
    """A request that may pass: from whom, to which cluster, and the head that will be sent."""

    resolved: Resolved
    downstream: Downstream
    head: InboundHead
    outbound: Outbound


class Checkpoint:
    """Decides about requests. ``max_body`` is the largest body, in bytes."""

    def __init__(
        self,
        directory: ClusterDirectory,
        authenticator: Authenticator,
        accounts: UserAccounts,
        *,
        max_body: int,
    ) -> None:
        self._directory = directory
        self._accounts = accounts
        self._authenticator = authenticator
        self._max_body = max_body

    async def examine(self, request: web.BaseRequest, head: InboundHead, access: Access) -> Passage:
        """The passage. Raises Refusal; ``access`` knows by then what is known."""
        try:
            way = route(request.raw_path)
        except BadTarget as exc:
            raise BadRequest(str(exc)) from None
        access.target = way.target
        access.info = info = _info(request.method, way.target, upgrade=head.upgrade)
        resolved = await self._authenticator.authenticate(request, head)
        access.resolved = resolved
        downstream = self._directory.find(way.cluster)
        admit(resolved, downstream.cluster.id if downstream else None, way.cluster)
        assert downstream is not None
        access.cluster, access.cluster_id = downstream.cluster.name, downstream.cluster.id
        allow_by_scope(
            resolved,
            downstream.cluster.id,
            request.method,
            way.target,
            upgrade=info.verb == CONNECT,
        )
        if head.length is not None and int(head.length) > self._max_body:
            raise TooLarge(f"the request's body is over {self._max_body} bytes")
        identity = await _identity(request, head, resolved, downstream, access)
        credential = downstream.credential
        if downstream.cluster.isolation == "per_user":
            credential = await self._own_credential(downstream, resolved)
        outbound = Outbound(
            request.method,
            way.target,
            _lines(head, credential, identity, access),
            has_body=head.chunked or head.length not in {None, b"0"},
            chunked=head.chunked,
            expects_continue=head.expects_continue,
            max_body=self._max_body,
        )
        return Passage(resolved, downstream, head, outbound)

    def wave_through(self, asked: Asked, opening: Opening, resolved: Resolved) -> bool:
        """Decide as :meth:`examine` does, where that needs nothing to be asked of anybody.

        True: the request may pass, with ``opening.stamp`` for ``opening.downstream``. False where
        it must be examined. Raises Refusal.
        """
        downstream = self._directory.find(asked.cluster)
        if downstream is None or opening.length > self._max_body:
            return False
        if opening.resolved is not resolved or opening.downstream is not downstream:
            if downstream.cluster.isolation == "per_user":
                return False
            admit(resolved, downstream.cluster.id, asked.cluster)
            opening.stamp, opening.identity = _stamp(opening, resolved, downstream)
            opening.resolved, opening.downstream = resolved, downstream
            opening.told.clear()
        token = resolved.token
        if token.read_only or token.projects:
            allow_by_scope(
                resolved, downstream.cluster.id, asked.method, asked.target, upgrade=False
            )
        return True

    def refused(self, passage: Passage) -> None:
        """The cluster didn't accept the credential that it was entered with."""
        if passage.downstream.cluster.isolation == "per_user":
            self._accounts.refused(passage.downstream.cluster.id, passage.resolved.user.id)

    async def _own_credential(self, downstream: Downstream, resolved: Resolved) -> bytes:
        """The Authorization line of the caller's own account in the cluster. Raises Refusal."""
        try:
            token = await self._accounts.token(downstream.cluster, resolved)
        except NotStored:
            raise Forbidden(
                "in this cluster, groups count that Sekisho has seen at a sign-in; "
                "exchange your token for one of Sekisho's"
            ) from None
        except (NoAccount, StoreUnavailable):
            raise Unavailable(
                f'your account in "{downstream.cluster.name}" can\'t be used now; try again',
                retry_after=5,
            ) from None
        return b"Authorization: Bearer " + token.encode("ascii") + b"\r\n"


def _info(method: str, target: str, *, upgrade: bytes | None) -> RequestInfo:
    info = request_info(method, target)
    return info if upgrade is None else info.connecting()


async def _identity(
    request: web.BaseRequest,
    head: InboundHead,
    resolved: Resolved,
    downstream: Downstream,
    access: Access,
) -> bytes:
    """The ``Impersonate-*`` block: the caller's, or that of whom the caller may act as."""
    try:
        if head.impersonates:
            if downstream.cluster.isolation == "per_user":
                raise Forbidden(
                    "in this cluster everybody acts through an account of their own, which can't "
                    "be anybody else: impersonation (--as) is not possible"
                )
            wish = wished_subject(request.raw_headers)
            assert wish is not None
            access.acting_as = wish
            return header_block(await _allowed(wish, resolved, downstream))
        return _own_identity(resolved, downstream)
    except BadImpersonation as exc:
        raise BadRequest(str(exc)) from None
    except Inexpressible as exc:
        _LOG.error("identity refused", user=resolved.user.id, error=str(exc))
        raise Forbidden("your identity can't be told to the cluster in full") from None


def _own_identity(resolved: Resolved, downstream: Downstream) -> bytes:
    """The caller's own block, kept for as long as the caller is believed. Raises Inexpressible."""
    kind = downstream.cluster.user_name
    block = resolved.blocks.get(kind)
    if block is None:
        block = resolved.blocks[kind] = header_block(_subject(resolved, downstream))
    return block


async def _allowed(wish: Subject, resolved: Resolved, downstream: Downstream) -> Subject:
    """The subject to act as, once the cluster has said that the caller may."""
    caller = _subject(resolved, downstream)
    try:
        lacking = await downstream.reviews.refused(caller, permissions_needed(wish))
    except ReviewFailed as exc:
        raise Unavailable(str(exc), retry_after=2) from None
    if lacking is not None:
        what = lacking.resource + (f"/{lacking.subresource}" if lacking.subresource else "")
        raise Forbidden(
            f'{what} "{lacking.name}" is forbidden: User "{caller.user}" cannot impersonate '
            f'resource "{what}" in API group "{lacking.group}" of cluster '
            f'"{downstream.cluster.name}"'
        )
    return on_behalf(wish, caller)


def _subject(resolved: Resolved, downstream: Downstream) -> Subject:
    identity = resolved.identity
    return subject_of(
        identity,
        subject_name(
            downstream.cluster.user_name,
            user_id=identity.user_id,
            principal_id=identity.principal_id,
            provider=identity.provider,
            username=identity.username,
        ),
    )


def _stamp(opening: Opening, resolved: Resolved, downstream: Downstream) -> tuple[bytes, bytes]:
    """The lines for the cluster before the identity's, and those. Raises Forbidden."""
    try:
        identity = _own_identity(resolved, downstream)
    except Inexpressible:
        raise Forbidden("your identity can't be told to the cluster in full") from None
    access = Access(opening.remote, "", "", 0.0, request_id="as-it-will-be")
    lines = _lines(opening.head, downstream.credential, identity, access)
    end = identity + request_id_line(access.request_id) + b"\r\n"
    return lines.removesuffix(end), identity


def _lines(head: InboundHead, credential: bytes, identity: bytes, access: Access) -> bytes:
    """The header lines for the cluster, looked at once more as the bytes that they are."""
    upgrade = head.upgrade
    request_id = request_id_line(access.request_id)
    lines = request_lines(
        head.passed,
        credential=credential,
        framing=(
            upgrade_framing(upgrade) if upgrade else body_framing(head.length, chunked=head.chunked)
        ),
        forwarded_for=access.remote.encode("ascii", "replace"),
        identity=identity,
        request_id=request_id,
    )
    try:
        verify_head(lines, credential=credential, identity=identity, request_id=request_id)
    except IdentityMismatch as exc:
        _LOG.critical("a head was not sent", request_id=access.request_id, error=str(exc))
        raise InternalError("the request could not be stamped safely, so it was not sent") from None
    return lines
