"""The contract's checks for what is not a password: browsers, bearers, refreshing, searching.

Each is run on a provider that has started; use them through :mod:`providers.contract`.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

from impersonation.policy import refuse_reserved
from providers.base import (
    BearerVerifier,
    BrowserAuthenticator,
    CannotRefresh,
    ExternalIdentity,
    PrincipalSearch,
    Refresher,
    Verified,
)

BACK = "https://sekisho.example/v1/login/under-test/callback"
STRANGE = ("*", ")(uid=*", "a b", "\0", "\ud800", "é" * 300, "x" * 5000, "' OR 1=1 --")

Visit = Callable[[str], Awaitable[Mapping[str, str]]]
"""Goes to a URL as a browser would, signs in there, and returns the query it is sent back with."""


def check_identity(identity: ExternalIdentity, schemes: tuple[str, ...]) -> None:
    """What a provider may say of somebody."""
    principals = [identity.principal_id, *(group.principal_id for group in identity.groups)]
    for principal in principals:
        scheme, separator, key = principal.partition("://")
        assert separator, f"{principal!r} is not a principal: <scheme>://<key>"
        assert key, f"{principal!r} is not a principal: <scheme>://<key>"
        assert scheme in schemes, f"{principal!r} is not of a scheme that the type declares"
    assert identity.username, "an identity has a username"
    refuse_reserved([*principals, identity.username, *(g.name for g in identity.groups)])
    if identity.secret:
        assert identity.secret not in repr(identity), "a secret is in no repr"


async def check_browser(
    provider: BrowserAuthenticator, schemes: tuple[str, ...], visit: Visit
) -> ExternalIdentity:
    """Signing in by the browser; who it was."""
    first, second = await provider.start_browser(BACK), await provider.start_browser(BACK)
    for start in (first, second):
        assert urlsplit(start.url).scheme in {"https", "http"}, "people are sent to a URL"
        assert not set(start.keep.values()) & {first.url, second.url}
        secrets = [value for name, value in start.keep.items() if name in {"verifier", "secret"}]
        assert not any(one in start.url for one in secrets), "what is kept isn't in the URL"
        said = dict(parse_qsl(urlsplit(start.url).query))
        assert said.get("redirect_uri") == BACK, "people come back to the redirect_uri"
    assert first.keep != second.keep, "each sign-in has secrets of its own"
    answer = dict(await visit(first.url))
    for wrong in ({}, {"state": "x"}, {"code": answer.get("code", "x")}, {**answer, "state": "x"}):
        outcome = await provider.finish_browser(BACK, first.keep, wrong)
        assert not isinstance(outcome, ExternalIdentity), f"{sorted(wrong)} is no answer"
    outcome = await provider.finish_browser(BACK, second.keep, answer)
    assert not isinstance(outcome, ExternalIdentity), "an answer is for its own sign-in only"
    denied = {"error": "access_denied", "state": answer.get("state", "")}
    outcome = await provider.finish_browser(BACK, first.keep, denied)
    assert not isinstance(outcome, ExternalIdentity), "who says no has not signed in"
    third = await provider.start_browser(BACK)
    outcome = await provider.finish_browser(BACK, third.keep, await visit(third.url))
    assert isinstance(outcome, ExternalIdentity), "who signed in there has signed in here"
    check_identity(outcome, schemes)
    return outcome


async def check_refresher(
    provider: Refresher, schemes: tuple[str, ...], known: ExternalIdentity
) -> None:
    """Asking about ``known``, who is there, and about somebody who isn't."""
    found = await provider.refresh(known.principal_id, known.secret)
    assert isinstance(found, ExternalIdentity), "who is still there is found"
    assert found.principal_id == known.principal_id, "and is the same one"
    check_identity(found, schemes)
    stranger = f"{known.principal_id}0"
    try:
        other = await provider.refresh(stranger, None)
    except CannotRefresh:
        return
    assert not isinstance(other, ExternalIdentity), "nobody is there who never was"


async def check_bearer(provider: BearerVerifier, schemes: tuple[str, ...], good: str) -> None:
    """A bearer that is good, and what isn't one."""
    assert provider.claims(good), "it knows its own by their looks"
    found = await provider.verify(good)
    assert isinstance(found, Verified), "a good bearer is accepted"
    assert found.expires_at.tzinfo is not None, "expires_at is aware"
    assert found.expires_at > datetime.now(UTC), "a good bearer hasn't ended"
    check_identity(found.identity, schemes)
    for strange in (*STRANGE, "", ".", "..", "a.b.c", "token-abcdefghij:secret"):
        assert not provider.claims(strange), f"{strange[:20]!r} is nobody's bearer"
    for forged in (good[:-6] + "AAAAAA", good + "A", good[: len(good) // 2]):
        outcome = await provider.verify(forged)
        assert not isinstance(outcome, Verified), "a bearer that was changed is refused"


async def check_search(provider: PrincipalSearch, schemes: tuple[str, ...], beginning: str) -> None:
    """Finding those whose names begin with ``beginning``, of whom there is one at least."""
    found = await provider.search(beginning, limit=50)
    assert found, "those who begin so are found"
    for one in found:
        assert one.principal_id.partition("://")[0] in schemes, "with principals of its own"
        assert one.kind in {"user", "group"}
        assert one.name
    assert len(await provider.search(beginning, limit=1)) == 1, "and no more than asked for"
    for strange in STRANGE:
        for one in await provider.search(strange, limit=5):
            assert one.name.lower().startswith(strange.lower()), "nothing typed is a wildcard"
