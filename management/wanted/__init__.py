"""What shall be true of a cluster, from what the store says: manifests, made by plain functions.

:mod:`.snapshot` is what the store says; :mod:`.roles`, :mod:`.namespaces`, :mod:`.guard` and
:mod:`.accounts` make the objects; :mod:`.difference` compares them with what is there.
"""
