"""An independent computation of what schedules fire. It shares no code with ``eventcron.timing``."""
