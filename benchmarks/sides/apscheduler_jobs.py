"""Baseline (c): APScheduler 3 in one process. Each job has a cron trigger of its own and publishes one event.

It keeps its jobs in memory and so loses them with its process; that makes it cheaper than a scheduler that does not.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import boto3
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from botocore.config import Config

from benchmarks.sides.sequential import entry
from benchmarks.stocks import Named, plain_item

#: Threads, and so connections.
THREADS = 16
#: Seconds in which all jobs of a run must have ended.
PATIENCE = 120.0


class ApScheduler:
    """A scheduler with jobs that are all due in the same second of one minute."""

    def __init__(self) -> None:
        self._events = boto3.client("events", config=Config(max_pool_connections=THREADS))
        self._scheduler = BackgroundScheduler(executors={"default": ThreadPoolExecutor(THREADS)}, timezone="UTC")
        self._scheduler.start(paused=True)

    def add(self, schedules: list[Named], due: int) -> dict[str, Any]:
        """Add a job for each of *schedules*, which fires daily at the hour, minute and second of *due*."""
        self._scheduler.remove_all_jobs()
        wall = datetime.fromtimestamp(due / 1000, UTC)
        for one in schedules:
            trigger = CronTrigger(hour=wall.hour, minute=wall.minute, second=wall.second, timezone="UTC")
            fire = {"tenant": one.tenant, "name": one.name, "due": due}
            job = self._scheduler.add_job(self._publish, trigger, args=[fire, plain_item(one)], misfire_grace_time=None)
            if job.next_run_time != wall:
                raise TimeoutError(f"added too late: due {wall}, but the next run is {job.next_run_time}")
        return {}

    def run(self) -> dict[str, Any]:
        """Let the jobs run. Returns once each has ended; the answer counts them by how they ended."""
        ended: dict[int, int] = {EVENT_JOB_EXECUTED: 0, EVENT_JOB_ERROR: 0, EVENT_JOB_MISSED: 0}
        all_ended, expected = threading.Event(), len(self._scheduler.get_jobs())

        def count(event: JobExecutionEvent) -> None:
            ended[event.code] += 1
            if sum(ended.values()) == expected:
                all_ended.set()

        self._scheduler.add_listener(count, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR | EVENT_JOB_MISSED)
        self._scheduler.resume()
        try:
            if not all_ended.wait(PATIENCE):
                raise TimeoutError(f"of {expected} jobs only {sum(ended.values())} have ended")
        finally:
            self._scheduler.pause()
            self._scheduler.remove_listener(count)
        return {
            "executed": ended[EVENT_JOB_EXECUTED],
            "failed": ended[EVENT_JOB_ERROR],
            "missed": ended[EVENT_JOB_MISSED],
        }

    def _publish(self, fire: dict[str, Any], item: dict[str, Any]) -> None:
        if self._events.put_events(Entries=[entry(fire, item)])["FailedEntryCount"]:
            raise RuntimeError(f"the bus refused {fire}")

    def close(self) -> None:
        self._scheduler.shutdown()
        self._events.close()
