# ruff: noqa: E501 (a line is a case)
"""What kubectl is asked, case by case: a sentence, and the commands of one after the other.

A case runs twice, each time in a namespace of its own; ``-f`` names a file in ``manifests``. In
``PODS`` there is a running pod ``worker`` besides. ``READING`` runs in a namespace of thousands of
ConfigMaps that nobody changes.
"""

MADE = "create configmap one --from-literal=key=value"

WRITING: dict[str, list[str]] = {
    "create and get": [MADE, "get configmap one", "get configmap one -o yaml", "get cm -o wide"],
    "create what is there": [MADE, MADE],
    "create --dry-run=server": ["create configmap one --dry-run=server -o yaml", "get cm one"],
    "create an invalid object": [
        "create -f map-invalid.yaml", "create --validate=false -f map-invalid.yaml",
    ],
    "create many kinds": [
        "create serviceaccount one", "create secret generic one --from-literal=a=b",
        "create role one --verb=get --resource=pods", "create quota one --hard=pods=7",
        "create rolebinding one --role=one --serviceaccount=default:one", "get role,rolebinding,sa,quota",
    ],
    "describe": [MADE, "describe configmap one", "describe sa default", "describe cm nothing"],
    "get as yaml, json, name, jsonpath and columns": [
        MADE, "get cm one -o yaml --show-managed-fields", "get cm one -o json", "get cm -o name",
        "get cm one -o jsonpath={.data.key}", "get cm one -o custom-columns=N:.metadata.name,D:.data",
    ],
    "get what is not there": ["get configmap nothing", "get nonsense", "get --raw /api/v1/nonsense"],
    "apply twice, client-side": [
        "apply -f map.yaml", "diff -f map-changed.yaml", "apply -f map-changed.yaml", "apply -f map-changed.yaml", "get cm applied -o yaml",
    ],
    "apply twice, server-side": ["apply --server-side -f map.yaml", "apply --server-side -f map-changed.yaml", "get cm applied -o yaml --show-managed-fields"],
    "apply server-side in a conflict": ["apply --server-side --field-manager=a -f map.yaml", "apply --server-side --field-manager=b -f map-changed.yaml", "apply --server-side --force-conflicts --field-manager=b -f map-changed.yaml"],
    "apply with --prune and kustomize": ["apply -k .", "apply -f map.yaml --prune -l app=one", "get cm -l app"],
    "patch in every way": [
        MADE, """patch cm one -p '{"data":{"key":"2"}}'""", """patch cm one --type=merge -p '{"data":{"key":null}}'""",
        """patch cm one --type=json -p '[{"op":"add","path":"/data","value":{"x":"y"}}]'""",
        """patch cm one --type=json -p '[{"op":"test","path":"/data/x","value":"z"}]'""", "get cm one -o yaml",
    ],
    "edit": [MADE, "edit configmap one", "get cm one -o yaml", "edit configmap nothing"],
    "replace": ["create -f map.yaml", "replace -f map-changed.yaml", "replace --force -f map.yaml", "get cm applied -o yaml"],
    "label, annotate and set": [MADE, "label cm one a=b", "label cm one a=c", "label cm one a=c --overwrite", "annotate cm one x=y", "get cm one -o yaml"],
    "delete": [MADE, "delete configmap one", "delete configmap one", "delete cm one --ignore-not-found", "delete cm -l app=none"],
    "scale, rollout history and undo": ["create -f deployment.yaml", "scale deployment web --replicas=0", "rollout history deployment/web", "rollout undo deployment/web", "rollout restart deployment/web", "get deployment web -o jsonpath={.spec.replicas}"],
    "rollout status of nothing to do": ["create deployment none --image=example.invalid/none --replicas=0", "rollout status deployment/none --timeout=20s"],
    "rollout status that gives up": [
        "create -f deployment.yaml",
        # Until then it would say so, and how often depends on how quick the controller is.
        "wait deployment/web --for=jsonpath={.status.updatedReplicas}=1 --timeout=60s",
        "rollout status deployment/web --timeout=2s",
    ],
    "wait that gives up": [MADE, "wait cm/one --for=jsonpath={.data.x}=1 --timeout=1s"],
    "wait for what is so already, and for deletion": [MADE, "wait cm/one --for=jsonpath={.data.key}=value --timeout=20s", "delete cm one --wait=false", "wait cm/one --for=delete --timeout=20s"],
    "label and field selectors": [
        "apply -f map.yaml", MADE, "get cm -l app=one", "get cm -l app!=one", "get cm -l 'app in (one,two)'",
        "get cm --field-selector=metadata.name=one", "get cm --field-selector=metadata.name!=one", "get cm --field-selector=data.key=1", "get cm -l 'app in'",
    ],
    "auth can-i": ["auth can-i create configmaps", "auth can-i delete nodes", "auth can-i --list", "auth can-i get /metrics"],
    "a token request": ["create token default --duration=1h --dry-run=server -o name", "create token nobody"],
    "api-resources and api-versions": ["api-resources", "api-resources --namespaced=false -o name", "api-versions"],
    "explain": ["explain deployment.spec", "explain pods.spec.containers --recursive", "explain nonsense"],
    "version and cluster-info": ["version", "version -o json", "get --raw /version", "get --raw /openapi/v3"],
    "top finds no metrics": ["top pods", "top nodes"],
    "events": ["create -f deployment.yaml", "events --for=configmap/one", "get events --field-selector=involvedObject.name=nothing"],
    "get -v=6": [MADE, "get configmap one -v=6"],
    "health": ["get --raw /healthz", "get --raw /readyz?verbose", "get --raw /livez/ping"],
}  # fmt: skip

PODS: dict[str, list[str]] = {
    "get and describe a pod": ["get pods", "get pod worker -o wide", "describe pod worker", "get pod worker -o yaml"],
    "exec": ["exec worker -- echo hello", "exec worker -c main -- sh -c 'echo no >&2; exit 42'", "exec worker -- /nonexistent", "exec nobody -- true", "exec worker -c none -- true"],
    "exec of many bytes": ["exec worker -- sh -c 'head -c 3000000 /dev/zero | tr \\0 x | sha256sum'", "exec worker -- head -c 300000 /dev/zero"],
    "logs": ["logs worker", "logs worker --tail=1", "logs worker --timestamps=false --limit-bytes=4", "logs nobody", "logs worker -c none"],
    "delete a pod": ["delete pod worker --grace-period=0 --force", "get pods"],
    "a pod's ephemeral container is asked for": ["debug worker --image=example.invalid/none --target=main -c dbg --quiet --attach=false", "get pod worker -o jsonpath={.spec.ephemeralContainers[0].name}"],
}  # fmt: skip

READING: dict[str, list[str]] = {
    "a list of thousands, in chunks": ["get cm -o name"],
    "a list of thousands in one piece": ["get cm --chunk-size=0 -l parity=odd"],
    "raw": ["get --raw /api/v1/namespaces/shared/configmaps/many-00003"],
    "a sorted list": ["get cm -l parity=even --sort-by={.metadata.name} -o name"],
}  # fmt: skip

IMPERSONATING: dict[str, list[str]] = {
    "--as": ["get configmaps --as=jane", "auth can-i create pods --as=jane", "auth can-i --list --as=jane --as-group=dev"],
    "--as with a group and uid": ["get nodes --as=jane --as-group=dev --as-group=ops --as-uid=7"],
    "--as a service account": ["auth can-i get pods --as=system:serviceaccount:default:default", "get pods --as=system:serviceaccount:default:default"],
}  # fmt: skip
"""For alice, who may impersonate anybody. carol may not: each of them is refused."""
