"""Servers that are not what they should be: each is one readable line, and learns nothing."""

from dataclasses import replace

import pytest
from aiohttp import web

from management.downstream import client as client_module
from management.downstream.client import ClusterClient, quoted
from management.downstream.endpoint import Credential, Endpoint
from management.downstream.errors import (
    Clash,
    DownstreamError,
    Expired,
    Failed,
    Missing,
    Refused,
    Unreachable,
)
from management.downstream.verify import verify_impersonator
from tests.management.clusters.conftest import Handler, Serve

TOKEN = "very-secret"


async def failure(endpoint: Endpoint) -> DownstreamError:
    """The error of a GET, which is one line and has no secret in it."""
    async with ClusterClient(endpoint, Credential(token=TOKEN)) as client:
        with pytest.raises(DownstreamError) as caught:
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
        (200, "<html>sign in</html>", Failed, "not JSON"),
        (200, "[]", Failed, "not JSON"),
        (401, "", Refused, "does not accept the credential"),
        (403, '{"message": "no\\nway"}', Refused, "no way"),
        (403, "<html>", Refused, "too few rights"),
        (404, "", Missing, "404"),
        (409, '{"message": "in the way"}', Clash, "in the way"),
        (410, '{"message": "too old"}', Expired, "too old"),
        (500, "x" * 10_000, Failed, "500"),
        (503, "", Unreachable, "not ready"),
    ],
)
async def test_each_answer_means_one_thing(
    serve: Serve, status: int, text: str, error: type, said: str
) -> None:
    async with serve(answering(status, text)) as endpoint:
        exc = await failure(endpoint)
    assert type(exc) is error
    assert said in str(exc)


async def test_a_redirect_is_not_followed(serve: Serve) -> None:
    reached = []

    async def elsewhere(request: web.BaseRequest) -> web.StreamResponse:
        reached.append(request.path)
        return web.json_response({})

    async with serve(elsewhere) as other:
        location = f"{other.servers[0]}/stolen"
        async with serve(answering(302, Location=location)) as endpoint:
            assert "redirect" in str(await failure(endpoint))
    assert reached == []


async def test_an_endless_answer_is_not_read(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "MAX_ANSWER_BYTES", 1000)
    async with serve(answering(200, " " * 2000)) as endpoint:
        assert "too large" in str(await failure(endpoint))


async def test_a_server_that_says_nothing_is_given_up(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "REQUEST_SECONDS", 0.2)

    async def silent(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "10"})
        await response.prepare(request)
        return response

    async with serve(silent) as endpoint:
        exc = await failure(endpoint)
    assert isinstance(exc, Unreachable)


async def test_a_server_without_tls_is_named() -> None:
    runner = web.ServerRunner(web.Server(answering(200, "{}")))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"https://127.0.0.1:{runner.addresses[0][1]}"
        assert "no TLS" in str(await failure(Endpoint((url,))))
    finally:
        await runner.cleanup()


async def test_the_next_master_is_asked_where_one_does_not_answer(
    serve: Serve,
) -> None:
    async with serve(answering(200, '{"gitVersion": "v1"}')) as endpoint:
        both = replace(endpoint, servers=("https://127.0.0.1:1", *endpoint.servers))
        async with ClusterClient(both, Credential(token=TOKEN)) as client:
            assert await client.get("/version") == {"gitVersion": "v1"}


async def test_a_master_that_says_no_is_not_passed_over(serve: Serve) -> None:
    async with (
        serve(answering(403)) as first,
        serve(answering(200, "{}")) as second,
    ):
        exc = await failure(replace(first, servers=first.servers + second.servers))
    assert isinstance(exc, Refused)


async def test_an_ipv6_address_works(serve: Serve) -> None:
    async with (
        serve(answering(200, "{}"), "::1") as endpoint,
        ClusterClient(endpoint, Credential(token=TOKEN)) as client,
    ):
        assert await client.get("/version") == {}


async def test_the_path_before_the_api_is_asked(serve: Serve) -> None:
    async def rancher(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"path": request.path})

    async with serve(rancher) as endpoint:
        prefixed = replace(endpoint, servers=(f"{endpoint.servers[0]}/k8s/clusters/c-1",))
        async with ClusterClient(prefixed, Credential(token=TOKEN)) as client:
            assert (await client.get("/version"))["path"] == "/k8s/clusters/c-1/version"


async def test_a_proxy_that_drops_impersonation_is_found_out(serve: Serve) -> None:
    """It answers for the impersonator itself, who may of course impersonate."""

    async def dropping(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/version":
            return web.json_response({"gitVersion": "v1"})
        return web.json_response({"status": {"allowed": True}}, status=201)

    async with serve(dropping) as endpoint:
        with pytest.raises(Failed, match="drops them"):
            await verify_impersonator(endpoint, TOKEN)


async def test_proxies_of_the_environment_are_not_used(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with (
        serve(answering(200, "{}")) as endpoint,
        ClusterClient(endpoint, Credential(token=TOKEN)) as client,
    ):
        assert await client.get("/version") == {}


def test_secrets_are_not_shown() -> None:
    credential = Credential(token=TOKEN, certificate_pem="c", key_pem=TOKEN)
    assert TOKEN not in repr(credential)


def test_a_cluster_s_words_are_cut_to_one_line() -> None:
    assert quoted("a\r\n  b\x0b") == "a b"
    assert "\x1b" not in quoted("\x1b[31mred")
    assert len(quoted("x" * 1000)) == 300
