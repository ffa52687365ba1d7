"""Entries of Sekisho in kubeconfigs that have others: pure."""

from collections.abc import Sequence

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from management.clusters.kubeconfig import ClusterEntry, render_kubeconfig
from proxy.cli.kubeconfig.document import Document
from proxy.cli.kubeconfig.entries import (
    Command,
    Entry,
    InvalidKubeconfig,
    Owner,
    entries_of,
    personal,
    token_names,
)
from proxy.cli.kubeconfig.merge import NameConflict, managed, merge, remove

SERVER = "https://sekisho.example"
OWNER = Owner(SERVER)
PROGRAM = Command("/opt/sekisho/bin/sekisho")

OTHERS = """\
# kept by hand
apiVersion: v1
kind: Config
preferences: {colors: true}
unknown: [1, 2]
clusters:
- cluster: {server: 'https://1.2.3.4', insecure-skip-tls-verify: true}
  name: minikube
users:
- name: minikube
  user:
    token: 0123
    password: "1e5"
    date: 2024-01-01
contexts:
- context:
    cluster: minikube
    user: minikube
  name: minikube
current-context: minikube
"""


def entries(
    *names: str, token: str | None = None, owner: Owner = OWNER, ca_pem: str | None = "CA"
) -> list[Entry]:
    text = render_kubeconfig(
        external_url=owner.server,
        clusters=[ClusterEntry(f"c-{name}", name) for name in names],
        user="alice",
        token=token,
        ca_pem=ca_pem,
    )
    return [personal(one, owner, PROGRAM) for one in entries_of(text)]


def merged(
    text: str, new: Sequence[Entry], owner: Owner = OWNER, *, keep: Sequence[str] = ()
) -> str:
    document = Document(text)
    merge(document, new, owner, keep=keep)
    return document.text


def names(text: str) -> list[str]:
    return [one["name"] for one in yaml.safe_load(text)["contexts"]]


def test_other_entries_stay_as_they_are_written() -> None:
    text = merged(OTHERS, entries("prod"))
    for line in OTHERS.splitlines()[1:]:
        if line.strip() not in {"current-context: minikube"}:
            assert line in text
    assert names(text) == ["minikube", "prod@sekisho.example"]
    assert yaml.safe_load(text)["current-context"] == "minikube"


def test_first_merge_into_nothing_selects_the_first_entry() -> None:
    for nothing in ("", "apiVersion: v1\nkind: Config\nclusters: null\ncontexts: null\n", "{}"):
        found = yaml.safe_load(merged(nothing, entries("prod", "test")))
        assert found["current-context"] == "prod@sekisho.example"
        assert [one["name"] for one in found["clusters"]] == [
            "prod@sekisho.example",
            "test@sekisho.example",
        ]
        assert found["users"][0]["user"]["exec"]["command"] == "/opt/sekisho/bin/sekisho"


def test_second_merge_with_the_same_entries_changes_nothing_not_even_comments() -> None:
    text = merged(OTHERS, entries("prod")) + "# a comment\n"
    assert merged(text, entries("prod")) == text


def test_clusters_that_may_no_longer_be_entered_are_removed() -> None:
    text = merged(OTHERS, entries("prod", "test"))
    document = Document(text)
    document.current = "test@sekisho.example"
    assert merge(document, entries("prod"), OWNER, keep=()) == ["test@sekisho.example"]
    assert names(document.text) == ["minikube", "prod@sekisho.example"]
    assert document.current == "prod@sekisho.example"
    assert merge(document, [], OWNER, keep=()) == ["prod@sekisho.example"]
    assert document.current == ""
    assert yaml.safe_load(document.text)["users"] == yaml.safe_load(OTHERS)["users"]


def test_clusters_that_were_not_named_stay_if_they_may_be_entered() -> None:
    text = merged("", entries("prod", "test", "old"))
    text = merged(text, entries("prod"), keep=["c-prod", "c-test"])
    assert names(text) == ["prod@sekisho.example", "test@sekisho.example"]


def test_renamed_cluster_replaces_its_former_entry() -> None:
    text = merged("", entries("prod"))
    renamed = [
        Entry("c-prod", "main@sekisho.example", "alice/main@sekisho.example", one.cluster, one.user)
        for one in entries("prod")
    ]
    assert names(merged(text, renamed, keep=["c-prod"])) == ["main@sekisho.example"]


def test_namespace_and_fields_of_the_user_stay_in_sekishos_entries() -> None:
    text = merged("", entries("prod"))
    text = text.replace("    user: alice", "    namespace: shop\n    user: alice")
    text = text.replace("  cluster:\n", "  cluster:\n    proxy-url: http://proxy\n", 1)
    text = merged(text, entries("prod", token="token-1:x"))
    found = yaml.safe_load(text)
    assert found["contexts"][0]["context"]["namespace"] == "shop"
    assert found["clusters"][0]["cluster"]["proxy-url"] == "http://proxy"
    assert found["users"][0]["user"]["token"] == "token-1:x"
    assert "exec" not in found["users"][0]["user"]
    document = Document(text)
    merge(document, entries("prod", ca_pem=None), OWNER, keep=(), namespace="other")
    found = yaml.safe_load(document.text)
    assert found["contexts"][0]["context"]["namespace"] == "other"
    assert "certificate-authority-data" not in found["clusters"][0]["cluster"]


def test_entries_of_other_servers_and_prefixes_are_not_touched() -> None:
    other, mine = Owner("https://other.example"), Owner(SERVER, "a-")
    text = merged("", entries("prod"))
    text = merged(text, entries("prod", owner=other), other)
    text = merged(text, entries("prod", owner=mine), mine)
    assert names(text) == ["prod@sekisho.example", "prod@other.example", "a-prod@sekisho.example"]
    text = merged(text, [], OWNER)
    assert names(text) == ["prod@other.example", "a-prod@sekisho.example"]


def test_entry_of_a_download_is_adopted_and_another_with_its_name_is_a_conflict() -> None:
    download = render_kubeconfig(
        external_url=SERVER, clusters=[ClusterEntry("c-prod", "prod")], user="alice", token="t:x"
    )
    assert names(merged(download, entries("prod"))) == ["prod@sekisho.example"]
    foreign = download.replace("k8s/clusters/c-prod", "k8s/clusters/c-other")
    with pytest.raises(NameConflict) as caught:
        merged(foreign, entries("prod"))
    assert caught.value.name == "prod@sekisho.example"


def test_contexts_of_sekisho_are_found_and_removed_with_their_users() -> None:
    text = merged(OTHERS, [*entries("prod"), *entries("test", token="kubeconfig-1:secret")])
    document = Document(text)
    found = managed(document)
    assert [(one.context, one.token) for one in found] == [
        ("prod@sekisho.example", None),
        ("test@sekisho.example", "kubeconfig-1"),
    ]
    remove(document, found)
    assert yaml.safe_load(document.text) == yaml.safe_load(OTHERS)


def test_token_names_are_listed_once() -> None:
    assert token_names(entries("prod", "test", token="kubeconfig-1:secret")) == ["kubeconfig-1"]
    assert token_names(entries("prod")) == []


def test_anchors_are_not_changed_through_an_entry_of_sekisho() -> None:
    text = merged("", entries("prod"))
    text = text.replace("  context:\n", "  context: &shared\n") + "extra: *shared\n"
    before = yaml.safe_load(text)["extra"]
    document = Document(text)
    merge(document, entries("prod"), OWNER, keep=(), namespace="shop")
    after = yaml.safe_load(document.text)
    assert after["extra"] == before
    assert after["contexts"][0]["context"]["namespace"] == "shop"


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "kind: Pod",
        "clusters: 5",
        "clusters: [5]",
        "clusters: [{}]",
        "a: [",
        "a: 1\n---\nb: 2",
        "users: []\nusers: []",
        "- " * 100,
    ],
)
def test_broken_file_is_refused(text: str) -> None:
    with pytest.raises(InvalidKubeconfig):
        Document(text)


@pytest.mark.parametrize("text", ["[]", "{}", "clusters: [", "clusters: []", "a: &x [*x]"])
def test_answer_that_is_no_kubeconfig_is_refused(text: str) -> None:
    with pytest.raises(InvalidKubeconfig):
        entries_of(text)


word = st.text(alphabet="ab1-.:/@ #'\"\n\t\u00e9{}[]&*!|>%", min_size=1, max_size=8)
value = st.recursive(
    st.none() | st.booleans() | st.integers() | word,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(word, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def kubeconfigs(draw: st.DrawFn) -> str:
    """Return a kubeconfig of other tools, in one of YAML's styles."""
    config: dict[str, object] = {"apiVersion": "v1", "kind": "Config"}
    for section, kind in (("clusters", "cluster"), ("users", "user"), ("contexts", "context")):
        named = draw(st.lists(word, unique=True, max_size=3))
        config[section] = [{"name": one, kind: draw(value)} for one in named]
    config["current-context"] = draw(word)
    config |= {f"x-{key}": one for key, one in draw(st.dictionaries(word, value)).items()}
    style = draw(st.sampled_from([True, False, None]))
    return yaml.safe_dump(config, default_flow_style=style, sort_keys=False)


@settings(max_examples=100)
@given(kubeconfigs(), st.permutations(["prod", "test", "dev"]), st.sampled_from(["", "a-"]))
def test_merge_changes_nothing_of_others_and_twice_is_once(
    text: str, clusters: list[str], prefix: str
) -> None:
    owner = Owner(SERVER, prefix)
    new = entries(*clusters[:2], owner=owner)
    once = merged(text, new, owner)
    assert merged(once, new, owner) == once
    before, after = yaml.safe_load(text), yaml.safe_load(once)
    for key, found in before.items():
        if isinstance(found, list) and key in {"clusters", "users", "contexts"}:
            assert after[key][: len(found)] == found
            assert len(after[key]) == len(found) + 2
        else:
            assert after[key] == found
    removed = merged(once, [], owner)
    assert yaml.safe_load(removed) == before


@settings(max_examples=200)
@given(st.text(alphabet="ab:-[]{}&*?!|>'\"#,%\n\t 1", max_size=60))
def test_any_text_is_a_document_or_refused(text: str) -> None:
    try:
        document = Document(text)
    except InvalidKubeconfig:
        return
    merge(document, entries("prod"), OWNER, keep=())
    # Not as a value: the text may have tags for which there is none.
    assert "name: prod@sekisho.example" in document.text
