"""An issuer's metadata (OpenID Connect Discovery 1.0) and keys, cached.

If the issuer is down, the cached values are used for a day: its tokens are still valid, and only
its keys are needed to verify them.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from providers.base import ProviderUnavailable, Rejected
from providers.http.cached_value import CachedValue
from providers.http.client import HttpClient, HttpResponse, retry_after
from providers.http.urls import secure_url
from providers.jwt.keys import SigningKeys
from providers.jwt.unverified import Unverified

METADATA_SECONDS = 3600.0
KEYS_SECONDS = 600.0
"""How long keys are used before they are fetched again. While the issuer is up, a withdrawn key is
accepted for at most this time."""

STALE_SECONDS = 24 * 3600.0
UNKNOWN_KEY_SECONDS = 30.0
"""The shortest interval between fetches because of an unknown key or an invalid signature, which
any client can cause."""

_ENDPOINTS = (
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "device_authorization_endpoint",
    "revocation_endpoint",
)


@dataclass(frozen=True, slots=True)
class Metadata:
    """An issuer's metadata. Missing endpoints are empty."""

    jwks_uri: str
    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str
    device_authorization_endpoint: str
    revocation_endpoint: str
    response_has_issuer: bool
    """Whether authorization responses contain ``iss`` (RFC 9207)."""
    scopes: frozenset[str] = frozenset()
    """The scopes that the issuer declares."""

    @classmethod
    def read(cls, document: dict[str, Any], issuer: str) -> "Metadata":
        """Parse a discovery document. Raises ProviderUnavailable if it is not the issuer's."""
        if document.get("issuer") != issuer:
            raise ProviderUnavailable("the discovery document names another issuer")
        endpoints = {name: _endpoint(document, name) for name in (*_ENDPOINTS, "jwks_uri")}
        if not endpoints["jwks_uri"]:
            raise ProviderUnavailable("the discovery document has no jwks_uri")
        has_issuer = document.get("authorization_response_iss_parameter_supported") is True
        scopes = document.get("scopes_supported")
        listed = scopes if isinstance(scopes, list) else []
        return cls(
            **endpoints,
            response_has_issuer=has_issuer,
            scopes=frozenset(one for one in listed if isinstance(one, str)),
        )


def _endpoint(document: dict[str, Any], name: str) -> str:
    url = document.get(name)
    if url is None:
        return ""
    try:
        # An endpoint may have a query (RFC 6749 §3.1); an issuer may not.
        secure_url(str(url).partition("?")[0])
    except ValueError:
        raise ProviderUnavailable(f"the discovery document's {name} is not https") from None
    return str(url)


class Issuer:
    """One issuer. ``clock`` is monotonic, in seconds."""

    def __init__(self, url: str, http: HttpClient, clock: Callable[[], float]) -> None:
        self.url = url
        self._http = http
        self._metadata = CachedValue(
            self._fetch_metadata, clock, fresh=METADATA_SECONDS, stale=STALE_SECONDS
        )
        self._keys = CachedValue(self._fetch_keys, clock, fresh=KEYS_SECONDS, stale=STALE_SECONDS)

    async def metadata(self) -> Metadata:
        """Return the issuer's metadata. Raises ProviderUnavailable."""
        return await self._metadata.get()

    async def check(self) -> None:
        """Raise ProviderUnavailable if the issuer does not respond now, regardless of caches."""
        await self._fetch_metadata()

    async def signed(
        self, bearer: str, unverified: Unverified, algorithms: Collection[str]
    ) -> Rejected | None:
        """Return why the signature is not valid, or None. Raises ProviderUnavailable."""
        keys = await self._keys.get()
        rejection = keys.verify(bearer, unverified.header, algorithms)
        # A new key may have the id of an old one. Then the signature is not valid.
        if rejection is None or rejection.reason not in {"unknown_key", "bad_signature"}:
            return rejection
        newer = await self._keys.newer_than(UNKNOWN_KEY_SECONDS)
        return rejection if newer is keys else newer.verify(bearer, unverified.header, algorithms)

    async def _fetch_metadata(self) -> Metadata:
        url = self.url.rstrip("/") + "/.well-known/openid-configuration"
        return Metadata.read(_ok(await self._http.request("GET", url)), self.url)

    async def _fetch_keys(self) -> SigningKeys:
        document = _ok(await self._http.request("GET", (await self.metadata()).jwks_uri))
        listed = document.get("keys")
        keys = SigningKeys(listed if isinstance(listed, list) else [])
        if not len(keys):
            raise ProviderUnavailable("the issuer has no usable keys")
        return keys


def _ok(response: HttpResponse) -> dict[str, Any]:
    if response.status != 200:
        raise ProviderUnavailable(
            f"the issuer responded {response.status}", retry_after=retry_after(response.headers)
        )
    return response.object()
