"""A client of one cluster: several masters, errors as sentences.

Only plain JSON objects are exchanged, over an aiohttp session. A generated client would add nothing
to objects that we write ourselves, drops fields that it doesn't know, and costs 2 s and 74 MiB; see
docs/decisions/0023-start-up.md.
"""

import asyncio
import json
import random
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import aiohttp

from management.cluster_errors import printable
from management.downstream.endpoint import Credential, Endpoint
from management.downstream.errors import (
    Clash,
    DownstreamError,
    Expired,
    Failed,
    Missing,
    Refused,
    Unreachable,
    Untrusted,
)

CONNECT_SECONDS = 5.0
"""How long a master may take to accept a connection before the next one is tried."""

REQUEST_SECONDS = 15.0
"""How long a request may take in all; everything asked for here is small."""

MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""A larger answer isn't read. Lists of our own objects are far smaller."""

MAX_QUOTED = 300
"""Characters of a cluster's own words in one of our messages."""

PAGE = 500
"""Objects in one piece of a list."""

WATCH_SECONDS = 300
"""How long a watch is asked to last, and up to a minute more, so that not all end together."""

WATCH_SILENCE_SECONDS = 120.0
"""How long a watch may be silent before it is given up: bookmarks come about every minute."""

PATIENCE = 4
"""How many times longer one waits where no master answers: the probe of the cluster asks, too."""

_HOSTNAME_MISMATCH, _IP_MISMATCH, _EXPIRED, _NOT_YET_VALID = 62, 64, 10, 9

JSON = "application/json"
APPLY = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"


def tls_context(endpoint: Endpoint, credential: Credential | None = None) -> ssl.SSLContext:
    """What the cluster's masters are verified with. Raises Failed where the PEM can't be used."""
    if endpoint.ca_pem is not None and not endpoint.ca_pem.strip():
        raise Failed("the CA is empty")  # Python would take that for the system's trust store.
    try:
        context = ssl.create_default_context(cadata=endpoint.ca_pem)
    except (ssl.SSLError, ValueError) as exc:
        raise Failed("the CA is not a PEM certificate") from exc
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Kubernetes' own certificates are not always as strict as newer Pythons ask for.
    context.verify_flags &= ~ssl.VerifyFlags.VERIFY_X509_STRICT
    if credential is not None and credential.certificate_pem is not None:
        _load_certificate(context, credential.certificate_pem, credential.key_pem or "")
    return context


def _load_certificate(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Load a client certificate by way of a private file: :mod:`ssl` takes nothing else."""
    with tempfile.TemporaryDirectory(prefix="sekisho-") as directory:
        path = Path(directory) / "client.pem"
        path.touch(mode=0o600)
        path.write_text(f"{certificate}\n{key}\n")
        try:
            # Without a password given, OpenSSL would ask the terminal for an encrypted key's.
            context.load_cert_chain(path, password=b"")
        except (ssl.SSLError, ValueError) as exc:
            raise Failed("the client certificate and its key can't be used") from exc


class ClusterClient:
    """A cluster's API as one caller, inside ``async with``.

    Masters are tried in their order; the next one only where one couldn't be reached.
    """

    def __init__(self, endpoint: Endpoint, credential: Credential) -> None:
        self.endpoint = endpoint
        self._credential = credential
        self._context = tls_context(endpoint, credential)
        self._session: aiohttp.ClientSession
        self._answering = asyncio.Event()
        self._answering.set()
        self._waiting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        headers = {"User-Agent": "sekisho"}
        if self._credential.token is not None:
            headers["Authorization"] = f"Bearer {self._credential.token}"
        # As the gate does: no proxies and passwords from the environment, and no redirects. What is
        # verified here must be what the gate meets.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._context),
            headers=headers,
            middlewares=(_refuse_redirects,),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def before_retry(self, seconds: float) -> None:
        """Wait after a failure.

        While no master answers, those who wait do so one after the other: a cluster that is away is
        asked by one of them at a time, and by all at once as soon as anybody got an answer.
        """
        if self._answering.is_set():
            await asyncio.sleep(seconds)
            return
        async with self._waiting:
            try:
                async with asyncio.timeout(seconds * PATIENCE):
                    await self._answering.wait()
            except TimeoutError:
                pass

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The object or list at ``path``. Raises Missing and every other DownstreamError."""
        return await self._request("GET", path, query=query)

    async def find(self, path: str) -> dict[str, Any] | None:
        """The object at ``path``, or None where there is none."""
        try:
            return await self.get(path)
        except Missing:
            return None

    async def post(
        self, path: str, body: dict[str, Any], headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Create ``body``, and return what the cluster made of it."""
        return await self._request("POST", path, body=body, headers=headers)

    async def apply(
        self, path: str, manifest: dict[str, Any], *, dry_run: bool = False
    ) -> dict[str, Any]:
        """Server-side apply as field manager ``sekisho``; the object as it is then.

        Forced: a field of ours that somebody else changed is ours again. Whether the object is
        ours at all is the caller's question.
        """
        query = {"fieldManager": "sekisho", "force": "true"}
        if dry_run:
            query["dryRun"] = "All"
        return await self._request("PATCH", path, query=query, body=manifest, content_type=APPLY)

    async def put(self, path: str, manifest: dict[str, Any]) -> dict[str, Any]:
        """Replace the object. Raises Clash where it isn't the one of its resourceVersion."""
        query = {"fieldManager": "sekisho"}
        return await self._request("PUT", path, query=query, body=manifest)

    async def patch(self, path: str, change: dict[str, Any]) -> dict[str, Any]:
        """Change the object by a JSON merge patch (RFC 7396)."""
        query = {"fieldManager": "sekisho"}
        return await self._request(
            "PATCH", path, query=query, body=change, content_type=MERGE_PATCH
        )

    async def list_all(
        self, path: str, selector: str | None = None, fields: str | None = None
    ) -> tuple[list[dict[str, Any]], str]:
        """Every object of a collection, in pages; and the version to watch from.

        Raises Expired where it changed too much meanwhile.
        """
        query = {"limit": str(PAGE)}
        if selector is not None:
            query["labelSelector"] = selector
        if fields is not None:
            query["fieldSelector"] = fields
        items: list[dict[str, Any]] = []
        while True:
            answer = await self.get(path, query)
            items += answer.get("items") or []
            metadata = answer.get("metadata") or {}
            query["continue"] = metadata.get("continue") or ""
            if not query["continue"]:
                return items, str(metadata.get("resourceVersion", ""))

    async def watch(
        self,
        path: str,
        version: str,
        selector: str | None = None,
        fields: str | None = None,
    ) -> AsyncIterator[dict[str, Any]]:
        """Events from ``version`` on, bookmarks among them, until the server ends the watch.

        Raises Expired where that is too long ago, and Unreachable where nothing at all comes for
        longer than bookmarks take.
        """
        query = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": version}
        query["timeoutSeconds"] = str(WATCH_SECONDS + random.randrange(60))  # noqa: S311
        if selector is not None:
            query["labelSelector"] = selector
        if fields is not None:
            query["fieldSelector"] = fields
        server = await self._living()
        try:
            response = await self._call(
                server, "GET", path, query, None, {"Accept": JSON}, _LASTING
            )
            async with response:
                if response.status != 200:
                    data = await _read(response)
                    raise _answer_error(server, "GET", path, response.status, data)
                async for line in _lines(response):
                    yield _event(server, path, json.loads(line))
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise translated(server, exc, self.endpoint.tls_server_name) from exc

    async def _living(self) -> str:
        """The first master that answers."""
        if len(self.endpoint.servers) == 1:
            return self.endpoint.servers[0]
        for server in self.endpoint.servers:
            try:
                await self._ask(server, "GET", "/version")
            except Unreachable:
                continue
            return server
        return self.endpoint.servers[0]

    async def delete(self, path: str, uid: str | None = None) -> bool:
        """Delete the object; what depends on it goes after it. False where there was none.

        ``uid``: only that very object. Raises Clash where it is another.
        """
        body = {"preconditions": {"uid": uid}} if uid is not None else None
        try:
            await self._request(
                "DELETE", path, query={"propagationPolicy": "Background"}, body=body
            )
        except Missing:
            return False
        return True

    async def _request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Ask the masters in their order until one answers."""
        failure: Unreachable | None = None
        for server in self.endpoint.servers:
            try:
                answer = await self._ask(server, method, path, **options)
            except Unreachable as exc:
                failure = failure or exc
            except DownstreamError:
                self._answering.set()
                raise
            else:
                self._answering.set()
                return answer
        self._answering.clear()
        raise failure or Unreachable("the cluster has no server")

    async def _ask(
        self,
        server: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        content_type: str = JSON,
    ) -> dict[str, Any]:
        headers = {"Accept": JSON, "Content-Type": content_type, **(headers or {})}
        try:
            response = await self._call(server, method, path, query or {}, body, headers, _SHORT)
            async with response:
                data = await _read(response)
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise translated(server, exc, self.endpoint.tls_server_name) from exc
        return _answer(server, method, path, response.status, data)

    async def _call(
        self,
        server: str,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: dict[str, Any] | None,
        headers: Mapping[str, str],
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        question = f"?{urlencode(query)}" if query else ""
        return await self._session.request(
            method,
            f"{server}{path}{question}",
            data=json.dumps(body) if body else None,
            headers=headers,
            timeout=timeout,
            server_hostname=self.endpoint.tls_server_name,
        )


_SHORT = aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=CONNECT_SECONDS)
_LASTING = aiohttp.ClientTimeout(
    total=None, sock_connect=CONNECT_SECONDS, sock_read=WATCH_SILENCE_SECONDS
)


async def _refuse_redirects(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """An API server doesn't redirect; who does would learn our token, or is a sign-in page."""
    response = await handler(request)
    if 300 <= response.status < 400:
        response.close()
        raise aiohttp.ClientPayloadError("a redirect, so this is not a Kubernetes API server")
    return response


async def _read(response: aiohttp.ClientResponse) -> bytes:
    data = bytearray()
    async for piece in response.content.iter_any():
        data += piece
        if len(data) > MAX_ANSWER_BYTES:
            raise aiohttp.ClientPayloadError("an answer that is too large")
    return bytes(data)


def _answer(server: str, method: str, path: str, status: int, data: bytes) -> dict[str, Any]:
    """The object in an answer, or the error it stands for."""
    try:
        body = json.loads(data)
    except ValueError:
        body = None
    if 200 <= status < 300:
        if not isinstance(body, dict):
            raise Failed(f"{server}{path}: the answer is not JSON; is this a Kubernetes API?")
        return body
    raise _answer_error(server, method, path, status, data)


def _answer_error(server: str, method: str, path: str, status: int, data: bytes) -> DownstreamError:
    """What an answer that isn't a success stands for."""
    try:
        body = json.loads(data)
    except ValueError:
        body = None
    message = quoted(body.get("message")) if isinstance(body, dict) else ""
    if status == 401:
        return Refused(f"{server}: 401, the cluster does not accept the credential", status)
    if status == 403:
        return Refused(f"{server}: 403, {message or 'the credential has too few rights'}", status)
    if status == 404:
        return Missing(f"{server}{path}: 404, {message or 'not found'}")
    if status in (429, 502, 503, 504):
        return Unreachable(f"{server}: {status}, {message or 'the server is not ready'}")
    kind = {409: Clash, 410: Expired}.get(status, Failed)
    return kind(f"{server}: {method} {path}: {status} {message}".rstrip())


def _event(server: str, path: str, event: dict[str, Any]) -> dict[str, Any]:
    """An event of a watch. Raises what an error in it stands for."""
    if event.get("type") == "ERROR":
        status = event.get("object") or {}
        code = int(status.get("code") or 500)
        raise _answer_error(server, "WATCH", path, code, json.dumps(status).encode())
    return event


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The lines of a watch, of any length up to what an answer may have."""
    buffered = bytearray()
    async for piece in response.content.iter_any():
        buffered += piece
        *lines, rest = buffered.split(b"\n")
        for line in lines:
            if line:
                yield bytes(line)
        buffered = bytearray(rest)
        if len(buffered) > MAX_ANSWER_BYTES:
            raise aiohttp.ClientPayloadError("an event that is too large")


def quoted(text: object) -> str:
    """A cluster's own words, on one line, not too many of them, and nothing a terminal obeys."""
    line = printable(str(text or ""))
    return line if len(line) <= MAX_QUOTED else line[: MAX_QUOTED - 1] + "…"


def translated(server: str, exc: Exception, name: str | None = None) -> Unreachable:
    """What a failure of the connection to ``server`` means, and what to do about it.

    ``name`` is whom its certificate was expected to be for, where that isn't the URL's host.
    """
    if isinstance(exc, aiohttp.ClientConnectorCertificateError):
        return _certificate_problem(server, exc.certificate_error, name)
    if isinstance(exc, ssl.SSLCertVerificationError):
        return _certificate_problem(server, exc, name)
    if isinstance(exc, aiohttp.ClientSSLError | ssl.SSLError):
        return Untrusted(f"{server}: no TLS with this server ({quoted(exc)})")
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        return Unreachable(f"{server}: the host name can't be resolved; check the URL")
    if isinstance(exc, TimeoutError):
        return Unreachable(f"{server}: no answer in time; check the address and any firewall")
    if isinstance(exc, aiohttp.ClientConnectorError):
        reason = exc.os_error.strerror or str(exc.os_error)
        return Unreachable(f"{server}: can't connect ({quoted(reason)}); check the address")
    return Unreachable(f"{server}: {quoted(exc) or type(exc).__name__}")


def _certificate_problem(server: str, exc: Exception, name: str | None) -> Untrusted:
    code = getattr(exc, "verify_code", None)
    if code in (_HOSTNAME_MISMATCH, _IP_MISMATCH):
        return Untrusted(
            f"{server}: the certificate is not for {name or urlsplit(server).hostname}; "
            "give a name it is for with --tls-server-name"
        )
    if code in (_EXPIRED, _NOT_YET_VALID):
        return Untrusted(f"{server}: the certificate is expired or not valid yet; renew it")
    return Untrusted(
        f"{server}: the certificate is not signed by the given CA; "
        "give the CA that signed it (certificate-authority, --ca-file)"
    )
