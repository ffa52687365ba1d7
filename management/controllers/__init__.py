"""What keeps every cluster as it shall be, and what is known of it up to date.

One replica looks after a cluster at a time (:mod:`.leadership`). It watches what it cares for
(:mod:`.informer`), and whenever something changes, there or in the store, it compares all of it
with what shall be and does what is to be done (:mod:`.keeper`): from any state, any number of
times.
"""
