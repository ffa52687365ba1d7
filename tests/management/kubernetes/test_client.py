"""Faulty servers: each causes a one-line error, and receives no secret."""

from dataclasses import replace

import pytest
from aiohttp import web

from management.clusters.verification import verify_impersonator
from management.kubernetes.client import ClusterClient
from management.kubernetes.connection import ClientLimits
from management.kubernetes.endpoint import ClusterCredential, ClusterEndpoint
from management.kubernetes.errors import (
    ApiConflict,
    ApiForbidden,
    ApiNotFound,
    ApiRequestFailed,
    ApiUnreachable,
    ClusterApiError,
    ResourceExpired,
    refused_by_policy,
)
from management.kubernetes.responses import quoted
from tests.management.conftest import Handler, Serve
from tests.support.addresses import LOOPBACK_ALLOWED

TOKEN = "very-secret"


async def failure(endpoint: ClusterEndpoint, limits: ClientLimits | None = None) -> ClusterApiError:
    """Return the error of a GET. Its message is one line without a secret."""
    credential = ClusterCredential(token=TOKEN)
    async with ClusterClient(endpoint, credential, limits=limits) as client:
        with pytest.raises(ClusterApiError) as caught:
            await client.get("/version")
    assert "\n" not in str(caught.value)
    assert TOKEN not in str(caught.value)
    return caught.value


def answering(status: int, text: str = "", **headers: str) -> Handler:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status, text=text, headers=headers)

    return handler


@pytest.mark.parametrize(
    ("status", "text", "error", "said"),
    [
        (200, "<html>sign in</html>", ApiRequestFailed, "not JSON"),
        (200, "[]", ApiRequestFailed, "not JSON"),
        (401, "", ApiForbidden, "does not accept the credential"),
        (403, '{"message": "no\\nway"}', ApiForbidden, "no way"),
        (403, "<html>", ApiForbidden, "too few rights"),
        (404, "", ApiNotFound, "404"),
        (409, '{"message": "in the way"}', ApiConflict, "in the way"),
        (410, '{"message": "too old"}', ResourceExpired, "too old"),
        (500, "x" * 10_000, ApiRequestFailed, "500"),
        (503, "", ApiUnreachable, "not ready"),
    ],
)
async def test_response_status_maps_to_one_error(
    serve: Serve, status: int, text: str, error: type, said: str
) -> None:
    async with serve(answering(status, text)) as endpoint:
        exc = await failure(endpoint)
    assert type(exc) is error
    assert said in str(exc)


async def test_redirect_is_not_followed(serve: Serve) -> None:
    reached = []

    async def elsewhere(request: web.BaseRequest) -> web.StreamResponse:
        reached.append(request.path)
        return web.json_response({})

    async with serve(elsewhere) as other:
        location = f"{other.servers[0]}/stolen"
        async with serve(answering(302, Location=location)) as endpoint:
            assert "redirect" in str(await failure(endpoint))
    assert reached == []


async def test_response_over_the_limit_is_not_read(serve: Serve) -> None:
    async with serve(answering(200, " " * 2000)) as endpoint:
        exc = await failure(endpoint, ClientLimits(max_response_bytes=1000))
    assert "too large" in str(exc)


async def test_server_that_sends_nothing_is_unreachable_after_the_time_limit(serve: Serve) -> None:

    async def silent(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "10"})
        await response.prepare(request)
        return response

    async with serve(silent) as endpoint:
        exc = await failure(endpoint, ClientLimits(request_seconds=0.2))
    assert isinstance(exc, ApiUnreachable)


async def test_server_without_tls_is_reported() -> None:
    runner = web.ServerRunner(web.Server(answering(200, "{}")), shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"https://127.0.0.1:{runner.addresses[0][1]}"
        assert "no TLS" in str(await failure(ClusterEndpoint((url,), addresses=LOOPBACK_ALLOWED)))
    finally:
        await runner.cleanup()


async def test_next_api_server_is_tried_after_an_unreachable_one(
    serve: Serve,
) -> None:
    async with serve(answering(200, '{"gitVersion": "v1"}')) as endpoint:
        both = replace(endpoint, servers=("https://127.0.0.1:1", *endpoint.servers))
        async with ClusterClient(both, ClusterCredential(token=TOKEN)) as client:
            assert await client.get("/version") == {"gitVersion": "v1"}


async def test_rejection_by_an_api_server_is_not_retried(serve: Serve) -> None:
    async with (
        serve(answering(403)) as first,
        serve(answering(200, "{}")) as second,
    ):
        exc = await failure(replace(first, servers=first.servers + second.servers))
    assert isinstance(exc, ApiForbidden)


async def test_ipv6_server_responds(serve: Serve) -> None:
    async with (
        serve(answering(200, "{}"), "::1") as endpoint,
        ClusterClient(endpoint, ClusterCredential(token=TOKEN)) as client,
    ):
        assert await client.get("/version") == {}


async def test_path_prefix_of_a_server_is_requested(serve: Serve) -> None:
    async def rancher(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"path": request.path})

    async with serve(rancher) as endpoint:
        prefixed = replace(endpoint, servers=(f"{endpoint.servers[0]}/k8s/clusters/c-1",))
        async with ClusterClient(prefixed, ClusterCredential(token=TOKEN)) as client:
            assert (await client.get("/version"))["path"] == "/k8s/clusters/c-1/version"


async def test_intermediary_that_drops_impersonation_is_detected(serve: Serve) -> None:
    """The response is about the impersonator itself, which may impersonate."""

    async def dropping(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/version":
            return web.json_response({"gitVersion": "v1"})
        return web.json_response({"status": {"allowed": True}}, status=201)

    async with serve(dropping) as endpoint:
        with pytest.raises(ApiRequestFailed, match="drops them"):
            await verify_impersonator(endpoint, TOKEN)


async def test_proxy_settings_of_the_environment_are_not_used(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with (
        serve(answering(200, "{}")) as endpoint,
        ClusterClient(endpoint, ClusterCredential(token=TOKEN)) as client,
    ):
        assert await client.get("/version") == {}


def test_repr_of_a_credential_shows_no_secret() -> None:
    credential = ClusterCredential(token=TOKEN, certificate_pem="c", key_pem=TOKEN)
    assert TOKEN not in repr(credential)


def test_quoted_message_is_one_short_line() -> None:
    assert quoted("a\r\n  b\x0b") == "a b"
    assert "\x1b" not in quoted("\x1b[31mred")
    assert len(quoted("x" * 1000)) == 300


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            ApiForbidden(
                'https://10.0.0.1:6443: 403, namespaces "x" is forbidden: '
                "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: it is frozen",
                403,
            ),
            "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: it is frozen",
        ),
        (
            ApiRequestFailed(
                'https://10.0.0.1: PATCH /x: 400 admission webhook "w" denied the request: no'
            ),
            'admission webhook "w" denied the request: no',
        ),
        (
            ApiRequestFailed(
                'https://10.0.0.1: 500 failed calling webhook "w": Post "https://10.1.2.3"'
            ),
            None,
        ),
        (
            ApiForbidden("https://10.0.0.1: 401, the cluster does not accept the credential", 401),
            None,
        ),
        (ApiUnreachable("https://10.0.0.1: no route to host"), None),
        (None, None),
    ],
)
def test_only_messages_of_policies_are_passed_on(
    error: ClusterApiError | None, words: str | None
) -> None:
    assert refused_by_policy(error) == words
