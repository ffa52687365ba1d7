"""A sign-in that leaves from one worker and comes back to another is one sign-in."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import yaml

from tests.faults.conftest import Besieged
from tests.parts.loop_thread import LoopThread
from tests.parts.scripted_issuer import ScriptedIssuer, scripted_issuer
from tests.parts.sekisho import Answer, free_port
from tests.parts.workers import Line, line_to_each


@contextmanager
def issuer_in_a_thread() -> Iterator[ScriptedIssuer]:
    with LoopThread() as loop:
        running = scripted_issuer(free_port())
        yield loop.call(running.__aenter__())
        loop.call(running.__aexit__(None, None, None))


@pytest.fixture
def world(prepared: Besieged, tmp_path: Path) -> Iterator[tuple[Besieged, ScriptedIssuer]]:
    """Two workers, and an issuer where people sign in."""
    sekisho = prepared.copy(tmp_path, SEKISHO_SERVER__WORKERS="2")
    with issuer_in_a_thread() as issuer:
        corp = {"type": "oidc", "name": "corp", "issuer": issuer.url, "client_id": "sekisho"}
        providers = [{"type": "local", "name": "local"}, corp]
        with sekisho.config.open("a") as config:
            yaml.safe_dump({"providers": providers}, config)
        sekisho.start()
        yield sekisho, issuer
        assert sekisho.stop() == 0


def cookies(answer: Answer) -> dict[str, str]:
    """Those that a browser would send from now on."""
    found: list[str] = re.findall(r"__Host-[a-z-]+=[^;,\s]+", answer.headers["Set-Cookie"])
    return {"Cookie": "; ".join(one for one in found if not one.endswith('=""'))}


def come_back(leaving: Line, issuer: ScriptedIssuer) -> tuple[str, dict[str, str]]:
    """Leave for the issuer; the way back, and the cookies of the browser."""
    left = leaving.ask("GET", "/v1/login/corp/start")
    assert left.status == 303
    asked = dict(parse_qsl(urlsplit(left.headers["Location"]).query))
    issuer.token_answer = (
        200,
        {
            "access_token": "access-1",
            "token_type": "Bearer",
            "id_token": issuer.token(nonce=asked["nonce"]),
        },
    )
    query = urlencode({"code": "code-1", "state": asked["state"]})
    return f"/v1/login/corp/callback?{query}", cookies(left)


def test_who_leaves_from_one_worker_may_come_back_to_the_other_once(
    world: tuple[Besieged, ScriptedIssuer],
) -> None:
    sekisho, issuer = world
    with line_to_each(sekisho) as (one, other):
        back, brought = come_back(one, issuer)
        arrived = other.ask("GET", back, headers=brought)
        assert (arrived.status, arrived.headers["Location"]) == (303, "/")
        again = one.ask("GET", back, headers=brought)
        assert again.headers["Location"].startswith("/?signin=")
        me = one.ask("GET", "/v1/me", headers=cookies(arrived))
        assert (me.status, me.json()["username"]) == (200, "alice")
