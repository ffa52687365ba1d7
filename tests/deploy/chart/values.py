"""Values of the chart, as operators combine them."""

from typing import Any

Values = dict[str, Any]

FROM_PROMETHEUS = [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]
FROM_INGRESS = [{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}]

SQLITE: Values = {
    "externalUrl": "https://sekisho.example.com",
    "images": {"registry": "registry.example.com/platform"},
}

POSTGRESQL: Values = {
    **SQLITE,
    "replicas": 3,
    "database": {"type": "postgresql", "postgresql": {"urlSecret": {"name": "database"}}},
    "encryption": {"secret": {"name": "encryption"}},
    "tls": {"source": "certManager", "certManager": {"issuerRef": {"name": "public"}}},
}

OIDC = {
    "type": "oidc",
    "name": "corp",
    "issuer": "https://issuer.example.com",
    "client_id": "sekisho",
    "secrets": {"client_secret": {"secret": "corp", "key": "client-secret"}},
}

TERMINATED: Values = {
    "server": {"trustedProxies": ["10.0.0.0/8"]},
    "networkPolicy": {"clientsFrom": FROM_INGRESS},
}

MATRIX: dict[str, Values] = {
    "sqlite": SQLITE,
    "sqlite, given keys and certificate, own network": {
        **SQLITE,
        "encryption": {"secret": {"name": "encryption", "key": "current"}},
        "tls": {"source": "secret", "secret": "server", "ca": {"configMap": "public-ca"}},
        "service": {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "port": 8443},
        "networkPolicy": {"egress": [{"ports": [{"port": 53, "protocol": "UDP"}]}]},
        "database": {"sqlite": {"existingClaim": "kept"}},
        "controllers": {"mode": "none"},
        "images": {"registry": "localhost:5000", "sekisho": {"digest": f"sha256:{'a' * 64}"}},
    },
    "sqlite with backups in a given volume": {
        **SQLITE,
        "backup": {
            "enabled": True,
            "schedule": "@hourly",
            "keepDays": 7,
            "auditEvents": False,
            "passphraseSecret": {"name": "backup", "key": "words"},
            "volume": {"existingClaim": "nfs"},
        },
    },
    "no network policy": {
        **SQLITE,
        "networkPolicy": {"enabled": False},
        "metrics": {"enabled": False},
        "serviceAccount": {"create": False},
    },
    "no network policy, metrics with a token": {
        **SQLITE,
        "networkPolicy": {"enabled": False},
        "metrics": {"token": {"secret": "scrape", "key": "token"}},
    },
    "postgresql": POSTGRESQL,
    "everything": {
        **POSTGRESQL,
        "images": {**SQLITE["images"], "pullSecrets": ["registry"]},
        "database": {
            "type": "postgresql",
            "postgresql": {"urlSecret": {"name": "database"}, "ca": {"secret": "database-ca"}},
        },
        "migrations": {"mode": "job"},
        "backup": {"enabled": True, "passphraseSecret": {"name": "backup"}},
        "tls": {"source": "certManager", "certManager": {"createCa": True}},
        "server": {"workers": 2},
        "controllers": {"mode": "separate"},
        "providers": [{"type": "local", "name": "local"}, OIDC],
        "config": {"server": {"idle_timeout": "60s"}, "log": {"level": "warning"}},
        "ingress": {"enabled": True},
        "gateway": {"enabled": True, "parentRefs": [{"name": "public"}]},
        "networkPolicy": {"metricsFrom": FROM_PROMETHEUS},
        "metrics": {"tls": True, "token": {"secret": "scrape"}},
        "monitoring": {
            "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "rules": {"enabled": True},
            "dashboards": {"enabled": True},
        },
        "autoscaling": {"enabled": True, "overloaded": {"enabled": True}},
        "externalSecrets": {
            "secrets": [
                {"name": "database", "data": [{"secretKey": "url", "remoteRef": {"key": "db"}}]}
            ],
            "storeRef": {"name": "vault"},
        },
        "podAnnotations": {"example.com/owner": "platform"},
        "podLabels": {"team": "platform"},
        "commonLabels": {"example.com/part": "access"},
        "env": [{"name": "SSL_CERT_DIR", "value": "/etc/certificates"}],
        "extraVolumes": [{"name": "more", "configMap": {"name": "more"}}],
        "extraVolumeMounts": [{"name": "more", "mountPath": "/etc/certificates"}],
        "tolerations": [{"key": "example.com/infra", "operator": "Exists"}],
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "priorityClassName": "system-cluster-critical",
    },
    "ingress that ends TLS, plain behind it": {
        **POSTGRESQL,
        **TERMINATED,
        "tls": {"source": "none", "ca": {"secret": "private-ca"}},
        "ingress": {"enabled": True, "mode": "terminate", "tlsSecret": "public"},
    },
    "ingress that ends TLS, TLS behind it": {
        **POSTGRESQL,
        **TERMINATED,
        "ingress": {
            "enabled": True,
            "mode": "terminate",
            "tlsSecret": "public",
            "backendCaSecret": "sekisho/server-ca",
        },
    },
    "gateway that ends TLS, TLS behind it": {
        **POSTGRESQL,
        **TERMINATED,
        "gateway": {
            "enabled": True,
            "mode": "terminate",
            "parentRefs": [{"name": "public", "namespace": "gateways"}],
            "backendCaConfigMap": "server-ca",
        },
    },
    "gateway that ends TLS, plain behind it": {
        **POSTGRESQL,
        **TERMINATED,
        "tls": {"source": "none"},
        "server": {"trustedProxies": ["10.0.0.0/8"], "workers": "auto"},
        "gateway": {"enabled": True, "mode": "terminate", "parentRefs": [{"name": "public"}]},
    },
}
"""Combinations that the chart accepts."""


def changed(values: Values, path: str, value: object) -> Values:
    """Return values with another one at a dotted path."""
    name, _, rest = path.partition(".")
    inner = values.get(name, {})
    return {**values, name: changed(inner, rest, value) if rest else value}
