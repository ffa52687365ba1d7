"""An admission policy of the management cluster whose refusals repeat a variable's value.

Policies of operators (Kyverno, Gatekeeper) and an engine's own webhooks do that. The value of the
variable ``fail`` decides what is refused: ``at-once`` every write, ``later`` every write but a dry
run, and ``locked`` changes and deletions by Sekisho.
"""

from typing import Any

from tests.support.capi.standin_kinds import NAMESPACE

NAME = "repeats-values"

_VALUE = (
    "has(variables.subject.spec.topology.variables) ? "
    "variables.subject.spec.topology.variables.filter(v, v.name == 'fail')"
    ".map(v, string(dyn(v.value))) : []"
)


def repeating_policy(sentinel: str) -> list[dict[str, Any]]:
    """Return the policy and its binding. It applies to values that contain ``sentinel``."""

    def has(word: str) -> str:
        return f"variables.values.exists(v, v.contains('{word}-{sentinel}'))"

    by_sekisho = "request.userInfo.username.endsWith(':sekisho-provisioner')"
    refusals = [
        has("at-once"),
        f"request.dryRun != true && {has('later')}",
        f"request.operation != 'CREATE' && {by_sekisho} && {has('locked')}",
    ]
    message = "'the quota of ' + variables.values.join(' ') + ' is exceeded'"
    spec: dict[str, Any] = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}},
            "resourceRules": [
                {
                    "apiGroups": ["cluster.x-k8s.io"],
                    "apiVersions": ["*"],
                    "operations": ["CREATE", "UPDATE", "DELETE"],
                    "resources": ["clusters"],
                }
            ],
        },
        "variables": [
            {
                "name": "subject",
                "expression": "request.operation == 'DELETE' ? oldObject : object",
            },
            {"name": "values", "expression": _VALUE},
        ],
        "validations": [
            {"expression": f"!({one})", "messageExpression": message} for one in refusals
        ],
    }
    policy = {"kind": "ValidatingAdmissionPolicy", "spec": spec}
    bound = {"policyName": NAME, "validationActions": ["Deny"]}
    binding = {"kind": "ValidatingAdmissionPolicyBinding", "spec": bound}
    common = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "metadata": {"name": NAME, "labels": {"tests": NAME}},
    }
    return [common | policy, common | binding]
