"""Raw HTTP: status, headers and bytes are equal through the proxy and directly."""

import gzip
import hashlib
import json
import zlib
from typing import Any

import pytest

from tests.comparison.protobuf import MEDIA_TYPE, config_map
from tests.comparison.raw import Pairs, head, open_response, send_request, send_with_expect
from tests.comparison.sides import Side
from tests.comparison.world import World

MAPS = "/api/v1/namespaces/shared/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PATCHES = ("application/merge-patch+json", "application/strategic-merge-patch+json")

READ: dict[str, tuple[str, str, Pairs]] = {
    "one object": ("GET", f"{MAPS}/many-00001", ()),
    "one object as protobuf": ("GET", f"{MAPS}/many-00001", [("Accept", MEDIA_TYPE)]),
    "one object as YAML": ("GET", f"{MAPS}/many-00001", [("Accept", "application/yaml")]),
    "one object as CBOR, which is not supported": ("GET", f"{MAPS}/many-00001", [("Accept", "application/cbor")]),
    "an unknown media type": ("GET", f"{MAPS}/many-00001", [("Accept", "text/nonsense")]),
    "a table": ("GET", f"{MAPS}?limit=5&labelSelector=parity%3Dodd", [("Accept", TABLE)]),
    "a table of one": ("GET", f"{MAPS}/many-00001", [("Accept", TABLE)]),
    "metadata only": ("GET", f"{MAPS}/many-00001", [("Accept", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io")]),
    "HEAD": ("HEAD", f"{MAPS}/many-00001", ()),
    "HEAD of a missing object": ("HEAD", f"{MAPS}/missing", ()),
    "OPTIONS": ("OPTIONS", f"{MAPS}/many-00001", ()),
    "not found": ("GET", f"{MAPS}/missing", ()),
    "not found, as protobuf": ("GET", f"{MAPS}/missing", [("Accept", MEDIA_TYPE)]),
    "no such path": ("GET", "/apis/nonsense.example/v1", ()),
    "no such verb": ("POST", f"{MAPS}/many-00001", ()),
    "an invalid selector": ("GET", f"{MAPS}?labelSelector=a%20in", ()),
    "a watch of an expired version": ("GET", f"{MAPS}?watch=1&resourceVersion=1&timeoutSeconds=1", ()),
    "discovery, aggregated": ("GET", "/apis", [("Accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")]),
    "discovery": ("GET", "/api/v1", ()),
    "the OpenAPI description, gzip": ("GET", "/openapi/v3/api/v1", [("Accept-Encoding", "gzip")]),
    "a small response is not compressed": ("GET", f"{MAPS}/many-00001", [("Accept-Encoding", "gzip")]),
    "the version": ("GET", "/version", ()),
    "a path outside the API": ("GET", "/healthz", ()),
}  # fmt: skip
# ruff: noqa: E501 (a line is a case)


@pytest.mark.parametrize("case", READ)
def test_read_response_is_identical(world: World, case: str) -> None:
    method, path, headers = READ[case]

    def read(side: Side) -> object:
        response_head, body = send_request(side, method, path, headers)
        return {**response_head, "body": body.decode(errors="backslashreplace")}

    world.compare_reads(read)


@pytest.mark.parametrize("media", ["application/json", MEDIA_TYPE])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_large_list_is_identical(world: World, media: str, encoding: str) -> None:
    """The bytes on the wire are equal, chunked, and compressed if the client accepts it."""
    # The version of a list increases with every change in the cluster.
    path = f"{MAPS}?resourceVersion={version(world)}&resourceVersionMatch=Exact"

    def listed(side: Side) -> object:
        response_head, body = send_request(
            side, "GET", path, [("Accept", media), ("Accept-Encoding", encoding)]
        )
        plain = gzip.decompress(body) if encoding == "gzip" else body
        assert plain.count(b"many-") >= 5_000
        return {**response_head, "bytes": len(body), "digest": hashlib.sha256(body).hexdigest()}

    world.compare_reads(listed)


def version(world: World) -> str:
    """Return the version of the newest list."""
    side = world.side_in(world.sides["alice"][1], "shared")
    _, body = send_request(side, "GET", f"{MAPS}?limit=1")
    return str(json.loads(body)["metadata"]["resourceVersion"])


def test_paginated_list_is_equal(world: World) -> None:
    def chunks(side: Side) -> object:
        found, continuation = [], ""
        while True:
            response_head, body = send_request(side, "GET", f"{MAPS}?limit=700{continuation}")
            page = json.loads(body)
            names = [item["metadata"]["name"] for item in page["items"]]
            found.append(
                (response_head["status"], names, page["metadata"].get("remainingItemCount"))
            )
            if not (token := page["metadata"].get("continue")):
                return found
            continuation = f"&continue={token}"

    world.compare_reads(chunks)


def test_protobuf_body_creates_and_replaces_object(world: World) -> None:
    def written(side: Side) -> object:
        maps = f"/api/v1/namespaces/{side.namespace}/configmaps"
        kinds = [("Content-Type", MEDIA_TYPE), ("Accept", MEDIA_TYPE)]
        created, body = send_request(
            side, "POST", maps, kinds, config_map("one", "key", "value" * 100)
        )
        replaced, body = send_request(side, "PUT", f"{maps}/one", kinds, body)
        _, plain = send_request(side, "GET", f"{maps}/one")
        rejected, _ = send_request(side, "POST", maps, kinds, b"k8s\0nonsense")
        return [created, replaced, rejected, json.loads(plain)["data"]]

    world.compare(without_length(written))


@pytest.mark.parametrize("media", PATCHES)
def test_patch_and_delete_responses_are_equal(world: World, media: str) -> None:
    def written(side: Side) -> object:
        maps = f"/api/v1/namespaces/{side.namespace}/configmaps"
        done = [
            send_request(side, "POST", maps, [("Content-Type", "application/json")], named("one")),
            send_request(
                side, "PATCH", f"{maps}/one", [("Content-Type", media)], b'{"data":{"a":"b"}}'
            ),
            send_request(side, "PATCH", f"{maps}/one", [("Content-Type", "text/plain")], b"{}"),
            send_request(side, "PATCH", f"{maps}/one", [("Content-Type", media)], b"{nonsense"),
            send_request(side, "DELETE", f"{maps}/one"),
            send_request(side, "DELETE", f"{maps}/one"),
        ]
        return [{**response_head, "body": body.decode()} for response_head, body in done]

    world.compare(without_length(written))


def without_length(case: Any) -> Any:
    """Remove Content-Length, which depends on resource versions of different lengths."""

    def without_content_length(side: Side) -> object:
        found = case(side)
        for response in found:
            if "headers" in response:
                pairs = response["headers"]
                response["headers"] = [pair for pair in pairs if pair[0] != "content-length"]
        return found

    return without_content_length


def named(name: str) -> bytes:
    """Return a ConfigMap as JSON."""
    return json.dumps({"metadata": {"name": name}}).encode()


def test_expect_100_continue_is_answered_equally(world: World) -> None:
    def sent(side: Side) -> object:
        maps = f"/api/v1/namespaces/{side.namespace}/configmaps"
        kind = {"Content-Type": "application/json"}
        big = json.dumps({"metadata": {"name": "big"}, "data": {"x": "y" * 900_000}}).encode()
        return [
            send_with_expect(side, "POST", maps, kind, named("one")),
            send_with_expect(side, "POST", maps, kind, big),
            send_with_expect(side, "POST", maps, kind, named("one")),
        ]

    world.compare(sent)


WATCHES = {
    "json": ("application/json", "application/json"),
    "protobuf": (f"{MEDIA_TYPE};stream=watch", MEDIA_TYPE),
    "tables": (TABLE, "application/json"),
}


@pytest.mark.parametrize("kind", WATCHES)
def test_watch_head_and_events_arrive_without_delay(world: World, kind: str) -> None:
    """The test makes the first change after the head, and each further change after an event.

    A server that holds the head or an event back would block the test, so no timing is needed.
    """
    accept, _ = WATCHES[kind]

    def watched(side: Side) -> object:
        maps = f"/api/v1/namespaces/{side.namespace}/configmaps"
        newest = json.loads(send_request(side, "GET", maps)[1])["metadata"]["resourceVersion"]
        path = f"{maps}?watch=1&resourceVersion={newest}"
        sizes = []
        with open_response(side, "GET", path, [("Accept", accept)]) as response:
            response_head = head(response)
            for number in range(4):
                created = [("Content-Type", "application/json")]
                assert (
                    send_request(side, "POST", maps, created, named(f"m-{number}"))[0]["status"]
                    == 201
                )
                piece = response.read1(1_000_000)
                assert f"m-{number}".encode() in piece
                sizes.append(bool(piece))
        return [response_head, sizes]

    world.compare(watched)


def test_compressed_watch_is_equal(world: World) -> None:
    def watched(side: Side) -> object:
        maps = f"/api/v1/namespaces/{side.namespace}/configmaps"
        with open_response(
            side, "GET", f"{maps}?watch=1&timeoutSeconds=2", [("Accept-Encoding", "gzip")]
        ) as response:
            response_head, body = head(response), response.read()
        if ("content-encoding", "gzip") in response_head["headers"]:
            body = zlib.decompress(body, 31)
        return [response_head, body.decode()]

    world.compare(watched)


def test_log_head_arrives_before_first_line(world: World) -> None:
    def followed(side: Side) -> object:
        pod = world.create_pod(side)
        path = f"/api/v1/namespaces/{side.namespace}/pods/worker/log?follow=true"
        with open_response(side, "GET", path) as response:
            response_head = head(response)
            pieces = []
            for word in ("one", "two", "three"):
                pod.say(word)
                pieces.append(response.read1(1000).decode())
        return [response_head, pieces]

    world.compare(followed)
