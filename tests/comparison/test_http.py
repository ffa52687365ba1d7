"""Raw HTTP: status, headers and bytes are the same through the gate as directly."""

import gzip
import hashlib
import json
import zlib
from typing import Any

import pytest

from tests.comparison.protobuf import MEDIA_TYPE, config_map
from tests.comparison.raw import Pairs, ask, asked, expecting, head
from tests.comparison.sides import Side
from tests.comparison.world import World

MAPS = "/api/v1/namespaces/shared/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PATCHES = ("application/merge-patch+json", "application/strategic-merge-patch+json")

READ: dict[str, tuple[str, str, Pairs]] = {
    "one object": ("GET", f"{MAPS}/many-00001", ()),
    "one object as protobuf": ("GET", f"{MAPS}/many-00001", [("Accept", MEDIA_TYPE)]),
    "one object as YAML": ("GET", f"{MAPS}/many-00001", [("Accept", "application/yaml")]),
    "one object as CBOR, which is not offered": ("GET", f"{MAPS}/many-00001", [("Accept", "application/cbor")]),
    "a media type that nobody knows": ("GET", f"{MAPS}/many-00001", [("Accept", "text/nonsense")]),
    "a table": ("GET", f"{MAPS}?limit=5&labelSelector=parity%3Dodd", [("Accept", TABLE)]),
    "a table of one": ("GET", f"{MAPS}/many-00001", [("Accept", TABLE)]),
    "metadata only": ("GET", f"{MAPS}/many-00001", [("Accept", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io")]),
    "HEAD": ("HEAD", f"{MAPS}/many-00001", ()),
    "HEAD of nothing": ("HEAD", f"{MAPS}/nothing", ()),
    "OPTIONS": ("OPTIONS", f"{MAPS}/many-00001", ()),
    "not found": ("GET", f"{MAPS}/nothing", ()),
    "not found, as protobuf": ("GET", f"{MAPS}/nothing", [("Accept", MEDIA_TYPE)]),
    "no such path": ("GET", "/apis/nonsense.example/v1", ()),
    "no such verb": ("POST", f"{MAPS}/many-00001", ()),
    "a selector that is wrong": ("GET", f"{MAPS}?labelSelector=a%20in", ()),
    "a watch of a version long gone": ("GET", f"{MAPS}?watch=1&resourceVersion=1&timeoutSeconds=1", ()),
    "discovery, aggregated": ("GET", "/apis", [("Accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")]),
    "discovery": ("GET", "/api/v1", ()),
    "the API's description, gzip": ("GET", "/openapi/v3/api/v1", [("Accept-Encoding", "gzip")]),
    "a small answer is not compressed": ("GET", f"{MAPS}/many-00001", [("Accept-Encoding", "gzip")]),
    "the version": ("GET", "/version", ()),
    "a path that is not an API's": ("GET", "/healthz", ()),
}  # fmt: skip
# ruff: noqa: E501 (a line is a case)


@pytest.mark.parametrize("case", READ)
def test_what_is_read_is_the_same_byte_for_byte(world: World, case: str) -> None:
    method, path, headers = READ[case]

    def read(side: Side) -> object:
        told, body = ask(side, method, path, headers)
        return {**told, "body": body.decode(errors="backslashreplace")}

    world.same_to_read(read)


@pytest.mark.parametrize("media", ["application/json", MEDIA_TYPE])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_list_of_thousands_is_the_same_byte_for_byte(
    world: World, media: str, encoding: str
) -> None:
    """Chunked, compressed where that is asked for; the bytes as they lie on the wire."""
    # The list's own version goes on with every change in the cluster.
    path = f"{MAPS}?resourceVersion={version(world)}&resourceVersionMatch=Exact"

    def listed(side: Side) -> object:
        told, body = ask(side, "GET", path, [("Accept", media), ("Accept-Encoding", encoding)])
        plain = gzip.decompress(body) if encoding == "gzip" else body
        assert plain.count(b"many-") >= 5_000
        return {**told, "bytes": len(body), "digest": hashlib.sha256(body).hexdigest()}

    world.same_to_read(listed)


def version(world: World) -> str:
    """The version of the newest list."""
    side = world.side(world.sides["alice"][1], "shared")
    _, body = ask(side, "GET", f"{MAPS}?limit=1")
    return str(json.loads(body)["metadata"]["resourceVersion"])


def test_a_list_in_chunks_is_the_same_chunk_by_chunk(world: World) -> None:
    def chunks(side: Side) -> object:
        found, then = [], ""
        while True:
            told, body = ask(side, "GET", f"{MAPS}?limit=700{then}")
            page = json.loads(body)
            names = [item["metadata"]["name"] for item in page["items"]]
            found.append((told["status"], names, page["metadata"].get("remainingItemCount")))
            if not (token := page["metadata"].get("continue")):
                return found
            then = f"&continue={token}"

    world.same_to_read(chunks)


def test_a_body_of_protobuf_creates_and_replaces(world: World) -> None:
    def written(side: Side) -> object:
        maps = f"/api/v1/namespaces/{side.namespace}/configmaps"
        kinds = [("Content-Type", MEDIA_TYPE), ("Accept", MEDIA_TYPE)]
        created, body = ask(side, "POST", maps, kinds, config_map("one", "key", "value" * 100))
        replaced, body = ask(side, "PUT", f"{maps}/one", kinds, body)
        _, plain = ask(side, "GET", f"{maps}/one")
        refused, _ = ask(side, "POST", maps, kinds, b"k8s\0nonsense")
        return [created, replaced, refused, json.loads(plain)["data"]]

    world.same(without_length(written))


@pytest.mark.parametrize("media", PATCHES)
def test_patches_and_deletions_are_answered_the_same(world: World, media: str) -> None:
    def written(side: Side) -> object:
        maps = f"/api/v1/namespaces/{side.namespace}/configmaps"
        done = [
            ask(side, "POST", maps, [("Content-Type", "application/json")], named("one")),
            ask(side, "PATCH", f"{maps}/one", [("Content-Type", media)], b'{"data":{"a":"b"}}'),
            ask(side, "PATCH", f"{maps}/one", [("Content-Type", "text/plain")], b"{}"),
            ask(side, "PATCH", f"{maps}/one", [("Content-Type", media)], b"{nonsense"),
            ask(side, "DELETE", f"{maps}/one"),
            ask(side, "DELETE", f"{maps}/one"),
        ]
        return [{**told, "body": body.decode()} for told, body in done]

    world.same(without_length(written))


def without_length(play: Any) -> Any:
    """The length of an answer follows from the length of the versions in it, which differ."""

    def played(side: Side) -> object:
        found = play(side)
        for answer in found:
            if "headers" in answer:
                pairs = answer["headers"]
                answer["headers"] = [pair for pair in pairs if pair[0] != "content-length"]
        return found

    return played


def named(name: str) -> bytes:
    """A ConfigMap as JSON."""
    return json.dumps({"metadata": {"name": name}}).encode()


def test_who_expects_100_continue_is_told_to(world: World) -> None:
    def told(side: Side) -> object:
        maps = f"/api/v1/namespaces/{side.namespace}/configmaps"
        kind = {"Content-Type": "application/json"}
        big = json.dumps({"metadata": {"name": "big"}, "data": {"x": "y" * 900_000}}).encode()
        return [
            expecting(side, "POST", maps, kind, named("one")),
            expecting(side, "POST", maps, kind, big),
            expecting(side, "POST", maps, kind, named("one")),
        ]

    world.same(told)


WATCHES = {
    "json": ("application/json", "application/json"),
    "protobuf": (f"{MEDIA_TYPE};stream=watch", MEDIA_TYPE),
    "tables": (TABLE, "application/json"),
}


@pytest.mark.parametrize("kind", WATCHES)
def test_a_watchs_head_comes_before_any_event_and_each_event_when_it_happens(
    world: World, kind: str
) -> None:
    """Nothing is changed before the head is there, and nothing more before the last event is.

    So an answer that waits for its first byte, or for a second event, never comes: no clock needed.
    """
    accept, _ = WATCHES[kind]

    def watched(side: Side) -> object:
        maps = f"/api/v1/namespaces/{side.namespace}/configmaps"
        newest = json.loads(ask(side, "GET", maps)[1])["metadata"]["resourceVersion"]
        path = f"{maps}?watch=1&resourceVersion={newest}"
        sizes = []
        with asked(side, "GET", path, [("Accept", accept)]) as answer:
            told = head(answer)
            for number in range(4):
                made = [("Content-Type", "application/json")]
                assert ask(side, "POST", maps, made, named(f"m-{number}"))[0]["status"] == 201
                piece = answer.read1(1_000_000)
                assert f"m-{number}".encode() in piece
                sizes.append(bool(piece))
        return [told, sizes]

    world.same(watched)


def test_a_compressed_watch_is_answered_the_same(world: World) -> None:
    def watched(side: Side) -> object:
        maps = f"/api/v1/namespaces/{side.namespace}/configmaps"
        with asked(
            side, "GET", f"{maps}?watch=1&timeoutSeconds=2", [("Accept-Encoding", "gzip")]
        ) as answer:
            told, body = head(answer), answer.read()
        if ("content-encoding", "gzip") in told["headers"]:
            body = zlib.decompress(body, 31)
        return [told, body.decode()]

    world.same(watched)


def test_the_head_of_a_log_comes_while_the_pod_is_silent(world: World) -> None:
    def followed(side: Side) -> object:
        pod = world.pod(side)
        path = f"/api/v1/namespaces/{side.namespace}/pods/worker/log?follow=true"
        with asked(side, "GET", path) as answer:
            told = head(answer)
            pieces = []
            for word in ("one", "two", "three"):
                pod.say(word)
                pieces.append(answer.read1(1000).decode())
        return [told, pieces]

    world.same(followed)
