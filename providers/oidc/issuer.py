"""An issuer: its metadata (OpenID Connect Discovery 1.0) and its keys, kept fresh.

Where it is down, what is known of it serves on for a day: its tokens are still good, and nothing
but its keys is needed to see that.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from providers.base import ProviderUnavailable, Refused
from providers.fetched import Fetched
from providers.http_client import Answer, HttpClient, retry_after
from providers.jwt_bearer import Unverified
from providers.jwt_keys import SigningKeys
from providers.oidc_settings import secure_url

METADATA_SECONDS = 3600.0
KEYS_SECONDS = 600.0
"""How long keys are used before they are looked for anew: a key that was withdrawn is good for this
long at the most, while the issuer is up."""

STALE_SECONDS = 24 * 3600.0
UNKNOWN_KEY_SECONDS = 30.0
"""How often an unknown key may have them looked for at once: anybody can make one up."""

_ENDPOINTS = (
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "device_authorization_endpoint",
    "revocation_endpoint",
)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What an issuer says of itself. Endpoints that it doesn't have are empty."""

    jwks_uri: str
    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str
    device_authorization_endpoint: str
    revocation_endpoint: str
    tells_issuer: bool
    """Whether its answers to the browser name it (RFC 9207)."""

    @classmethod
    def read(cls, said: dict[str, Any], issuer: str) -> "Metadata":
        """From its discovery document. Raises ProviderUnavailable for one of somebody else's."""
        if said.get("issuer") != issuer:
            raise ProviderUnavailable("the discovery document is another issuer's")
        endpoints = {name: _endpoint(said, name) for name in (*_ENDPOINTS, "jwks_uri")}
        if not endpoints["jwks_uri"]:
            raise ProviderUnavailable("the discovery document has no jwks_uri")
        tells = said.get("authorization_response_iss_parameter_supported") is True
        return cls(**endpoints, tells_issuer=tells)


def _endpoint(said: dict[str, Any], name: str) -> str:
    url = said.get(name)
    if url is None:
        return ""
    try:
        # An endpoint may have a query of its own (RFC 6749 §3.1); an issuer may not.
        secure_url(str(url).partition("?")[0])
    except ValueError:
        raise ProviderUnavailable(f"the discovery document's {name} is not https") from None
    return str(url)


class Issuer:
    """One issuer, asked through ``http``; ``clock`` is seconds that only go forward."""

    def __init__(self, url: str, http: HttpClient, clock: Callable[[], float]) -> None:
        self.url = url
        self._http = http
        self._metadata = Fetched(
            self._fetch_metadata, clock, fresh=METADATA_SECONDS, stale=STALE_SECONDS
        )
        self._keys = Fetched(self._fetch_keys, clock, fresh=KEYS_SECONDS, stale=STALE_SECONDS)

    async def metadata(self) -> Metadata:
        """What it says of itself. Raises ProviderUnavailable."""
        return await self._metadata.get()

    async def check(self) -> None:
        """Raise ProviderUnavailable where it can't be asked now, whatever is still known of it."""
        await self._fetch_metadata()

    async def signed(
        self, bearer: str, said: Unverified, algorithms: Collection[str]
    ) -> Refused | None:
        """Why it hasn't signed ``bearer``; None: it has. Raises ProviderUnavailable."""
        keys = await self._keys.get()
        refusal = keys.verify(bearer, said.header, algorithms)
        if refusal is None or refusal.reason != "unknown_key":
            return refusal
        newer = await self._keys.newer_than(UNKNOWN_KEY_SECONDS)
        return refusal if newer is keys else newer.verify(bearer, said.header, algorithms)

    async def _fetch_metadata(self) -> Metadata:
        url = self.url.rstrip("/") + "/.well-known/openid-configuration"
        return Metadata.read(_ok(await self._http.request("GET", url)), self.url)

    async def _fetch_keys(self) -> SigningKeys:
        said = _ok(await self._http.request("GET", (await self.metadata()).jwks_uri))
        listed = said.get("keys")
        keys = SigningKeys(listed if isinstance(listed, list) else [])
        if not len(keys):
            raise ProviderUnavailable("the issuer has no keys that can be used")
        return keys


def _ok(answer: Answer) -> dict[str, Any]:
    if answer.status != 200:
        raise ProviderUnavailable(
            f"the issuer answered {answer.status}", retry_after=retry_after(answer.headers)
        )
    return answer.object()
