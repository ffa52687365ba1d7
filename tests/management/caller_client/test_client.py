"""The client in a caller's name: what it sends, and its bounds on what it reads."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from aiohttp import web

from management.caller_client.client import ReadLimits
from management.caller_client.errors import RequestRefused, ResponseBroken, TooMuch
from management.http.decisions import GATE, RESPONDER
from tests.support.scripted_gate import ALICE, lines, listed, origin_of, scripted_gate, status
from tests.support.waiting import eventually

PODS = "/api/v1/pods"


async def test_requests_carry_the_credential_and_origin_of_the_caller() -> None:
    seen: list[dict[str, Any]] = []

    async def script(request: web.BaseRequest) -> web.StreamResponse:
        sent = {name.lower(): value for name, value in request.headers.items()}
        seen.append({**sent, "origin": origin_of(request), "path": request.raw_path})
        return listed(["a"])

    async with scripted_gate(script) as (gate, _), gate.client("prod", ALICE) as client:
        await client.get(PODS, {"labelSelector": "a in (b, c)"})
        await client.get(PODS)
    first, second = seen
    assert first["path"].startswith("/k8s/clusters/prod/api/v1/pods?labelSelector=a+in+")
    assert first["authorization"] == "Bearer token-alice:secret"
    assert (first["origin"], first["user-agent"]) == ("192.0.2.7", "curl/8")
    assert first["x-request-id"] == "request-of-alice-1"
    assert second["x-request-id"] == "request-of-alice-2"
    assert not {"cookie", "x-forwarded-for"} & first.keys()


async def test_request_sends_a_body_of_its_type_and_reads_a_status_of_a_deletion() -> None:
    async def script(request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "DELETE":
            return web.json_response({"kind": "Status", "status": "Success"})
        assert request.headers["Content-Type"] == "application/apply-patch+yaml"
        return web.json_response({"metadata": {"name": "x"}, "spec": await request.json()})

    async with scripted_gate(script) as (gate, _), gate.client("prod", ALICE) as client:
        applied = await client.request(
            "PATCH", f"{PODS}/x", body={"a": 1}, content_type="application/apply-patch+yaml"
        )
        assert applied["spec"] == {"a": 1}
        assert await client.request("DELETE", f"{PODS}/x") == {}


async def test_refusal_has_the_words_of_the_cluster() -> None:
    async def script(request: web.BaseRequest) -> web.StreamResponse:
        answer = status(429, "too many\nrequests", reason="TooManyRequests", details={"name": "x"})
        answer.headers["Retry-After"] = "3"
        return answer

    async with scripted_gate(script) as (gate, _), gate.client("prod", ALICE) as client:
        with pytest.raises(RequestRefused, match="too many requests") as refused:
            await client.get(PODS)
    assert (refused.value.status, refused.value.reason) == (429, "TooManyRequests")
    assert (refused.value.retry_after, refused.value.details) == (3, {"name": "x"})


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "location", ["http://gate/k8s/clusters/other/api/v1/pods/x", "/k8s/clusters/other/api/v1/pods"]
)
async def test_redirect_of_a_cluster_leads_to_no_other_cluster(method: str, location: str) -> None:
    seen = []

    async def script(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.path)
        return web.Response(status=307, headers={"Location": location})

    async with scripted_gate(script) as (gate, _), gate.client("prod", ALICE) as client:
        with pytest.raises(RequestRefused, match="the cluster responded with 307") as refused:
            await client.request(method, f"{PODS}/x")
    assert refused.value.status == 307
    assert seen == ["/k8s/clusters/prod/api/v1/pods/x"]


@pytest.mark.parametrize("sent", ["9" * 5_000, "٣٠", "-1", "Wed, 21 Oct 2026 07:28:00 GMT"])
async def test_odd_time_to_wait_is_bounded_or_ignored(sent: str) -> None:
    async def script(request: web.BaseRequest) -> web.StreamResponse:
        answer = status(429, "too many requests", reason="TooManyRequests")
        answer.headers["Retry-After"] = sent
        return answer

    async with scripted_gate(script) as (gate, _), gate.client("prod", ALICE) as client:
        with pytest.raises(RequestRefused) as refused:
            await client.get(PODS)
    assert 0 <= refused.value.retry_after <= 600


async def test_404_of_the_gate_is_not_one_of_the_cluster() -> None:
    async def script(request: web.BaseRequest) -> web.StreamResponse:
        answer = status(404, "not found", reason="NotFound")
        if request.raw_path.endswith("/gate"):
            answer.headers[RESPONDER] = GATE
        return answer

    async with scripted_gate(script) as (gate, _), gate.client("prod", ALICE) as client:
        with pytest.raises(RequestRefused, match="has not read the cluster") as unknown:
            await client.get(f"{PODS}/gate")
        with pytest.raises(RequestRefused, match="not found") as missing:
            await client.get(f"{PODS}/x")
    assert (unknown.value.status, unknown.value.retry_after) == (503, 1)
    assert (missing.value.status, missing.value.reason) == (404, "NotFound")


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b'{"metadata": 7}', b"[" * 200])
async def test_response_that_is_no_object_is_broken(body: bytes) -> None:
    async def script(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=body)

    async with scripted_gate(script) as (gate, _), gate.client("prod", ALICE) as client:
        with pytest.raises(ResponseBroken, match="not a response of a Kubernetes API"):
            await client.get(PODS)


async def test_list_reads_every_page_and_halves_a_page_that_is_too_large() -> None:
    names = [f"pod-{number}" for number in range(450)]
    limits = []

    async def script(request: web.BaseRequest) -> web.StreamResponse:
        limit, begin = int(request.query["limit"]), int(request.query.get("continue", "0"))
        limits.append(limit)
        end = begin + limit
        return listed(names[begin:end], str(end) if end < len(names) else "")

    small = ReadLimits(max_response_bytes=6_000)
    async with (
        scripted_gate(script, limits=small) as (gate, _),
        gate.client("prod", ALICE) as client,
    ):
        found = await client.list_all(PODS)
        with pytest.raises(TooMuch, match="more than 300 objects"):
            await client.list_all(PODS, most=300)
    assert [one["metadata"]["name"] for one in found] == names
    assert limits[:2] == [200, 100]


async def test_list_whose_objects_together_are_too_large_is_too_much() -> None:
    asked = 0

    async def script(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        return listed([f"p-{asked}"], str(asked), status={"message": "x" * 10_000})

    small = ReadLimits(max_list_bytes=100_000)
    async with (
        scripted_gate(script, limits=small) as (gate, _),
        gate.client("prod", ALICE) as client,
    ):
        with pytest.raises(TooMuch, match="larger ones than Sekisho reads"):
            await client.list_all(PODS)
    assert asked == 10


async def test_list_that_does_not_end_is_too_much() -> None:
    async def script(request: web.BaseRequest) -> web.StreamResponse:
        return listed(["a"], "same")

    async with scripted_gate(script) as (gate, _), gate.client("prod", ALICE) as client:
        with pytest.raises(TooMuch, match="continues with a page that was there before"):
            await client.list_all(PODS)


async def test_watch_yields_events_and_raises_its_error() -> None:
    async def script(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        pod = {"metadata": {"name": "a"}}
        await response.write(
            lines({"type": "ADDED", "object": pod}, {"type": "MODIFIED", "object": 7})
            + b"no JSON\n"
            + lines({"type": "ERROR", "object": {"code": 410, "message": "too old"}})
        )
        return response

    async with scripted_gate(script) as (gate, _), gate.client("prod", ALICE) as client:
        events = client.watch(PODS, "1")
        event = await anext(events)
        assert (event.kind, event.item["metadata"]["name"]) == ("ADDED", "a")
        with pytest.raises(RequestRefused, match="too old") as refused:
            await anext(events)
        assert refused.value.status == 410, "a new list begins"


async def test_streams_and_connections_end_with_the_client() -> None:
    running = 0

    async def script(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal running
        running += 1
        try:
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"line\n")
            await asyncio.Event().wait()
        finally:
            running -= 1
        return response

    async with scripted_gate(script) as (gate, in_process):
        async with gate.client("prod", ALICE) as client:
            async with client.stream(f"{PODS}/log") as pieces:
                assert await anext(pieces) == b"line\n"
                assert running == 1
            await eventually(lambda: running == 0)
            async with aclosing(client.watch(PODS, "1")) as events:
                waiting = asyncio.ensure_future(anext(events))
                await eventually(lambda: running == 1)
                waiting.cancel()
                await asyncio.wait([waiting])
            await eventually(lambda: running == 0)
        await eventually(lambda: in_process.connections == 0)


async def test_stream_that_breaks_off_is_broken() -> None:
    async def script(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"line\n")
        assert request.transport is not None
        request.transport.abort()
        return response

    async with scripted_gate(script) as (gate, _), gate.client("prod", ALICE) as client:
        with pytest.raises(ResponseBroken, match="broke off"):
            async with client.stream(f"{PODS}/log") as pieces:
                assert [one async for one in pieces] == []


async def test_too_many_connections_are_a_refusal_that_ends() -> None:
    async def script(request: web.BaseRequest) -> web.StreamResponse:
        return listed([])

    async with scripted_gate(script, most=0) as (gate, _), gate.client("prod", ALICE) as client:
        with pytest.raises(RequestRefused, match="too many requests on behalf of") as refused:
            await client.get(PODS)
    assert (refused.value.status, refused.value.retry_after) == (503, 1)
