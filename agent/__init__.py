"""The dial-out agent for clusters that can't be reached, and the tunnel's pure half.

Nothing lives here yet: every cluster is reached directly. The package is named in the layers from
the start so that nothing else grows in its place.
"""
