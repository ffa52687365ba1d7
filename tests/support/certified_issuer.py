"""A certified OpenID Connect issuer (npm's oidc-provider), and a person at its pages."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import aiohttp
import pytest

from proxy.under_us import under_us
from tests.parts.debian import need_programs
from tests.parts.npm import PACKAGES, PROGRAMS, installed

FOLDER = Path(__file__).parent / "oidc_provider"
CLIENT, SECRET = "sekisho", "a secret of the tests"
LONGEST_WAY = 20


@dataclass(frozen=True)
class CertifiedIssuer:
    """A running one. It accepts any password; ``alice`` is in groups."""

    url: str


@contextmanager
def certified_issuer(port: int, redirect_uri: str, backchannel: str) -> Iterator[CertifiedIssuer]:
    """Start it, for a client that people come back to at ``redirect_uri``."""
    place = installed(FOLDER)
    node = need_programs(PROGRAMS, PACKAGES)["node"]
    process = subprocess.Popen(
        [*under_us(), node, place / "server.mjs", str(port), redirect_uri, backchannel],
        stdout=subprocess.PIPE,
        stderr=(place / f"errors-{port}").open("w"),
        text=True,
    )
    try:
        assert process.stdout is not None
        while "listening" not in (line := process.stdout.readline()):
            if not line:
                pytest.fail(f"the issuer did not start:\n{(place / f'errors-{port}').read_text()}")
        yield CertifiedIssuer(f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.wait(30)


class Person:
    """Somebody with a browser, of which only the cookies and the forms are there."""

    def __init__(self, session: aiohttp.ClientSession, login: str) -> None:
        self._session = session
        self._login = login

    async def go(self, url: str, until: str) -> str:
        """Follow redirects, fill in forms; the first URL that begins with ``until``, not visited.

        Or where there is nothing more to do.
        """
        for _ in range(LONGEST_WAY):
            if url.startswith(until):
                return url
            async with self._session.get(url, allow_redirects=False) as answer:
                location, page = answer.headers.get("Location"), await answer.text()
            while location is None:
                form = _form(page, self._login)
                if form is None:
                    return url
                action, fields = form
                url = urljoin(url, action)
                async with self._session.post(url, data=fields, allow_redirects=False) as answer:
                    location, page = answer.headers.get("Location"), await answer.text()
            url = urljoin(url, location)
        raise AssertionError(f"went round in circles, last at {url}")


def _form(page: str, login: str) -> tuple[str, dict[str, str]] | None:
    """The page's first form, filled in."""
    found = re.search(r"<form[^>]*?>.*?</form>", page, re.DOTALL)
    if found is None:
        return None
    form = found[0]
    action = re.search(r'action="([^"]+)"', form)
    fields = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name = re.search(r'name="([^"]+)"', tag)
        value = re.search(r'value="([^"]*)"', tag)
        if name is not None:
            fields[name[1]] = value[1] if value else ""
    if 'name="logout"' in page:  # a button, outside of its form
        fields["logout"] = "yes"
    fields |= {name: login for name in ("login", "password") if name in fields}
    return (action[1] if action else ""), fields
