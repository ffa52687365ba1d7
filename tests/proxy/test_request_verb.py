"""The Kubernetes verb of a request."""

import pytest

from proxy.request_verb import verb_of


@pytest.mark.parametrize(
    ("method", "target", "verb"),
    [
        ("GET", "/api/v1/pods", "list"),
        ("GET", "/api/v1/pods?limit=500", "list"),
        ("GET", "/api/v1/pods?watch=true", "watch"),
        ("GET", "/api/v1/pods?limit=1&watch=1&x=y", "watch"),
        ("GET", "/api/v1/pods?watch=false", "list"),
        ("GET", "/api/v1/pods?labelSelector=watch%3D1", "list"),
        ("GET", "/api/v1/namespaces/default/pods", "list"),
        ("GET", "/api/v1/namespaces/default/pods/web", "get"),
        ("GET", "/api/v1/namespaces/default/pods/web/log?follow=true", "get"),
        ("GET", "/api/v1/namespaces/default", "get"),
        ("GET", "/api/v1/namespaces", "list"),
        ("GET", "/apis/apps/v1/deployments", "list"),
        ("GET", "/apis/apps/v1/namespaces/x/deployments/y/scale", "get"),
        ("GET", "/version", "get"),
        ("GET", "/", "get"),
        ("POST", "/api/v1/pods", "create"),
        ("PUT", "/x", "update"),
        ("PATCH", "/x", "patch"),
        ("DELETE", "/x", "delete"),
        ("HEAD", "/x", "head"),
        ("BREW", "/x", "other"),
    ],
)
def test_a_request_is_called_what_the_api_server_calls_it(
    method: str, target: str, verb: str
) -> None:
    assert verb_of(method, target) == verb
