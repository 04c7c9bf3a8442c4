"""The embedded AWS and the stack in it."""
