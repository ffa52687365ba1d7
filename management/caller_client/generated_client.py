"""The client of kubernetes-asyncio, on a session of Sekisho's. The only module that imports it.

The import takes up to a second and 38 MiB, so :mod:`.gate` imports this module in a thread when the
first caller needs it.
"""

from collections.abc import Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
from kubernetes_asyncio.client import ApiClient, Configuration
from kubernetes_asyncio.client.rest import RESTClientObject

_AUTHENTICATION = ["BearerToken"]


class _RestClient(RESTClientObject):
    """Sends requests on a given session.

    Its base class would create one with a TLS context of its own, which takes 26 ms, with the
    environment's proxies, and with the system's certificates. No redirect is followed: a cluster
    could lead the request and the caller's credential to another cluster of the gate.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        direct = partial(session.request, allow_redirects=False)
        self.pool_manager = cast(
            aiohttp.ClientSession, SimpleNamespace(request=direct, close=session.close)
        )
        self.server_hostname = self.proxy = ""
        self.proxy_headers: dict[str, str] = {}


class GeneratedClient(ApiClient):
    """kubernetes-asyncio's client for the API at ``url``, with ``bearer`` as credential.

    Its generated APIs and models work on it, such as ``AppsV1Api(client)``.
    """

    def __init__(
        self, session: aiohttp.ClientSession, url: str, bearer: str, user_agent: str
    ) -> None:
        self.configuration = Configuration(
            host=url,
            api_key={"BearerToken": bearer},
            api_key_prefix={"BearerToken": "Bearer"},
        )
        self.pool_threads = 1  # for async_req only, which nothing uses
        self.rest_client = _RestClient(session)
        self.default_headers: dict[str, str] = {}
        self.cookie = ""
        self.user_agent = user_agent
        self.client_side_validation = True

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: Any,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        """Send a request and return the response, whose body has not been read."""
        response: aiohttp.ClientResponse = await self.call_api(
            path,
            method,
            query_params=list(query.items()),
            header_params=dict(headers),
            body=body,
            auth_settings=_AUTHENTICATION,
            _preload_content=False,
            _request_timeout=timeout,
        )
        return response
