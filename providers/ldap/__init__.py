"""The LDAP protocol, directories, and the provider types ``openldap`` and ``freeipa``.

* :class:`~providers.ldap.connection.LdapConnection`: one connection; alone imports ldap3.
* :class:`~providers.ldap.directory.Directory`: threads, connections and failover of a directory.
* :class:`~providers.ldap.directory_provider.DirectoryProvider`: sign-in, refresh and search; a
  :class:`~providers.ldap.directory_provider.DirectorySchema` has the differences between types.

May import: ``providers.settings``, ``network``, ``base``; ``config``, ``impersonation``.
"""
