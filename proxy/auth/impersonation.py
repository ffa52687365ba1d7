"""The identity that a cluster sees, and the verified header block that carries it.

A cluster authenticates Sekisho's service account and takes the caller from ``Impersonate-*``
headers. :func:`build` writes them last, after everything that the client sent, and verifies the
finished bytes.
"""

from config.loggers import get_logger
from impersonation.header_filter import RawHeaders
from impersonation.identity import Subject
from impersonation.impersonate_headers import (
    UnrepresentableIdentity,
    impersonation_headers,
    subject_of,
)
from impersonation.nested import (
    InvalidImpersonation,
    permissions_needed,
    requested_subject,
    with_original_user,
)
from impersonation.username_mapping import username_for_cluster
from impersonation.verification import IdentityMismatch
from impersonation.verified_headers import verified_request_lines
from management.authentication.authenticated_token import AuthenticatedToken
from proxy.request.headers import RequestHeaders
from proxy.request.request_line import RequestLine
from proxy.request.upstream_request import UpstreamRequest
from proxy.response.status import BadRequest, Forbidden, InternalError, ServiceUnavailable
from proxy.upstream.access_review import ReviewFailed
from proxy.upstream.registry import UpstreamCluster

_LOG = get_logger(__name__)


def own_identity(token: AuthenticatedToken, cluster: UpstreamCluster) -> bytes:
    """Return the ``Impersonate-*`` block of the caller, cached with the token.

    Raises:
        Forbidden: the identity contains characters that no header can carry.

    """
    kind = cluster.cluster.username_mapping
    block = token.blocks.get(kind)
    if block is None:
        block = token.blocks[kind] = _block(_subject(token, cluster), token)
    return block


def requested_identity(raw_headers: RawHeaders, cluster: UpstreamCluster) -> Subject:
    """Return the subject in the ``Impersonate-*`` headers that the client sent.

    Raises:
        BadRequest: the headers are malformed.
        Forbidden: the cluster has an account for each user, so that no user can act as another.

    """
    if cluster.cluster.impersonator == "per_user":
        raise Forbidden(
            "in this cluster each user acts through a separate account, which cannot act as "
            "another user: impersonation (--as) is not possible",
            decision="impersonation_unsupported",
        )
    try:
        subject = requested_subject(raw_headers)
    except InvalidImpersonation as exc:
        raise BadRequest(str(exc)) from None
    assert subject is not None
    return subject


async def nested_identity(
    subject: Subject, token: AuthenticatedToken, cluster: UpstreamCluster
) -> bytes:
    """Return the block of ``subject`` after the cluster has allowed the caller to act as it.

    Raises:
        Forbidden: the caller may not act as ``subject``, or no header can carry it.
        ServiceUnavailable: the cluster does not respond to the access review.

    """
    caller = _subject(token, cluster)
    try:
        denied = await cluster.reviews.first_denied(caller, permissions_needed(subject))
    except ReviewFailed as exc:
        raise ServiceUnavailable(str(exc), retry_after=cluster.outage.record_failure()) from None
    cluster.outage.record_success()
    if denied is not None:
        resource = denied.resource + (f"/{denied.subresource}" if denied.subresource else "")
        raise Forbidden(
            f'{resource} "{denied.name}" is forbidden: User "{caller.user}" cannot impersonate '
            f'resource "{resource}" in API group "{denied.group}" of cluster '
            f'"{cluster.cluster.name}"',
            decision="impersonation",
        )
    return _block(with_original_user(subject, caller), token)


def build(
    line: RequestLine,
    headers: RequestHeaders,
    remote: str,
    *,
    identity: bytes,
    credential: bytes,
    request_id: str,
    max_body: int,
) -> UpstreamRequest:
    """Build the request that the cluster receives, and verify its finished header block. Pure.

    ``identity`` is an ``Impersonate-*`` block without the request id, ``credential`` the
    Authorization line, and ``remote`` the client's address.

    Raises:
        InternalError: the header block does not carry exactly this identity and credential.

    """
    try:
        lines = verified_request_lines(
            headers.forwarded,
            upgrade=headers.upgrade,
            length=headers.length,
            chunked=headers.chunked,
            credential=credential,
            forwarded_for=remote.encode("ascii", "replace"),
            identity=identity,
            request_id=request_id,
        )
    except IdentityMismatch as exc:
        _LOG.critical("request not sent", request_id=request_id, error=str(exc))
        raise InternalError(
            "the request's headers failed a safety check, so the request was not sent"
        ) from None
    return UpstreamRequest(
        line.method,
        line.target,
        lines,
        has_body=headers.chunked or headers.length not in {None, b"0"},
        chunked=headers.chunked,
        expects_continue=headers.expects_continue,
        max_body=max_body,
        may_delay_response=line.may_delay_response,
    )


def _block(subject: Subject, token: AuthenticatedToken) -> bytes:
    try:
        return impersonation_headers(subject)
    except UnrepresentableIdentity as exc:
        _LOG.error("identity rejected", user=token.user.id, error=str(exc))
        raise Forbidden(
            "your identity contains characters that cannot be sent to the cluster",
            decision="identity",
        ) from None


def _subject(token: AuthenticatedToken, cluster: UpstreamCluster) -> Subject:
    identity = token.identity
    return subject_of(
        identity,
        username_for_cluster(
            cluster.cluster.username_mapping,
            user_id=identity.user_id,
            principal_id=identity.principal_id,
            provider=identity.provider,
            username=identity.username,
        ),
    )
