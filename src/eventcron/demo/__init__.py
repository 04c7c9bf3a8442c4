"""``eventcron demo``: fires real schedules into three kinds of targets and compares the fires with those due."""
