"""The audit log: Kubernetes audit events, policy and redaction.

Main classes: ``AuditLog`` and ``AuditPolicy``. May import: ``proxy.logs``, ``request``, ``files``,
``client``; ``config``, ``impersonation``, ``management.api`` for requests to the API.
"""
