"""A second computation of what schedules fire, which shares no code with the first."""
