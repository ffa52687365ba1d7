"""``sekisho admin move-from-rancher``: what Rancher knows, as documents for ``sekisho apply``.

:mod:`.reader` lists Rancher's objects in its local cluster, and namespaces in the others.
:mod:`.objects` takes from each object what is converted, and never a password, a token or a
kubeconfig. :mod:`.principals` translates users and groups, :mod:`.roles` role templates,
:mod:`.projects` projects with quotas and namespaces, and :mod:`.grants` bindings. What has no
equivalent becomes a finding of :mod:`.findings`, and gives no access. :mod:`.move` joins them, and
:mod:`.files` writes them.

Only :mod:`.reader`, :mod:`.directories`, :mod:`.files` and :mod:`.commands` have side effects. May
import: ``proxy.cli.apply`` for the form of documents, ``management.kubernetes`` to read.
"""
