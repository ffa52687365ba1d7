"""The answer is the same as that of the API server itself, for generated roles and bindings."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from management.access.evaluation import grants
from management.access.question import AccessQuestion
from management.access.rbac_objects import RbacSubject
from management.access.rbac_reader import read_rbac
from management.kubernetes.client import ClusterClient
from management.kubernetes.manifests import collection_path
from tests.management.access.rbac_world import binding, role
from tests.management.conftest import OwnCluster
from tests.support.waiting import eventually

REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
NAMESPACES = ("gen-one", "gen-two")
USERS = ("gen-alice", "gen-bob")
GROUPS = ("gen-devs", "system:authenticated")
ACCOUNTS = (("gen-one", "robot"), ("gen-two", "robot"))
VERBS = ("get", "list", "create", "impersonate")
RESOURCES = ("pods", "secrets", "deployments", "widgets")
SUBRESOURCES = ("", "", "log", "scale")
API_GROUPS = ("", "apps", "gen.example")
OBJECTS = ("", "one", "two")
PATHS = ("/gen", "/gen/a", "/gen/a/b")
QUESTIONS = 300
LABELS = {"sekisho-test": "generated"}


def a_rule(dice: random.Random) -> dict[str, Any]:
    """Return a random rule; about one in eight is about URLs."""
    verbs = dice.sample((*VERBS, "*"), dice.randint(1, 2))
    if dice.random() < 0.12:
        urls = dice.sample((*PATHS, "/gen/*", "/gen/a*", "*"), dice.randint(1, 2))
        return {"verbs": verbs, "nonResourceURLs": urls}
    resources = ("*", "*/scale", "pods/log", "pods/*", "deployments/scale", *RESOURCES)
    found: dict[str, Any] = {
        "verbs": verbs,
        "apiGroups": dice.sample((*API_GROUPS, "*"), dice.randint(1, 2)),
        "resources": dice.sample(resources, dice.randint(1, 3)),
    }
    if dice.random() < 0.3:
        found["resourceNames"] = dice.sample(("one", "two", "*"), dice.randint(1, 2))
    return found


def a_subject(dice: random.Random) -> str:
    """Return a random subject for :func:`rbac_world.binding`."""
    namespace, account = dice.choice(ACCOUNTS)
    return dice.choice(
        [
            *(f"User:{one}" for one in USERS),
            f"Group:{GROUPS[0]}",
            f"ServiceAccount:{namespace}/{account}",
            f"User:system:serviceaccount:{namespace}:{account}",
            f"Group:system:serviceaccounts:{namespace}",
        ]
    )


def a_world(dice: random.Random) -> list[dict[str, Any]]:
    """Return random roles, cluster roles and bindings of both kinds."""
    objects = []
    for number in range(8):
        rules = [a_rule(dice) for _ in range(dice.randint(1, 3))]
        namespace = dice.choice(("", "", *NAMESPACES))
        inside = [one for one in rules if "resources" in one] if namespace else rules
        objects.append(role(f"gen-{number}", *inside, namespace=namespace))
    for number in range(10):
        target = dice.choice([*objects[:8], None])
        name = target["metadata"]["name"] if target else "gen-missing"
        kind = target["kind"] if target else "ClusterRole"
        home = target["metadata"].get("namespace", "") if target else ""
        place = home or dice.choice(("", *NAMESPACES))
        subjects = [a_subject(dice) for _ in range(dice.randint(1, 3))]
        objects.append(binding(f"gen-{number}", f"{kind}/{name}", *subjects, namespace=place))
    for one in objects:
        one["metadata"]["labels"] = LABELS
    return objects


def a_question(dice: random.Random) -> AccessQuestion:
    """Return a random question."""
    if dice.random() < 0.12:
        return AccessQuestion(dice.choice(VERBS), url=dice.choice(PATHS))
    return AccessQuestion(
        dice.choice(VERBS),
        dice.choice(API_GROUPS),
        dice.choice(RESOURCES),
        dice.choice(SUBRESOURCES),
        dice.choice(("", *NAMESPACES)),
        dice.choice(OBJECTS),
    )


def an_asker(dice: random.Random) -> tuple[str, tuple[str, ...]]:
    """Return the user name and the groups of a random caller, as the API server builds them."""
    if dice.random() < 0.35:
        namespace, name = dice.choice(ACCOUNTS)
        shared = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", GROUPS[1])
        return f"system:serviceaccount:{namespace}:{name}", shared
    groups = tuple(one for one in (*GROUPS, "system:masters") if dice.random() < 0.3)
    return dice.choice(USERS), groups


def review(question: AccessQuestion, user: str, groups: tuple[str, ...]) -> dict[str, Any]:
    """Return a SubjectAccessReview."""
    spec: dict[str, Any] = {"user": user, "groups": list(groups)}
    if question.url:
        spec["nonResourceAttributes"] = {"verb": question.verb, "path": question.url}
    else:
        parts = ("verb", "group", "resource", "subresource", "namespace", "name")
        spec["resourceAttributes"] = {one: getattr(question, one) for one in parts}
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}


def is_one_of(user: str, groups: tuple[str, ...], found: set[RbacSubject]) -> bool:
    """Return whether a caller is one of the subjects."""
    names = {
        f"system:serviceaccount:{one.namespace}:{one.name}"
        if one.kind == "ServiceAccount"
        else one.name
        for one in found
        if one.kind != "Group"
    }
    return user in names or bool({one.name for one in found if one.kind == "Group"} & set(groups))


@pytest.fixture
def generated(clean: OwnCluster, request: pytest.FixtureRequest) -> Iterator[random.Random]:
    """A cluster with a random world in it. The seed is the test's parameter."""
    dice = random.Random(request.param)
    existing = {one["metadata"]["name"] for one in clean.ask("GET", "/api/v1/namespaces")["items"]}
    for name in set(NAMESPACES) - existing:
        clean.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    for one in a_world(dice):
        namespace = one["metadata"].get("namespace")
        clean.ask("POST", collection_path(one["kind"], namespace), one)
    yield dice
    for kind in ("RoleBinding", "Role", "ClusterRoleBinding", "ClusterRole"):
        for namespace in NAMESPACES if "Cluster" not in kind else (None,):
            path = collection_path(kind, namespace)
            clean.ask("DELETE", f"{path}?labelSelector=sekisho-test%3Dgenerated")


@pytest.mark.parametrize("generated", [1, 2, 3], indirect=True)
async def test_answers_equal_the_reviews_of_the_api_server(
    clean: OwnCluster, generated: random.Random
) -> None:
    """Both directions: each caller that is allowed is in the answer, and no other is."""
    async with ClusterClient(clean.endpoint, clean.administrator) as client:
        rbac = await read_rbac(client)
        assert rbac.gaps == ()

        async def allows(question: AccessQuestion, user: str, groups: tuple[str, ...]) -> bool:
            answer = await client.post(REVIEWS, review(question, user, groups))
            return bool(answer["status"].get("allowed"))

        allowed = 0
        for _ in range(QUESTIONS):
            question, (user, groups) = a_question(generated), an_asker(generated)
            ours = is_one_of(user, groups, {one.subject for one in grants(question, rbac)})

            async def agrees() -> bool:
                return await allows(question, user, groups) == ours  # noqa: B023

            # The authorizer's caches may lag behind the API for a moment.
            await eventually(agrees)
            allowed += ours
        assert 20 < allowed < QUESTIONS - 20
