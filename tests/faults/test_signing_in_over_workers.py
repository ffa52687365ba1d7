"""A sign-in that starts at one worker and returns to another."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import yaml

from tests.faults.conftest import FaultSekisho
from tests.support.loop_thread import LoopThread
from tests.support.scripted_issuer import ScriptedIssuer, scripted_issuer
from tests.support.sekisho import HttpResponse, free_port, running
from tests.support.workers import WorkerConnection, connections_to_workers


@contextmanager
def issuer_in_a_thread() -> Iterator[ScriptedIssuer]:
    with LoopThread() as loop:
        running = scripted_issuer(free_port())
        yield loop.call(running.__aenter__())
        loop.call(running.__aexit__(None, None, None))


@pytest.fixture
def world(prepared: FaultSekisho, tmp_path: Path) -> Iterator[tuple[FaultSekisho, ScriptedIssuer]]:
    """Two workers, and an OIDC issuer."""
    sekisho = prepared.copy(tmp_path, SEKISHO_SERVER__WORKERS="2")
    with issuer_in_a_thread() as issuer:
        corp = {"type": "oidc", "name": "corp", "issuer": issuer.url, "client_id": "sekisho"}
        providers = [{"type": "local", "name": "local"}, corp]
        with sekisho.config.open("a") as config:
            yaml.safe_dump({"providers": providers}, config)
        with running(sekisho):
            yield sekisho, issuer
            assert sekisho.stop() == 0


def cookies(answer: HttpResponse) -> dict[str, str]:
    """Return the cookies that a browser would send from now on."""
    found: list[str] = re.findall(r"__Host-[\w-]+=[^;,\s]+", answer.headers.get("Set-Cookie", ""))
    return {"Cookie": "; ".join(one for one in found if not one.endswith('=""'))}


def come_back(leaving: WorkerConnection, issuer: ScriptedIssuer) -> tuple[str, dict[str, str]]:
    """Go to the issuer; return the callback URL and the browser's cookies."""
    left = leaving.request("GET", "/v1/login/corp/start")
    assert left.status == 303
    asked = dict(parse_qsl(urlsplit(left.headers["Location"]).query))
    issuer.token_response = (
        200,
        {
            "access_token": "access-1",
            "token_type": "Bearer",
            "id_token": issuer.token(nonce=asked["nonce"]),
        },
    )
    query = urlencode({"code": "code-1", "state": asked["state"]})
    return f"/v1/login/corp/callback?{query}", cookies(left)


def test_sign_in_started_at_one_worker_finishes_once_at_the_other(
    world: tuple[FaultSekisho, ScriptedIssuer],
) -> None:
    sekisho, issuer = world
    with connections_to_workers(sekisho) as (one, other):
        back, brought = come_back(one, issuer)
        arrived = other.request("GET", back, headers=brought)
        assert (arrived.status, arrived.headers["Location"]) == (303, "/")
        again = one.request("GET", back, headers=brought)
        assert again.status == 303
        assert one.request("GET", "/v1/me", headers=cookies(again)).status == 401
        me = one.request("GET", "/v1/me", headers=cookies(arrived))
        assert (me.status, me.json()["username"]) == (200, "alice")
