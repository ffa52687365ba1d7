"""A scripted OpenID Connect issuer on a real socket.

It sends what a certified issuer never does: wrong claims, unknown keys, broken responses. It also
serves as the issuer of a CI system, which only signs tokens.
"""

import base64
import hashlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

KEYS = {kid: RSAKey.generate_key(2048, {"kid": kid}) for kid in ("first", "second")}
CURVE = ECKey.generate_key("P-256", {"kid": "curve"})
UNTRUSTED_KEY = RSAKey.generate_key(2048, {"kid": "first"})
"""A key of another party with the key id of one of the issuer's keys."""


@dataclass
class ScriptedIssuer:
    """The scripted responses and the received requests."""

    url: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    keys: list[dict[str, Any]] = field(default_factory=list)
    token_response: tuple[int, Any] = (200, {})
    userinfo: tuple[int, Any] = (404, {})
    userinfo_type: str = "application/json"
    device: tuple[int, Any] = (404, {})
    down: bool = False
    overrides: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Responses by path that replace the valid ones."""
    received_paths: list[str] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)

    def publish(self, *kids: str) -> None:
        """Publish exactly these keys."""
        known: dict[str, Any] = {**KEYS, "curve": CURVE}
        self.keys = [{**known[kid].as_dict(private=False), "use": "sig"} for kid in kids]

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return the claims of a valid token for the client ``sekisho``. None removes a claim."""
        now = int(time.time())
        values = {
            "iss": self.url,
            "sub": "248289761001",
            "aud": "sekisho",
            "iat": now,
            "exp": now + 300,
            "preferred_username": "alice",
            "name": "Alice Example",
        } | changes
        return {name: value for name, value in values.items() if value is not None}

    def token(
        self, *, key: Any = None, header: Mapping[str, Any] | None = None, **changes: Any
    ) -> str:
        """Return a token with these claims, signed with the key ``first`` or another."""
        key = key or KEYS["first"]
        fields = {"alg": "ES256" if key is CURVE else "RS256", "kid": key.kid, **(header or {})}
        return signed(fields, json.dumps(self.claims(**changes)).encode(), key)

    def count_received(self, path: str) -> int:
        """Return the number of requests for ``path``."""
        return self.received_paths.count(path)

    async def respond(self, request: web.Request) -> web.Response:
        """Send the scripted response."""
        self.received_paths.append(request.path)
        self.authorizations.append(request.headers.get("Authorization"))
        if request.method == "POST":
            self.forms.append(dict(parse_qsl(await request.text())))
        if self.down:
            return web.Response(status=503, text="down", headers={"Retry-After": "7"})
        responses: dict[str, tuple[int, Any]] = {
            "/.well-known/openid-configuration": (200, self.metadata),
            "/jwks": (200, {"keys": self.keys}),
            "/token": self.token_response,
            "/userinfo": self.userinfo,
            "/device": self.device,
            "/revoke": (200, {}),
        }
        responses |= self.overrides
        status, body = responses.get(request.path, (404, {}))
        text = body if isinstance(body, str) else json.dumps(body)
        media_type = self.userinfo_type if request.path == "/userinfo" else "application/json"
        return web.Response(status=status, text=text, content_type=media_type)


def signed(header: Mapping[str, Any], payload: bytes, key: Any) -> str:
    """Return a compact JWS with any header."""
    registry = jws.JWSRegistry(algorithms=[header["alg"]], strict_check_header=False)
    return jws.serialize_compact(dict(header), payload, key, registry=registry)


def at_hash(access_token: str) -> str:
    """Return the at_hash of OpenID Connect Core §3.1.3.6, for RS256."""
    digest = hashlib.sha256(access_token.encode()).digest()
    return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()


@asynccontextmanager
async def scripted_issuer(port: int) -> AsyncIterator[ScriptedIssuer]:
    """Run an issuer with one key and all endpoints."""
    issuer = ScriptedIssuer(f"http://127.0.0.1:{port}")
    issuer.publish("first")
    url = issuer.url
    issuer.metadata = {
        "issuer": url,
        "jwks_uri": f"{url}/jwks",
        "authorization_endpoint": f"{url}/authorize?tenant=1",
        "token_endpoint": f"{url}/token",
        "userinfo_endpoint": f"{url}/userinfo",
        "device_authorization_endpoint": f"{url}/device",
        "revocation_endpoint": f"{url}/revoke",
    }
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", issuer.respond)
    runner = web.AppRunner(app, shutdown_timeout=1)
    try:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield issuer
    finally:
        await runner.cleanup()
