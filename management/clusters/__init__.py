"""Operations on one cluster, on request: import, verify, uninstall, tokens, members, namespaces.

:class:`.service.ClusterService` imports, adds, moves and removes clusters.
:class:`.members.MemberService` changes role bindings, and
:class:`.project_namespaces.ProjectNamespaces` the namespaces of projects.
:mod:`.service_account_tokens` requests Sekisho's own tokens, :mod:`.token_renewal` renews them, and
:mod:`.user_tokens` has those of users' service accounts.

A cluster that Sekisho cannot reach has an *agent* that opens tunnels to it (``agent`` is the
program). :mod:`.agent_manifest` describes its pods, :mod:`.agent_registration` registers such a
cluster, which is *pending* until then, :mod:`.agent_token_rotation` renews the agent's token,
:mod:`.agent_token_renewal` does so when it is old, and :mod:`.reach_change` changes between an
agent and a direct address.

May import: ``management.desired_state``, ``authentication``, ``authorization``, ``identity``,
``kubernetes``, ``errors``, ``backoff``.
"""
