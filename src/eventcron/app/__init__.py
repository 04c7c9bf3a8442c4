"""Use cases: what happens between a message and its answer, over the ports."""
