"""A cluster with as many connections as it may have."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from proxy.certificates import KeyPair
from tests.faults.conftest import Besieged
from tests.faults.test_broken_answers import assert_status, errors
from tests.parts.scripted_master import Asked, ScriptedMaster, answering, issue
from tests.parts.vitals import assert_no_more_than, resting, until

PATH = "/k8s/clusters/scripted"


def test_one_request_too_many_is_told_to_come_back_and_others_finish(
    prepared: Besieged, authority: KeyPair, tmp_path: Path
) -> None:
    go_on = False

    async def slow(asked: Asked) -> None:
        while not go_on:
            await asyncio.sleep(0.02)
        await answering(b"done")(asked)

    limits = {
        "SEKISHO_GATE__MAX_CONNECTIONS_PER_CLUSTER": "2",
        "SEKISHO_GATE__RESPONSE_HEAD_TIMEOUT": "60s",
    }
    sekisho = prepared.copy(tmp_path, **limits)
    with ScriptedMaster(issue(authority)) as master, ThreadPoolExecutor(2) as clients:
        master.scripts["/slow"] = slow
        sekisho.put_cluster("scripted", [master.url], authority.certificate_pem)
        sekisho.start()
        try:
            before = resting(sekisho)
            slow_ones = [
                clients.submit(sekisho.ask, "GET", f"{PATH}/slow", token=sekisho.root)
                for _ in range(2)
            ]
            until(lambda: master.asked.count("GET /slow") == 2, 30)
            answer = sekisho.ask("GET", f"{PATH}/fine", token=sekisho.root)
            assert_status(answer, 429, "TooManyRequests")
            assert int(answer.headers["Retry-After"]) > 0
            assert errors(sekisho, "exhausted") == 1
            go_on = True
            assert [one.result().body for one in slow_ones] == [b"done"] * 2
            assert sekisho.ask("GET", f"{PATH}/fine", token=sekisho.root).status == 200
            assert_no_more_than(before, sekisho)
        finally:
            go_on = True
            assert sekisho.stop() == 0
