"""Signing in with the browser of this machine: a loopback redirect (RFC 8252 §7.3) with PKCE."""

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
from urllib.parse import quote, urlencode

import click
from aiohttp import web

from proxy.cli.common import Failed, plain
from proxy.cli.credential_cache import normalised
from proxy.cli.server_client import Reply, ServerClient

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
    """Waits on this machine's own address for one answer from the browser.

    On a random port and path; ``state`` ties the answer to this sign-in.
    """

    def __init__(self) -> None:
        self.state = secrets.token_urlsafe(24)
        self._path = "/" + secrets.token_urlsafe(16)
        self._port = 0
        self._answer: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()
        self._runner: web.ServerRunner | None = None

    @property
    def redirect_uri(self) -> str:
        """Where the browser is to come back to."""
        return f"http://127.0.0.1:{self._port}{self._path}"

    async def __aenter__(self) -> "Loopback":
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None))
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def answer(self, seconds: float = WAIT_SECONDS) -> dict[str, str]:
        """What the browser brought. Raises Failed where it doesn't come."""
        try:
            return await asyncio.wait_for(asyncio.shield(self._answer), seconds)
        except TimeoutError:
            raise Failed("nobody signed in in time; try again, or with --no-browser") from None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        # A name that leads here (DNS rebinding) isn't our address; nor is another path our answer.
        ours = request.headers.get("Host") == f"127.0.0.1:{self._port}"
        if not ours or request.method != "GET" or request.path != self._path:
            return web.Response(status=404, headers=_HEADERS)
        query = dict(request.query)
        if not hmac.compare_digest(query.get("state", "").encode(), self.state.encode()):
            return _page(400, "That was not this sign-in", "Go back to the command line.")
        if self._answer.done():
            return _page(400, "Signed in already", "This window can be closed.")
        self._answer.set_result(query)
        if "code" in query:
            return _page(200, "Signed in", "This window can be closed; go on in the command line.")
        return _page(403, "Not signed in", "The command line says why.")


def _page(status: int, title: str, text: str) -> web.Response:
    return web.Response(
        status=status,
        text=_PAGE.format(title=html.escape(title), text=html.escape(text)),
        content_type="text/html",
        headers=_HEADERS,
    )


async def sign_in_with_browser(
    client: ServerClient, provider: str, open_url: Callable[[str], bool] | None = None
) -> Reply:
    """The token endpoint's answer. Raises Failed."""
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
        brought = await loopback.answer()
        redirect_uri = loopback.redirect_uri
    if "code" not in brought:
        why = brought.get("error_description") or brought.get("error") or "no reason given"
        raise Failed(f"not signed in: {plain(why)[:300]}")
    return await client.post_form(
        "/v1/token",
        grant_type="authorization_code",
        code=brought["code"],
        redirect_uri=redirect_uri,
        code_verifier=verifier,
    )


def can_open_browser() -> bool:
    """Whether this machine has a browser with a window that somebody sits in front of."""
    if os.environ.get("BROWSER") or sys.platform == "darwin":
        return True
    if os.environ.get("SSH_CONNECTION"):
        return False
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_browser(url: str) -> bool:
    """Open a page in the user's browser, if there is one; whether that seems to have worked."""
    if not can_open_browser():
        return False
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False
