"""Reads other schedulers' files and writes schedules. A reader is pure: text in, a list of what it says out."""

#: Format → the module of this package that reads it.
FORMATS = {
    "celery": "celery",
    "crontab": "crontab",
    "eventbridge": "eventbridge",
    "github-actions": "github_actions",
    "jenkins": "jenkins",
    "kubernetes": "kubernetes",
    "quartz": "quartz",
    "sidekiq": "sidekiq",
    "spring": "spring",
    "systemd": "systemd",
}
