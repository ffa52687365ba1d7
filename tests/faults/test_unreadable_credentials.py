"""A stored credential that cannot be decrypted disables its cluster, and no other."""

import sqlite3
from contextlib import closing
from pathlib import Path

from proxy.transport.certificates import KeyPair
from tests.faults.conftest import FaultSekisho
from tests.support.scripted_api_server import ScriptedApiServer, issue
from tests.support.waiting import wait_until


def test_undecryptable_credential_disables_only_its_cluster_at_start_and_on_changes(
    prepared: FaultSekisho, authority: KeyPair, tmp_path: Path
) -> None:
    sekisho = prepared.copy(tmp_path)
    with ScriptedApiServer(issue(authority)) as api_server:
        for name in ("closed", "good"):
            sekisho.put_cluster(name, [api_server.url], authority.certificate_pem)
        [database] = (tmp_path / "data").glob("*.db")

        def stored(statement: str, *values: object) -> list[tuple[bytes]]:
            with closing(sqlite3.connect(database)) as connection, connection:
                return connection.execute(statement, values).fetchall()

        token = "SELECT impersonator_token FROM clusters WHERE name = ?"
        [(kept,)] = stored(token, "closed")
        [(foreign,)] = stored(token, "good")
        changing = "UPDATE clusters SET impersonator_token = ? WHERE name = ?"
        stored(changing, foreign, "closed")
        sekisho.start()
        try:

            def status(name: str) -> int:
                return sekisho.request(
                    "GET", f"/k8s/clusters/{name}/api", token=sekisho.root
                ).status

            def patch(username_mapping: str) -> None:
                answer = sekisho.request(
                    "PATCH",
                    "/v1/clusters/closed",
                    token=sekisho.root,
                    body={"username_mapping": username_mapping},
                )
                assert answer.status == 200, answer.body

            assert (status("closed"), status("good")) == (503, 200)
            refused = sekisho.request("GET", "/k8s/clusters/closed/api", token=sekisho.root)
            assert "credential for it cannot be decrypted" in refused.json()["message"]
            assert "Retry-After" not in refused.headers
            assert "stored for another place" in sekisho.log
            listed = sekisho.request("GET", "/v1/clusters", token=sekisho.root).json()["items"]
            reasons = {
                one["name"]: [
                    condition["reason"]
                    for condition in (one.get("status") or {}).get("conditions", [])
                    if condition["type"] == "CredentialReadable"
                ]
                for one in listed
            }
            assert reasons == {"closed": ["Undecryptable"], "good": []}
            answer = sekisho.request("DELETE", "/v1/clusters/closed", token=sekisho.root)
            assert answer.status == 409

            patch("username")
            assert stored(token, "closed") == [(foreign,)]
            assert (status("closed"), status("good")) == (503, 200)

            stored(changing, kept, "closed")
            patch("id")
            wait_until(lambda: status("closed") == 200, 30)

            stored(changing, foreign, "closed")
            patch("username")
            wait_until(lambda: status("closed") == 503, 30)
            assert status("good") == 200
        finally:
            sekisho.stop()
