"""A cluster at its connection limit."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from proxy.transport.certificates import KeyPair
from tests.faults.conftest import FaultSekisho
from tests.faults.test_broken_answers import assert_status, errors
from tests.support.open_resources import assert_released, idle_resources
from tests.support.scripted_api_server import (
    ReceivedRequest,
    ScriptedApiServer,
    issue,
    respond_json,
)
from tests.support.waiting import wait_until

PATH = "/k8s/clusters/scripted"


def test_request_over_the_connection_limit_gets_retry_after_and_others_finish(
    prepared: FaultSekisho, authority: KeyPair, tmp_path: Path
) -> None:
    go_on = False

    async def slow(received: ReceivedRequest) -> None:
        while not go_on:
            await asyncio.sleep(0.02)
        await respond_json(b"done")(received)

    limits = {
        "SEKISHO_UPSTREAM__MAX_CONNECTIONS_PER_CLUSTER": "2",
        "SEKISHO_UPSTREAM__RESPONSE_HEAD_TIMEOUT": "60s",
    }
    sekisho = prepared.copy(tmp_path, **limits)
    with ScriptedApiServer(issue(authority)) as api_server, ThreadPoolExecutor(2) as clients:
        api_server.scripts["/slow"] = slow
        sekisho.put_cluster("scripted", [api_server.url], authority.certificate_pem)
        sekisho.start()
        try:
            before = idle_resources(sekisho)
            slow_ones = [
                clients.submit(sekisho.request, "GET", f"{PATH}/slow", token=sekisho.root)
                for _ in range(2)
            ]
            wait_until(lambda: api_server.received.count("GET /slow") == 2, 30)
            answer = sekisho.request("GET", f"{PATH}/fine", token=sekisho.root)
            assert_status(answer, 429, "TooManyRequests")
            assert int(answer.headers["Retry-After"]) > 0
            assert errors(sekisho, "exhausted") == 1
            go_on = True
            assert [one.result().body for one in slow_ones] == [b"done"] * 2
            assert sekisho.request("GET", f"{PATH}/fine", token=sekisho.root).status == 200
            assert_released(before, sekisho)
        finally:
            go_on = True
            assert sekisho.stop() == 0
