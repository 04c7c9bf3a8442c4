"""Doors: decode, call one use case, encode."""
