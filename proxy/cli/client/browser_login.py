"""Sign in with the browser of this machine: a loopback redirect (RFC 8252 §7.3) with PKCE."""

import asyncio
import base64
import hashlib
import hmac
import html
import os
import secrets
import sys
import webbrowser
from collections.abc import Callable
from contextlib import AsyncExitStack
from urllib.parse import parse_qsl, quote, urlencode

import click

from proxy.cli.client.credential_cache import normalised
from proxy.cli.client.server_client import Reply, ServerClient
from proxy.cli.common import CommandFailed, plain
from proxy.cli.http.server import Page, Request, serve_loopback

WAIT_SECONDS = 300.0

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sekisho</title></head>
<body><h1>{title}</h1><p>{text}</p></body></html>"""
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Loopback:
    """Wait on a loopback address for one redirect of the browser.

    Port and path are random. ``state`` ties the redirect to this sign-in.
    """

    def __init__(self) -> None:
        self.state = secrets.token_urlsafe(24)
        self._path = "/" + secrets.token_urlsafe(16)
        self._port = 0
        self._query: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()
        self._listener = AsyncExitStack()

    @property
    def redirect_uri(self) -> str:
        """The URL that the browser is redirected to."""
        return f"http://127.0.0.1:{self._port}{self._path}"

    async def __aenter__(self) -> "Loopback":
        self._port = await self._listener.enter_async_context(serve_loopback(self._respond))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._listener.aclose()

    async def query(self, seconds: float = WAIT_SECONDS) -> dict[str, str]:
        """Wait for the redirect and return its query. Raises CommandFailed after ``seconds``."""
        try:
            return await asyncio.wait_for(asyncio.shield(self._query), seconds)
        except TimeoutError:
            raise CommandFailed(
                "the sign-in in the browser took too long; try again, or use --no-browser"
            ) from None

    def _respond(self, request: Request) -> Page:
        # Another host name (DNS rebinding) or another path is not the redirect.
        expected = request.headers.get("host") == f"127.0.0.1:{self._port}"
        path, _, text = request.target.partition("?")
        if not expected or request.method != "GET" or path != self._path:
            return Page(404, headers=_HEADERS)
        query = _first_values(text)
        if not hmac.compare_digest(query.get("state", "").encode(), self.state.encode()):
            return _page(400, "This is another sign-in", "Go back to the command line.")
        if self._query.done():
            return _page(400, "Signed in already", "You can close this window.")
        self._query.set_result(query)
        if "code" in query:
            return _page(200, "Signed in", "Close this window and continue in the command line.")
        return _page(403, "Not signed in", "The command line has the reason.")


def _first_values(query: str) -> dict[str, str]:
    """Return the parameters of a query; empty if there are too many."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=20)
    except ValueError:
        return {}
    return dict(reversed(pairs))


def _page(status: int, title: str, text: str) -> Page:
    return Page(
        status,
        _PAGE.format(title=html.escape(title), text=html.escape(text)),
        _HEADERS,
    )


async def sign_in_with_browser(
    client: ServerClient, provider: str, open_url: Callable[[str], bool] | None = None
) -> Reply:
    """Sign in and return the response of the token endpoint. Raises CommandFailed."""
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
    async with Loopback() as loopback:
        query = urlencode(
            {
                "redirect_uri": loopback.redirect_uri,
                "state": loopback.state,
                "code_challenge": challenge.rstrip(b"=").decode(),
                "code_challenge_method": "S256",
            }
        )
        url = f"{normalised(client.server)}/v1/login/{quote(provider, safe='')}/start?{query}"
        opened = await asyncio.to_thread(open_url or open_browser, url)
        where = "if it doesn't open, go to" if opened else "open this in a browser of this machine"
        click.echo(f"waiting for your sign-in in the browser; {where}:\n  {url}", err=True)
        redirect = await loopback.query()
        redirect_uri = loopback.redirect_uri
    if "code" not in redirect:
        why = redirect.get("error_description") or redirect.get("error") or "no reason given"
        raise CommandFailed(f"not signed in: {plain(why)[:300]}")
    return await client.post_form(
        "/v1/token",
        grant_type="authorization_code",
        code=redirect["code"],
        redirect_uri=redirect_uri,
        code_verifier=verifier,
    )


def can_open_browser() -> bool:
    """Return whether this machine can open a browser window for the user."""
    if os.environ.get("BROWSER") or sys.platform == "darwin":
        return True
    if os.environ.get("SSH_CONNECTION"):
        return False
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_browser(url: str) -> bool:
    """Open a page in the user's browser. False if there is none or it failed."""
    if not can_open_browser():
        return False
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False
