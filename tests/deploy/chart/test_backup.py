"""The chart's CronJob: its Pod runs, and what it writes is a backup of the database."""

import secrets
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

from proxy.backup.scheduled import LEAST_KEPT
from proxy.transport.certificates import create_authority, issue_server
from tests.deploy.chart.values import POSTGRESQL
from tests.support.helm import Helm
from tests.support.rendered_pod import pod_of


def test_backup_pod_writes_verified_backup_and_deletes_old_one(
    helm: Helm, postgres_database: str, tmp_path: Path
) -> None:
    now, day = datetime.now(UTC), timedelta(days=1)
    authority = create_authority("test", lifetime=day, now=now)
    server = issue_server(authority, common_name="a", names=["a"], lifetime=day, now=now)
    contents = {
        "database": {"url": postgres_database},
        "encryption": {"keys": b64encode(secrets.token_bytes(32)).decode() + "\n"},
        "sekisho-tls": {
            "tls.crt": server.certificate_pem.decode(),
            "tls.key": server.key_pem.decode(),
        },
        "backup": {"passphrase": "a passphrase of the test\n"},
    }
    values = {**POSTGRESQL, "backup": {"enabled": True, "passphraseSecret": {"name": "backup"}}}
    objects = helm.objects(values)
    pod = pod_of(objects, "CronJob", "sekisho-backup", tmp_path / "pod", contents)
    pod.run("admin", "db", "upgrade")
    backups = pod.folder / "backups"
    old = [backups / f"sekisho-2020010{one}T000000Z.backup" for one in range(1, LEAST_KEPT + 1)]
    for one in old:
        one.touch()
    pod.run_to_its_end()
    [made] = set(backups.iterdir()) - set(old)
    assert not old[0].exists()
    assert old[1].exists()
    verified = pod.run("admin", "backup", "--verify", str(made))
    assert "is complete and genuine" in verified
    assert server.key_pem not in made.read_bytes()


def test_events_of_the_audit_search_are_left_out_on_request(helm: Helm) -> None:
    for given in (True, False):
        backup = {"enabled": True, "passphraseSecret": {"name": "backup"}, "auditEvents": given}
        objects = helm.objects({**POSTGRESQL, "backup": backup})
        [job] = [one for one in objects if one["kind"] == "CronJob"]
        [container] = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        assert ("--without-audit" in container["args"]) is not given
