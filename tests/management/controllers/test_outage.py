"""An outage of a cluster, and rejections of single requests."""

import pytest
from aiohttp import web

from management.controllers.outage import is_outage
from management.kubernetes.client import ClusterClient
from management.kubernetes.endpoint import ClusterCredential
from management.kubernetes.errors import ApiForbidden, ApiUnreachable
from tests.management.conftest import Serve


@pytest.mark.parametrize(("status", "expected"), [(503, True), (200, False), (403, False)])
async def test_unreachable_error_is_an_outage_if_the_version_is_unreachable(
    serve: Serve, status: int, expected: bool
) -> None:
    async def version(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({}, status=status)

    async with (
        serve(version) as endpoint,
        ClusterClient(endpoint, ClusterCredential(token="t")) as client,
    ):
        assert await is_outage(client, ApiUnreachable("503 of a webhook")) is expected


async def test_rejection_is_no_outage_and_sends_no_request(serve: Serve) -> None:
    requests: list[str] = []

    async def version(request: web.BaseRequest) -> web.StreamResponse:
        requests.append(request.path)
        return web.json_response({}, status=503)

    async with (
        serve(version) as endpoint,
        ClusterClient(endpoint, ClusterCredential(token="t")) as client,
    ):
        assert not await is_outage(client, ApiForbidden("no", 403))
    assert requests == []
