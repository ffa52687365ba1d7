"""Authentication providers, found by entry point and chosen by name.

* :mod:`providers.base`: the contract, and the only module that a provider must import.
* :mod:`providers.conformance`: checks of the contract, for built-in and third-party providers.
* :class:`~providers.throttle.ThrottledAuthenticator`: limits password attempts.
* Providers: :mod:`~providers.local`, :mod:`~providers.ldap`, :mod:`~providers.active_directory`,
  :mod:`~providers.github`, :mod:`~providers.oidc`. They do not import each other; only Active
  Directory builds on ``ldap``.

May import: ``impersonation``, ``config``.
"""
