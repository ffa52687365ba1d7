"""A certified OpenID Connect issuer (npm's oidc-provider), and a user of its pages."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import aiohttp
import pytest

from proxy.workers.child_process import die_with_parent
from tests.support.debian import need_programs
from tests.support.npm import PACKAGES, PROGRAMS, installed_packages

FOLDER = Path(__file__).parent / "oidc_provider"
CLIENT, SECRET = "sekisho", "a secret of the tests"
MAX_STEPS = 20


@dataclass(frozen=True)
class CertifiedIssuer:
    """A running issuer. It accepts any password. ``alice`` is in groups."""

    url: str


@contextmanager
def certified_issuer(port: int, redirect_uri: str, backchannel: str) -> Iterator[CertifiedIssuer]:
    """Run the issuer for a client with ``redirect_uri``."""
    folder = installed_packages(FOLDER)
    node = need_programs(PROGRAMS, PACKAGES)["node"]
    process = subprocess.Popen(
        [*die_with_parent(), node, folder / "server.mjs", str(port), redirect_uri, backchannel],
        stdout=subprocess.PIPE,
        stderr=(folder / f"errors-{port}").open("w"),
        text=True,
    )
    try:
        assert process.stdout is not None
        while "listening" not in (line := process.stdout.readline()):
            if not line:
                pytest.fail(f"the issuer did not start:\n{(folder / f'errors-{port}').read_text()}")
        yield CertifiedIssuer(f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.wait(120)


class BrowserUser:
    """A minimal browser that keeps cookies, follows redirects and submits forms."""

    def __init__(self, session: aiohttp.ClientSession, login: str) -> None:
        self._session = session
        self._login = login

    async def follow(self, url: str, until: str) -> str:
        """Follow redirects and submit forms from ``url``.

        Returns the first URL that begins with ``until``, without visiting it, or the URL of a page
        without redirect and form.
        """
        for _ in range(MAX_STEPS):
            if url.startswith(until):
                return url
            async with self._session.get(url, allow_redirects=False) as response:
                location, page = response.headers.get("Location"), await response.text()
            while location is None:
                form = _form(page, self._login)
                if form is None:
                    return url
                action, fields = form
                url = urljoin(url, action)
                async with self._session.post(url, data=fields, allow_redirects=False) as response:
                    location, page = response.headers.get("Location"), await response.text()
            url = urljoin(url, location)
        raise AssertionError(f"too many redirects, last at {url}")


def _form(page: str, login: str) -> tuple[str, dict[str, str]] | None:
    """Return action and fields of the first form, filled in; or None."""
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
    if 'name="logout"' in page:  # a button outside the form
        fields["logout"] = "yes"
    fields |= {name: login for name in ("login", "password") if name in fields}
    return (action[1] if action else ""), fields
