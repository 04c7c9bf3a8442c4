"""Decisions over the model: what a command changes, what to plan, what still fires. Pure."""
