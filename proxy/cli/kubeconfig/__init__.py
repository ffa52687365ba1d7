"""``sekisho kubeconfig``: write a server's clusters into a user's kubeconfig file.

* :mod:`.entries`: what the server sent, as entries with the user's names and commands. Pure.
* :mod:`.document`: a kubeconfig as YAML nodes, so that other entries stay as written. Pure.
* :mod:`.merge`: puts entries into a document, and removes those that are no longer wanted. Pure.
* :mod:`.file`: finds, locks and replaces the file, as kubectl does.
* :mod:`.program`: how kubectl can run this program.
* :mod:`.fetch`: asks the server.
* :mod:`.commands`, :mod:`.inventory`: the commands.

May import: ``proxy.cli.client``, ``proxy.cli.output``, ``proxy.cli.common``, ``proxy.files``,
``config``.
"""
