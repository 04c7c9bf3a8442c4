"""When schedules fire: expressions, time zones and clock changes, from text to instants. Pure functions."""
