"""Reads other schedulers' files and writes schedules. A reader is pure: text in, a list of what it says out."""
