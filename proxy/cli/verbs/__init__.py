"""Commands over ``/v1`` with the caller's rights: one module for each noun.

A noun declares its columns (:class:`proxy.cli.output.columns.Kind`), its list
(:class:`proxy.cli.verbs.listing.Listing`) and its commands
(:func:`proxy.cli.client.server_command.server_command`). May import ``proxy.cli.output`` and
``proxy.cli.client``, nothing of the server.
"""
