"""Operations on one cluster, on request: import, verify, uninstall, tokens, members, namespaces.

:class:`.service.ClusterService` imports, adds, moves and removes clusters.
:class:`.members.MemberService` changes role bindings, and
:class:`.project_namespaces.ProjectNamespaces` the namespaces of projects.
:mod:`.service_account_tokens` requests Sekisho's own tokens, :mod:`.token_renewal` renews them, and
:mod:`.user_tokens` has those of users' service accounts.

May import: ``management.desired_state``, ``authentication``, ``authorization``, ``identity``,
``kubernetes``, ``errors``, ``backoff``.
"""
