"""Reads the timers of Jenkins: in Jenkinsfiles, in Job DSL, in a job's config.xml, or as they stand in a form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from eventcron.migrate.model import Found, Imported, Origin, Timing, Unsaid, WrongFormat
from eventcron.migrate.xml_trees import Element, parse
from eventcron.timing.notation import JENKINS_MACROS, Notation

#: A text of Groovy, or a comment.
_TEXT = r"'''(?:.|\n)*?'''|\"\"\"(?:.|\n)*?\"\"\"|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\""
_SKIPPED = re.compile(rf"{_TEXT}|//[^\n]*|/\*(?:.|\n)*?\*/")
_TRIGGER = re.compile(
    rf"\b(?P<kind>cron|parameterizedCron|pollSCM|scm)\s*(?:\(\s*)?(?P<text>{_TEXT})(?P<after>\s*[),\]}}]|\s*\n)"
)
_COMPUTED = re.compile(r"\b(?P<kind>cron|parameterizedCron|pollSCM)\s*\((?P<given>[^\n]*)")
_TRIGGERS = re.compile(r"\b(?:triggers|pipelineTriggers|properties)\b")
_JOB = re.compile(r"\b(?:pipelineJob|freeStyleJob|multiJob|matrixJob|mavenJob|job)\s*\(\s*['\"](?P<name>[^'\"]+)['\"]")
_ZONE = re.compile(r"TZ=(?P<zone>\S*)")
#: How a schedule in Jenkins begins: a zone, a macro, or fields.
_SPEC = re.compile(r"(?:TZ=\S*|@\w+|[H*0-9][0-9H*,/()-]*(?:[ \t]+[H*0-9][0-9A-Za-z*,/()-]*){4}(?:[ \t]*%.*)?)\s*")
_TIMERS = {
    "hudson.triggers.TimerTrigger": "spec",
    "org.jenkinsci.plugins.parameterizedscheduler.ParameterizedTimerTrigger": "parameterizedSpecification",
}
_POLLS = {"hudson.triggers.SCMTrigger", "com.cloudbees.hudson.plugins.folder.computed.PeriodicFolderTrigger"}
_POLL_REASON = "it looks for changes and runs the job only if there are some"
_POLL_NEAREST = "a webhook of the repository, or a schedule whose target looks for changes"


class _Job(NamedTuple):
    name: str
    disabled: bool = False


def read(text: str, origin: Origin) -> Found:
    """Return the timers in *text*: one schedule for each, and for each set of build parameters.

    Raises:
        WrongFormat: *text* is neither Groovy with triggers, nor a job's XML, nor a schedule.
    """
    job = _Job(_name(origin))
    if text.lstrip().startswith("<"):
        return _xml(parse(text), job)
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    written = [line for _, line in lines if not line.startswith("#")]
    if written and all(map(_SPEC.fullmatch, written)):
        return _spec(text, 1, job, parameters="%" in text)
    code = _SKIPPED.sub(lambda found: found[0] if found[0][0] in "'\"" else re.sub(r"[^\n]", " ", found[0]), text)
    if not (_TRIGGERS.search(code) or re.search(r"\b(?:pipeline|node)\b", code) or _JOB.search(code)):
        raise WrongFormat(
            "neither a Jenkinsfile, Job DSL, a job's config.xml nor a schedule", lines[0][0] if lines else 1
        )
    return _groovy(code, job)


def _name(origin: Origin) -> str:
    """The job: the folder of a Jenkinsfile or a config.xml, else the file's own name."""
    *folders, base = origin.path.replace("\\", "/").split("/")
    if base.startswith(("Jenkinsfile", "config.xml")) and folders and folders[-1] not in {"", "."}:
        return folders[-1]
    return origin.stem


def _groovy(code: str, job: _Job) -> Found:
    found: Found = []
    seen = set[int]()
    for trigger in _TRIGGER.finditer(code):
        kind, line = trigger["kind"], code.count("\n", 0, trigger.start()) + 1
        seen.add(trigger.start())
        jobs = [one["name"] for one in _JOB.finditer(code, 0, trigger.start())]
        named = _Job(jobs[-1]) if jobs else job
        spec = _unquoted(trigger["text"])
        if kind in {"pollSCM", "scm"}:
            found.append(Unsaid(named.name, f"{kind}: {spec}", _POLL_REASON, _POLL_NEAREST, line))
        elif trigger["text"][0] == '"' and "$" in spec:
            found.append(_computed(named, trigger[0].strip(), line))
        else:
            found += _spec(spec, line, named, parameters=kind == "parameterizedCron")
    for computed in _COMPUTED.finditer(code):
        if computed.start() not in seen:
            line = code.count("\n", 0, computed.start()) + 1
            found.append(_computed(job, computed[0].strip(), line))
    return found


def _computed(job: _Job, given: str, line: int) -> Unsaid:
    return Unsaid(job.name, given, "its value is computed when the pipeline runs", "the schedule put by hand", line)


def _unquoted(text: str) -> str:
    quotes = 3 if text[:3] in {"'''", '"""'} else 1
    return re.sub(r"\\([^n])", r"\1", text[quotes:-quotes]).replace("\\n", "\n")


def _xml(root: Element, job: _Job) -> Found:
    elements = list(root.walk())
    triggers = [element for element in elements if element.name in {*_TIMERS, *_POLLS}]
    if not triggers and not any(element.name in {"builders", "definition", "triggers"} for element in elements):
        raise WrongFormat(f"the XML is a <{root.name}>", root.line)
    job = job._replace(disabled=root.value("disabled") == "true")
    found: Found = []
    for trigger in triggers:
        spec = trigger.child(_TIMERS.get(trigger.name, "spec"))
        if spec is None:
            continue
        if trigger.name in _POLLS:
            given = f"{trigger.name}: {' '.join(spec.text.split())}"
            found.append(Unsaid(job.name, given, _POLL_REASON, _POLL_NEAREST, spec.line))
        else:
            found += _spec(spec.text, spec.line, job, parameters=spec.name != "spec")
    return found


def _spec(spec: str, first: int, job: _Job, *, parameters: bool) -> Found:
    """Return a schedule of all lines of *spec*, or one for each set of build parameters."""
    by_parameters: dict[str, list[tuple[int, str]]] = {}
    zone: str | None = None
    for number, line in _written(spec, first):
        if (named := _ZONE.fullmatch(line)) is not None:
            zone = named["zone"] or None
            continue
        expression, _, given = line.partition("%") if parameters else (line, "", "")
        by_parameters.setdefault(given.strip(), []).append((number, expression.strip()))
    found: Found = []
    for given, lines in by_parameters.items():
        fields: dict[str, Any] = {"state": "PAUSED" if job.disabled else None, "input": {"job": job.name}}
        if given:
            pairs = (pair.partition("=") for pair in given.split(";") if pair.strip())
            fields["input"]["parameters"] = {name.strip(): value.strip() for name, _, value in pairs}
        timings = tuple(Timing(JENKINS_MACROS.get(text.lower(), text), Notation.JENKINS) for _, text in lines)
        said = "; ".join(text for _, text in lines)
        text = f"{job.name}: {f'TZ={zone} ' if zone else ''}{said}{f' %{given}' if given else ''}"
        found.append(Imported(job.name, timings, lines[0][0], text, zone, fields))
    return found


def _written(spec: str, first: int) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(spec.splitlines(), first):
        if line.strip() and not line.strip().startswith("#"):
            yield number, line.strip()
