"""An OpenID Connect issuer that says what a test has it say, on a real socket.

For what a certified one never does: wrong claims, strange keys, broken answers. Also the issuer of
a CI system, which does nothing but sign tokens.
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
STRANGER = RSAKey.generate_key(2048, {"kid": "first"})
"""Another's key, with the name of one of ours."""


@dataclass
class ScriptedIssuer:
    """What it says, and what it was asked."""

    url: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    keys: list[dict[str, Any]] = field(default_factory=list)
    token_answer: tuple[int, Any] = (200, {})
    userinfo: tuple[int, Any] = (404, {})
    device: tuple[int, Any] = (404, {})
    down: bool = False
    asked: list[str] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)

    def publish(self, *kids: str) -> None:
        """Have just those keys."""
        known: dict[str, Any] = {**KEYS, "curve": CURVE}
        self.keys = [{**known[kid].as_dict(private=False), "use": "sig"} for kid in kids]

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The claims of a good token for the client ``sekisho``. None takes one out."""
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
        """A token with those claims, signed with the key ``first``, or another."""
        key = key or KEYS["first"]
        said = {"alg": "ES256" if key is CURVE else "RS256", "kid": key.kid, **(header or {})}
        return signed(said, json.dumps(self.claims(**changes)).encode(), key)

    def count(self, path: str) -> int:
        """How often it was asked for that."""
        return self.asked.count(path)

    async def answer(self, request: web.Request) -> web.Response:
        """As scripted."""
        self.asked.append(request.path)
        self.authorizations.append(request.headers.get("Authorization"))
        if request.method == "POST":
            self.forms.append(dict(parse_qsl(await request.text())))
        if self.down:
            return web.Response(status=503, text="down", headers={"Retry-After": "7"})
        answers: dict[str, tuple[int, Any]] = {
            "/.well-known/openid-configuration": (200, self.metadata),
            "/jwks": (200, {"keys": self.keys}),
            "/token": self.token_answer,
            "/userinfo": self.userinfo,
            "/device": self.device,
            "/revoke": (200, {}),
        }
        status, body = answers.get(request.path, (404, {}))
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text=text, content_type="application/json")


def signed(header: Mapping[str, Any], payload: bytes, key: Any) -> str:
    """A compact JWS with any header."""
    registry = jws.JWSRegistry(algorithms=[header["alg"]], strict_check_header=False)
    return jws.serialize_compact(dict(header), payload, key, registry=registry)


def at_hash(access_token: str) -> str:
    """OpenID Connect Core §3.1.3.6, for RS256."""
    digest = hashlib.sha256(access_token.encode()).digest()
    return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()


@asynccontextmanager
async def scripted_issuer(port: int) -> AsyncIterator[ScriptedIssuer]:
    """A running one, with one key and every endpoint."""
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
    app.router.add_route("*", "/{path:.*}", issuer.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield issuer
    await runner.cleanup()
