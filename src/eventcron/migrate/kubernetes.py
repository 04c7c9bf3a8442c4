"""Reads the CronJobs of Kubernetes manifests: one, many in a file, in a List, or a rendered chart."""

from __future__ import annotations

import re
from typing import Any

from eventcron.migrate.model import Found, Imported, Origin, Timing, Unsaid, WrongFormat
from eventcron.migrate.trees import Table, documents, items, table
from eventcron.timing.notation import Notation

_ZONE = re.compile(r"(?:CRON_)?TZ=(?P<zone>\S+)\s+(?P<expression>.*)")
#: Seconds: the longest misfire grace.
_MAX_GRACE_S = 604_800
#: What Kubernetes' cron does on the nights when the clocks change: it follows real time, whatever the expression.
_REAL_TIME = {"gap": "skip", "overlap": "twice"}
_POLICIES = {
    "Forbid": (
        "eventcron learns that a run is over only from a report",
        'runs: {"track": true, "overlap": "skip"}, and a job that reports its end',
    ),
    "Replace": (
        "eventcron does not stop what an earlier fire started",
        "a target that stops its earlier run, such as a state machine that is stopped by its execution name",
    ),
}


def read(text: str, _origin: Origin) -> Found:
    """Return a schedule for each CronJob in *text*. What else has a schedule is listed.

    Raises:
        WrongFormat: *text* is no manifest.
    """
    manifests = [manifest for document in documents(text) for manifest in _manifests(document)]
    if not any("kind" in manifest for manifest in manifests):
        raise WrongFormat("no document has a kind", next((manifest.line for manifest in manifests), 1))
    found: Found = []
    for manifest in manifests:
        if manifest.get("kind") == "CronJob":
            found += _cron_job(manifest)
        elif "schedule" in (spec := table(manifest.get("spec"))) or "schedules" in spec:
            found.append(_other(manifest, spec))
    return found


def _manifests(document: Any) -> list[Table]:
    if isinstance(document, list):
        return [manifest for item in document for manifest in _manifests(item)]
    manifest = table(document)
    if str(manifest.get("kind", "")).endswith("List") and "items" in manifest:
        return [inner for item in items(manifest["items"]) for inner in _manifests(item)]
    return [manifest] if manifest else []


def _name(manifest: Table) -> str:
    metadata = table(manifest.get("metadata"))
    return str(metadata.get("name") or metadata.get("generateName") or "")


def _other(manifest: Table, spec: Table) -> Unsaid:
    kind = manifest.get("kind")
    given = f"{kind} {spec.get('schedule', spec.get('schedules'))}"
    reason = f"a {kind} is no CronJob: what its schedule means is up to its own controller"
    return Unsaid(_name(manifest), given, reason, "its schedule put by hand", manifest.line)


def _cron_job(manifest: Table) -> Found:
    spec, name = table(manifest.get("spec")), _name(manifest)
    metadata = table(manifest.get("metadata"))
    text, zone = str(spec.get("schedule") or ""), spec.get("timeZone")
    line = spec.line_of("schedule") or manifest.line
    prefix = _ZONE.fullmatch(text.strip())
    if not text:
        return [Unsaid(name, "CronJob", "it has no spec.schedule", "manual", line)]
    if prefix is not None:
        if zone is not None:
            reason = "a zone in the schedule and a timeZone: Kubernetes refuses both at once"
            return [Unsaid(name, f"{text}, timeZone: {zone}", reason, f"schedule: {prefix['expression']}", line)]
        text, zone = prefix["expression"], prefix["zone"]
    zone = "UTC" if zone == "Etc/UTC" else zone
    fields: dict[str, Any] = {"input": _input(manifest, spec), "labels": _labels(metadata)}
    fields["daylight_saving"] = None if text.startswith("@every") else _REAL_TIME
    if spec.get("suspend") is True:
        fields["state"] = "PAUSED"
    unsaid = _deadline(spec, name, fields) + _concurrency(spec, name)
    timing = Timing(text, Notation.KUBERNETES)
    said = f"CronJob {name}: {spec['schedule']}" + (f", timeZone: {spec['timeZone']}" if "timeZone" in spec else "")
    scope = str(metadata.get("namespace") or "")
    return [Imported(name, (timing,), line, said, None if zone is None else str(zone), fields, scope), *unsaid]


def _deadline(spec: Table, name: str, fields: dict[str, Any]) -> Found:
    """A run that is missed by more than startingDeadlineSeconds does not start: that is the misfire grace."""
    seconds = spec.get("startingDeadlineSeconds")
    if seconds is None:
        return []
    given, line = f"startingDeadlineSeconds: {seconds}", spec.line_of("startingDeadlineSeconds")
    if not isinstance(seconds, int) or seconds < 0:
        return [Unsaid(name, given, "not a number of seconds", "misfire.grace_seconds", line, whole=False)]
    fields["misfire"] = {"policy": "fire_once", "grace_seconds": min(seconds, _MAX_GRACE_S)}
    if seconds <= _MAX_GRACE_S:
        return []
    reason = f"a misfire grace is at most {_MAX_GRACE_S} seconds"
    return [Unsaid(name, given, reason, f"grace_seconds: {_MAX_GRACE_S}, which is written", line, whole=False)]


def _concurrency(spec: Table, name: str) -> Found:
    policy = spec.get("concurrencyPolicy", "Allow")
    if policy == "Allow":
        return []
    reason, nearest = _POLICIES.get(str(policy), ("Kubernetes has no such policy", "Allow"))
    line = spec.line_of("concurrencyPolicy")
    return [Unsaid(name, f"concurrencyPolicy: {policy}", reason, nearest, line, whole=False)]


def _labels(metadata: Table) -> dict[str, str]:
    namespace = metadata.get("namespace")
    return {"namespace": str(namespace)} if namespace else {}


def _input(manifest: Table, spec: Table) -> dict[str, Any]:
    """What a target needs to run the job: which CronJob it is, and what its containers run. No environment: secrets."""
    template = table(table(table(spec.get("jobTemplate")).get("spec")).get("template"))
    containers = [
        {key: container[key] for key in ("name", "image", "command", "args") if key in container}
        for container in map(table, items(table(template.get("spec")).get("containers")))
    ]
    metadata = table(manifest.get("metadata"))
    job: dict[str, Any] = {"cronjob": _name(manifest), "namespace": metadata.get("namespace"), "containers": containers}
    return {key: value for key, value in job.items() if value}
