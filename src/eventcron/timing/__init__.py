"""When: cron fields, zones and clock changes, from text to instants. Pure."""
