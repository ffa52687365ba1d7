"""Checks of the contract: browser sign-in, bearer tokens, refresh and search.

Run each check on a provider that has started. A violation is an AssertionError that names it.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

from impersonation.reserved_names import reject_reserved
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
"""Open a URL like a browser, sign in there, and return the query of the redirect back."""


def check_identity(identity: ExternalIdentity, schemes: tuple[str, ...]) -> None:
    """Check an identity that a provider returned."""
    principals = [identity.principal_id, *(group.principal_id for group in identity.groups)]
    for principal in principals:
        scheme, separator, key = principal.partition("://")
        assert separator, f"{principal!r} is not a principal: <scheme>://<key>"
        assert key, f"{principal!r} is not a principal: <scheme>://<key>"
        assert scheme in schemes, f"the type does not declare the scheme of {principal!r}"
    assert identity.username, "an identity has a username"
    reject_reserved([*principals, identity.username, *(g.name for g in identity.groups)])
    if identity.secret:
        assert identity.secret not in repr(identity), "a repr must not contain the secret"


async def check_browser(
    provider: BrowserAuthenticator, schemes: tuple[str, ...], visit: Visit
) -> ExternalIdentity:
    """Check the sign-in with a browser, and return the identity."""
    first, second = await provider.start_browser(BACK), await provider.start_browser(BACK)
    for start in (first, second):
        assert urlsplit(start.url).scheme in {"https", "http"}, "the start must have a URL"
        assert not set(start.keep.values()) & {first.url, second.url}
        secrets = [value for name, value in start.keep.items() if name in {"verifier", "secret"}]
        assert not any(one in start.url for one in secrets), "the URL must not contain kept secrets"
        query = dict(parse_qsl(urlsplit(start.url).query))
        assert query.get("redirect_uri") == BACK, "the browser must return to the redirect_uri"
    assert first.keep != second.keep, "each sign-in must have its own secrets"
    answer = dict(await visit(first.url))
    for wrong in ({}, {"state": "x"}, {"code": answer.get("code", "x")}, {**answer, "state": "x"}):
        outcome = await provider.finish_browser(BACK, first.keep, wrong)
        assert not isinstance(outcome, ExternalIdentity), f"{sorted(wrong)} is not a valid answer"
    outcome = await provider.finish_browser(BACK, second.keep, answer)
    assert not isinstance(outcome, ExternalIdentity), "an answer is valid for its own sign-in only"
    denied = {"error": "access_denied", "state": answer.get("state", "")}
    outcome = await provider.finish_browser(BACK, first.keep, denied)
    assert not isinstance(outcome, ExternalIdentity), "a denial is not a sign-in"
    third = await provider.start_browser(BACK)
    outcome = await provider.finish_browser(BACK, third.keep, await visit(third.url))
    assert isinstance(outcome, ExternalIdentity), "a valid answer must be accepted"
    check_identity(outcome, schemes)
    return outcome


async def check_refresher(
    provider: Refresher, schemes: tuple[str, ...], known: ExternalIdentity
) -> None:
    """Check the refresh of the existing identity ``known``, and of one that does not exist."""
    found = await provider.refresh(known.principal_id, known.secret)
    assert isinstance(found, ExternalIdentity), "an existing identity must be found"
    assert found.principal_id == known.principal_id, "a refresh must return the same principal"
    check_identity(found, schemes)
    stranger = f"{known.principal_id}0"
    try:
        other = await provider.refresh(stranger, None)
    except CannotRefresh:
        return
    assert not isinstance(other, ExternalIdentity), "an unknown principal must not be found"


async def check_bearer(provider: BearerVerifier, schemes: tuple[str, ...], good: str) -> None:
    """Check a valid bearer token, and invalid ones."""
    assert provider.claims(good), "claims() must recognize the provider's tokens"
    found = await provider.verify(good)
    assert isinstance(found, Verified), "a valid bearer token must be accepted"
    assert found.expires_at.tzinfo is not None, "expires_at must be aware"
    assert found.expires_at > datetime.now(UTC), "a valid bearer token must not have ended"
    check_identity(found.identity, schemes)
    for strange in (*STRANGE, "", ".", "..", "a.b.c", "token-abcdefghij:secret"):
        assert not provider.claims(strange), f"{strange[:20]!r} is not the provider's token"
    for forged in (good[:-6] + "AAAAAA", good + "A", good[: len(good) // 2]):
        outcome = await provider.verify(forged)
        assert not isinstance(outcome, Verified), "a modified bearer token must be rejected"


async def check_search(provider: PrincipalSearch, schemes: tuple[str, ...], beginning: str) -> None:
    """Check the search for names that begin with ``beginning``, of which at least one exists."""
    found = await provider.search(beginning, limit=50)
    assert found, "names that begin with the text must be found"
    for one in found:
        assert one.principal_id.partition("://")[0] in schemes, "the type must declare the scheme"
        assert one.kind in {"user", "group"}
        assert one.name
    assert len(await provider.search(beginning, limit=1)) == 1, "a search must respect the limit"
    for strange in STRANGE:
        for one in await provider.search(strange, limit=5):
            assert one.name.lower().startswith(strange.lower()), (
                "the text must not act as a wildcard"
            )
