"""The database: users, principals, tokens, clusters, roles and projects.

* :class:`~store.interfaces.Store` and :mod:`~store.identity_interfaces`,
  :mod:`~store.access_interfaces`: the protocols that the rest of Sekisho uses.
* :mod:`~store.records`, :mod:`~store.access_records`, :mod:`~store.claim_records`: frozen records.
* :mod:`~store.errors`: the exceptions.
* The other modules are the one implementation, on SQLAlchemy, for SQLite (one replica) and
  PostgreSQL (several). :func:`~store.database.open_store` opens it.

May import: ``config``.
"""
