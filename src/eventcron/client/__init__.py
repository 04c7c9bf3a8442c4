"""What programs and the command line use to put schedules, to read them and to hear what came of it."""
