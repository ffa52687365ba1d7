"""Settings of a provider whose bearer tokens need no rule."""

DIRECT = {"audiences": ["sekisho"], "direct": True}
