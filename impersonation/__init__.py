"""Identities of callers and the headers that carry them: the threat model of the proxy.

**Asset.** Every cluster trusts Sekisho's service account to name the caller of a request
(Kubernetes user impersonation). An attacker who adds one header line to those that Sekisho writes
can act as any user, including a member of ``system:masters``. Therefore Sekisho never *edits* the
identity headers of a request. It drops every client header that could be one, and writes the whole
block from an :class:`~impersonation.identity.Identity`.

**Attackers.**

* A signed-in user who wants to act as another user.
* A client that sends headers which the next hop reads differently: unusual case, underscores,
  obsolete line folding, duplicates, names listed in ``Connection``.
* A provider, or a directory behind it, that returns names which have a meaning in Kubernetes
  (``system:*``) or which break out of a header line.

**Defences.**

* :mod:`~impersonation.header_filter` drops headers by *prefix*, after it normalizes names as a
  careless server might. It therefore also drops impersonation headers that do not exist yet.
* :mod:`~impersonation.nested` reads ``kubectl --as`` from the same headers, but only as a request:
  Sekisho asks the cluster whether the caller may impersonate, and no response means no.
* :mod:`~impersonation.reserved_names` rejects ``system:*`` users and groups from any provider.
* :mod:`~impersonation.impersonate_headers` writes the header block. It rejects an identity that it
  cannot write in full: a part of an identity may have more permissions than the whole.
* :mod:`~impersonation.verification` checks the finished bytes again before they are sent.
* The service account may do nothing but impersonate, so a request that loses its identity headers
  on the way has no permissions.

``docs/security.md`` is the complete threat model, with the test of each defence.

This package is pure: frozen dataclasses, and functions on bytes and mappings. May import:
``config``.
"""
