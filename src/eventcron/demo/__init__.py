"""``eventcron demo``: real schedules into three kinds of targets, and a comparison with what was due."""
