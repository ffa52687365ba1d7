"""Manifests that take long to read hold up no other request."""

import asyncio

import pytest

from management.api.manifest_problems import manifest_objects
from management.api.workload_change_models import NewManifest
from management.http.problem import ApiProblem

KEYS = ",".join(f"k{number}: v" for number in range(5_000))
COSTLY = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{{KEYS}}}\n"


async def test_event_loop_goes_on_while_a_long_manifest_is_read() -> None:
    turns = 0

    async def serve_others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    others = asyncio.create_task(serve_others())
    [one] = await manifest_objects(NewManifest(manifest=COSTLY, namespace="shop"))
    others.cancel()
    assert one.title == "ConfigMap shop/a"
    assert turns > 5


async def test_problems_of_a_long_manifest_are_reported_with_their_lines() -> None:
    body = NewManifest(manifest=f"# {'x' * 5_000}\n{COSTLY}kind: Pod\n", namespace="shop")
    with pytest.raises(ApiProblem) as raised:
        await manifest_objects(body)
    assert raised.value.status == 422
    assert "line 6" in raised.value.detail
