"""The provider type ``activedirectory``.

:class:`~providers.active_directory.schema.ActiveDirectorySchema` is the schema of a domain for
:class:`~providers.ldap.directory_provider.DirectoryProvider`. May import: ``providers.ldap``,
``settings``, ``base``; ``config``, ``impersonation``.
"""
