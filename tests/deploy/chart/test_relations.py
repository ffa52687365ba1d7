"""Values that fit the schema one by one, but not each other: each relation has one sentence."""

import json
import re
from typing import Any

import pytest

from tests.deploy.chart.values import MATRIX, OIDC, POSTGRESQL, SQLITE, changed
from tests.support.helm import CHART, Helm, Refused

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
RELATIONS = (CHART / "templates" / "_relations.tpl").read_text()
EVERYTHING = MATRIX["everything"]
LOCAL = {"type": "local", "name": "local"}
SECRET = {"name": "a", "data": [{"secretKey": "url", "remoteRef": {"key": "x"}}]}


def scaled(**settings: object) -> dict[str, Any]:
    return changed(POSTGRESQL, "autoscaling", {"enabled": True, **settings})


def budget(pods: int, away: int | str) -> dict[str, Any]:
    return changed(
        changed(POSTGRESQL, "replicas", pods), "podDisruptionBudget.maxUnavailable", away
    )


def limited(place: str, name: str, request: object, limit: object) -> dict[str, Any]:
    given = {"requests": {name: request}, "limits": {name: limit}}
    return changed(POSTGRESQL, place, given)


REFUSED = {
    "fewest pods over most": (
        scaled(minReplicas=5, maxReplicas=3),
        "autoscaling.minReplicas (5) is greater than autoscaling.maxReplicas (3)",
    ),
    "scaling by an unknown part": (
        changed(scaled(), "resources", {"requests": {"cpu": None}}),
        "autoscaling.cpuUtilization is a part of resources.requests.cpu, which is missing",
    ),
    "all pods away": (budget(2, 2), "podDisruptionBudget.maxUnavailable (2) lets all 2 pods"),
    "all pods away, in percent": (budget(3, "67%"), "maxUnavailable (67%) lets all 3 pods be away"),
    "all scaled pods away": (
        changed(scaled(minReplicas=2), "podDisruptionBudget.maxUnavailable", 2),
        "lets all 2 pods be away",
    ),
    "long renewal": (
        changed(POSTGRESQL, "tls.certManager.renewBefore", "2159h60m"),
        "tls.certManager.renewBefore (2159h60m) is not shorter than tls.certManager.duration",
    ),
    "certificate of another source": (
        changed(SQLITE, "tls.secret", "server"),
        "tls.secret is given, but tls.source is sekisho",
    ),
    "certificate and cert-manager": (
        changed(POSTGRESQL, "tls.secret", "server"),
        "tls.secret is given, but tls.source is certManager",
    ),
    "CA of another source": (
        changed(SQLITE, "tls.certManager.createCa", True),
        "tls.certManager.createCa is set, but tls.source is sekisho",
    ),
    "issuer and CA": (
        changed(POSTGRESQL, "tls.certManager.createCa", True),
        "tls.certManager.issuerRef.name is given, but",
    ),
    "issuer of another source": (
        changed(SQLITE, "tls.certManager.issuerRef.name", "public"),
        "tls.certManager.issuerRef.name is given, but",
    ),
    "two CAs of clients": (
        changed(EVERYTHING, "tls.ca.secret", "other"),
        "createCa makes the CA, and tls.ca names another",
    ),
    "CA in a Secret and a ConfigMap": (
        changed(SQLITE, "tls.ca", {"secret": "a", "configMap": "b"}),
        "tls.ca.secret and tls.ca.configMap are both given",
    ),
    "database's CA in both": (
        changed(POSTGRESQL, "database.postgresql.ca", {"secret": "a", "configMap": "b"}),
        "database.postgresql.ca.secret and database.postgresql.ca.configMap are both given",
    ),
    "traffic policy without a port outside": (
        changed(SQLITE, "service.externalTrafficPolicy", "Local"),
        "service.externalTrafficPolicy is given, but service.type is ClusterIP",
    ),
    "ranges without a load balancer": (
        changed(
            SQLITE, "service", {"type": "NodePort", "loadBalancerSourceRanges": ["10.0.0.0/8"]}
        ),
        "service.loadBalancerSourceRanges restricts nothing, because service.type is NodePort",
    ),
    "Ingress of an address": (
        changed(changed(SQLITE, "externalUrl", "https://10.1.2.3"), "ingress.enabled", True),
        "externalUrl (https://10.1.2.3) has an IP address",
    ),
    "label of pods and of all": (
        changed(changed(SQLITE, "podLabels", {"team": "a"}), "commonLabels", {"team": "b"}),
        "podLabels and commonLabels both have team",
    ),
    "annotation of the chart": (
        changed(SQLITE, "podAnnotations", {"checksum/config": "x"}),
        "podAnnotations has checksum/config, which the chart sets",
    ),
    "mount without a volume": (
        changed(SQLITE, "extraVolumeMounts", [{"name": "more", "mountPath": "/more"}]),
        "extraVolumeMounts mounts more, which is no volume of extraVolumes",
    ),
}

for place in ("resources", "controllers.resources", "backup.resources"):
    for name, request, limit in (
        ("memory", "2Gi", "1Gi"),
        ("memory", "1025Mi", "1Gi"),
        ("cpu", 2, "1500m"),
        ("cpu", "1001m", 1),
        ("ephemeral-storage", "1e+10", "1G"),
        ("memory", "1Gi", 1000000000),
    ):
        REFUSED[f"{place} {name} {request} of {limit}"] = (
            limited(place, name, request, limit),
            f"{place}.requests.{name} ({request}) is more than {place}.limits.{name}",
        )
    for kind in ("requests", "limits"):
        REFUSED[f"negative {place}.{kind}"] = (
            changed(POSTGRESQL, f"{place}.{kind}", {"memory": "-1Gi"}),
            f"{place}.{kind}.memory (-1Gi) is no amount",
        )

REPEATED: dict[str, tuple[str, list[Any], str]] = {
    "providers": (
        "providers",
        [LOCAL, {**OIDC, "name": "local"}],
        "two entries with the name local",
    ),
    "volumes": ("extraVolumes", [{"name": "a"}, {"name": "a"}], "two entries with the name a"),
    "volume of the chart": ("extraVolumes", [{"name": "tmp"}], "two entries with the name tmp"),
    "volume of backups": ("extraVolumes", [{"name": "backups"}], "with the name backups"),
    "mount of the chart": (
        "extraVolumeMounts",
        [{"name": "tmp", "mountPath": "/var/lib/sekisho"}],
        "two entries with the mountPath /var/lib/sekisho",
    ),
    "variables": (
        "env",
        [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}],
        "two entries with the name A",
    ),
    "variable of the chart": (
        "env",
        [{"name": "SEKISHO_CONFIG", "value": "/x"}],
        "two entries with the name SEKISHO_CONFIG",
    ),
    "pull secrets": ("images.pullSecrets", ["a", "a"], "two entries with the name a"),
    "Gateways": ("gateway.parentRefs", [{"name": "a"}, {"name": "a"}], "two entries with the"),
    "external secrets": (
        "externalSecrets",
        {"secrets": [SECRET, SECRET], "storeRef": {"name": "vault"}},  # type: ignore[dict-item]
        "externalSecrets.secrets has two entries with the name a",
    ),
    "keys of an external secret": (
        "externalSecrets",
        {  # type: ignore[dict-item]
            "secrets": [{**SECRET, "data": [*SECRET["data"], *SECRET["data"]]}],
            "storeRef": {"name": "vault"},
        },
        "externalSecrets.secrets a has two entries with the secretKey url",
    ),
}

NOT_REPEATED = {
    "tolerations",  # several of one key are valid
    "topologySpreadConstraints",  # Kubernetes' own, with a key of two fields
    "server.trustedProxies",  # networks, without a name
    "service.loadBalancerSourceRanges",
    "networkPolicy.clientsFrom",  # rules, without a name
    "networkPolicy.metricsFrom",
    "networkPolicy.egress",
}
"""Lists of values whose entries have no name that must be unique."""


@pytest.mark.parametrize("what", REFUSED)
def test_values_that_contradict_each_other_are_refused_in_one_sentence(
    helm: Helm, what: str
) -> None:
    values, message = REFUSED[what]
    with pytest.raises(Refused, match=re.escape(message)) as caught:
        helm.text(values)
    assert len(caught.value.args[0].strip().splitlines()) <= 3


@pytest.mark.parametrize("what", REPEATED)
def test_repeated_names_in_a_list_are_refused(helm: Helm, what: str) -> None:
    path, value, message = REPEATED[what]
    with pytest.raises(Refused, match=re.escape(message)):
        helm.text(changed(SQLITE, path, value))


def test_every_list_of_the_values_is_checked_for_repetition_or_has_no_names() -> None:
    checked = {path for path, _, _ in REPEATED.values()}
    found = set(_lists(SCHEMA, ""))
    inner = {"externalSecrets.secrets"}  # covers "externalSecrets"
    assert found - inner - NOT_REPEATED == checked - {"externalSecrets"}


def test_every_relation_of_the_template_is_tested() -> None:
    relations = RELATIONS.partition('define "sekisho.unique"')[0]
    sentences = re.findall(r'fail (?:\(printf )?"(.+?)"', relations)
    assert len(sentences) > 15
    messages = [message for _, message in REFUSED.values()]
    for sentence in sentences:
        shown = [one for one in messages if _agrees(sentence, one)]
        assert shown, f"no test has: {sentence}"


def _agrees(sentence: str, message: str) -> bool:
    """Return whether a part of the message is in the sentence, without what is filled in."""
    parts = [one for one in re.split(r"%[vsd]", sentence) if len(one) > 8]
    return any(part[:12] in message for part in parts)


@pytest.mark.parametrize(
    "values",
    [
        limited("resources", "cpu", "1000m", 1),
        limited("resources", "memory", "1024Mi", "1Gi"),
        limited("resources", "memory", 0, "1Gi"),
        limited("backup.resources", "ephemeral-storage", "1e3", "1k"),
        budget(3, "66%"),
        budget(2, 1),
        budget(2, 0),
        scaled(minReplicas=3, maxReplicas=3),
        changed(changed(SQLITE, "externalUrl", "https://10.1.2.3:8443"), "replicas", 1),
        changed(POSTGRESQL, "tls.certManager.renewBefore", "2159h59m"),
    ],
)
def test_values_at_the_limit_of_a_relation_are_accepted(helm: Helm, values: dict[str, Any]) -> None:
    assert helm.objects(values)


def _lists(schema: dict[str, Any], at: str) -> list[str]:
    """Return the paths of all lists outside the server's own configuration."""
    found = []
    for name, inner in schema.get("properties", {}).items():
        if inner is False or at + name == "config":
            continue
        if inner.get("type") == "array":
            found.append(at + name)
        found += _lists(inner, f"{at}{name}.")
    return found
