# ruff: noqa: E501 (a line is a case)
"""kubectl test cases: a name, and the commands that run in order.

Each case runs twice, in two new namespaces. ``-f`` names a file in ``manifests``. ``POD_CASES`` also
have a running pod ``worker``. ``READ_CASES`` run in a namespace with thousands of ConfigMaps that do
not change.
"""

CREATE_ONE = "create configmap one --from-literal=key=value"

WRITE_CASES: dict[str, list[str]] = {
    "create and get": [CREATE_ONE, "get configmap one", "get configmap one -o yaml", "get cm -o wide"],
    "create an existing object": [CREATE_ONE, CREATE_ONE],
    "create --dry-run=server": ["create configmap one --dry-run=server -o yaml", "get cm one"],
    "create an invalid object": [
        "create -f map-invalid.yaml", "create --validate=false -f map-invalid.yaml",
    ],
    "create many kinds": [
        "create serviceaccount one", "create secret generic one --from-literal=a=b",
        "create role one --verb=get --resource=pods", "create quota one --hard=pods=7",
        "create rolebinding one --role=one --serviceaccount=default:one", "get role,rolebinding,sa,quota",
    ],
    "describe": [CREATE_ONE, "describe configmap one", "describe sa default", "describe cm missing"],
    "get as yaml, json, name, jsonpath and columns": [
        CREATE_ONE, "get cm one -o yaml --show-managed-fields", "get cm one -o json", "get cm -o name",
        "get cm one -o jsonpath={.data.key}", "get cm one -o custom-columns=N:.metadata.name,D:.data",
    ],
    "get a missing object": ["get configmap missing", "get nonsense", "get --raw /api/v1/nonsense"],
    "apply twice, client-side": [
        "apply -f map.yaml", "diff -f map-changed.yaml", "apply -f map-changed.yaml", "apply -f map-changed.yaml", "get cm applied -o yaml",
    ],
    "apply twice, server-side": ["apply --server-side -f map.yaml", "apply --server-side -f map-changed.yaml", "get cm applied -o yaml --show-managed-fields"],
    "apply server-side with a conflict": ["apply --server-side --field-manager=a -f map.yaml", "apply --server-side --field-manager=b -f map-changed.yaml", "apply --server-side --force-conflicts --field-manager=b -f map-changed.yaml"],
    "apply with --prune and kustomize": ["apply -k .", "apply -f map.yaml --prune -l app=one", "get cm -l app"],
    "patch with every type": [
        CREATE_ONE, """patch cm one -p '{"data":{"key":"2"}}'""", """patch cm one --type=merge -p '{"data":{"key":null}}'""",
        """patch cm one --type=json -p '[{"op":"add","path":"/data","value":{"x":"y"}}]'""",
        """patch cm one --type=json -p '[{"op":"test","path":"/data/x","value":"z"}]'""", "get cm one -o yaml",
    ],
    "edit": [CREATE_ONE, "edit configmap one", "get cm one -o yaml", "edit configmap missing"],
    "replace": ["create -f map.yaml", "replace -f map-changed.yaml", "replace --force -f map.yaml", "get cm applied -o yaml"],
    "label, annotate and set": [CREATE_ONE, "label cm one a=b", "label cm one a=c", "label cm one a=c --overwrite", "annotate cm one x=y", "get cm one -o yaml"],
    "delete": [CREATE_ONE, "delete configmap one", "delete configmap one", "delete cm one --ignore-not-found", "delete cm -l app=none"],
    "scale, rollout history and undo": ["create -f deployment.yaml", "scale deployment web --replicas=0", "rollout history deployment/web", "rollout undo deployment/web", "rollout restart deployment/web", "get deployment web -o jsonpath={.spec.replicas}"],
    "rollout status of an unchanged deployment": ["create deployment none --image=example.invalid/none --replicas=0", "rollout status deployment/none --timeout=120s"],
    "rollout status that times out": [
        "create -f deployment.yaml",
        # Otherwise kubectl reports the wait, a number of times that depends on the controller's speed.
        "wait deployment/web --for=jsonpath={.status.updatedReplicas}=1 --timeout=60s",
        "rollout status deployment/web --timeout=2s",
    ],
    "wait that times out": [CREATE_ONE, "wait cm/one --for=jsonpath={.data.x}=1 --timeout=1s"],
    "wait for a condition that holds, and for deletion": [CREATE_ONE, "wait cm/one --for=jsonpath={.data.key}=value --timeout=120s", "delete cm one --wait=false", "wait cm/one --for=delete --timeout=120s"],
    "label and field selectors": [
        "apply -f map.yaml", CREATE_ONE, "get cm -l app=one", "get cm -l app!=one", "get cm -l 'app in (one,two)'",
        "get cm --field-selector=metadata.name=one", "get cm --field-selector=metadata.name!=one", "get cm --field-selector=data.key=1", "get cm -l 'app in'",
    ],
    "auth can-i": ["auth can-i create configmaps", "auth can-i delete nodes", "auth can-i --list", "auth can-i get /metrics"],
    "a token request": ["create token default --duration=1h --dry-run=server -o name", "create token missing"],
    "api-resources and api-versions": ["api-resources", "api-resources --namespaced=false -o name", "api-versions"],
    "explain": ["explain deployment.spec", "explain pods.spec.containers --recursive", "explain nonsense"],
    "version and cluster-info": ["version", "version -o json", "get --raw /version", "get --raw /openapi/v3"],
    "top without metrics": ["top pods", "top nodes"],
    "events": ["create -f deployment.yaml", "events --for=configmap/one", "get events --field-selector=involvedObject.name=missing"],
    "get -v=6": [CREATE_ONE, "get configmap one -v=6"],
    "health": ["get --raw /healthz", "get --raw /readyz?verbose", "get --raw /livez/ping"],
}  # fmt: skip

POD_CASES: dict[str, list[str]] = {
    "get and describe a pod": ["get pods", "get pod worker -o wide", "describe pod worker", "get pod worker -o yaml"],
    "exec": ["exec worker -- echo hello", "exec worker -c main -- sh -c 'echo no >&2; exit 42'", "exec worker -- /nonexistent", "exec missing -- true", "exec worker -c none -- true"],
    "exec with large output": ["exec worker -- sh -c 'head -c 3000000 /dev/zero | tr \\0 x | sha256sum'", "exec worker -- head -c 300000 /dev/zero"],
    "logs": ["logs worker", "logs worker --tail=1", "logs worker --timestamps=false --limit-bytes=4", "logs missing", "logs worker -c none"],
    "delete a pod": ["delete pod worker --grace-period=0 --force", "get pods"],
    "create an ephemeral container": ["debug worker --image=example.invalid/none --target=main -c dbg --quiet --attach=false", "get pod worker -o jsonpath={.spec.ephemeralContainers[0].name}"],
}  # fmt: skip

READ_CASES: dict[str, list[str]] = {
    "a large list in chunks": ["get cm -o name"],
    "a large list without chunks": ["get cm --chunk-size=0 -l parity=odd"],
    "raw": ["get --raw /api/v1/namespaces/shared/configmaps/many-00003"],
    "a sorted list": ["get cm -l parity=even --sort-by={.metadata.name} -o name"],
}  # fmt: skip

IMPERSONATION_CASES: dict[str, list[str]] = {
    "--as": ["get configmaps --as=jane", "auth can-i create pods --as=jane", "auth can-i --list --as=jane --as-group=dev"],
    "--as with a group and uid": ["get nodes --as=jane --as-group=dev --as-group=ops --as-uid=7"],
    "--as a service account": ["auth can-i get pods --as=system:serviceaccount:default:default", "get pods --as=system:serviceaccount:default:default"],
}  # fmt: skip
"""alice may impersonate any user. carol may not, so each command is forbidden."""
