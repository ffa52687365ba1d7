"""The management API: who may call what (:mod:`.table`), and what its endpoints have in common."""
