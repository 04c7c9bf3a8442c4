"""What is given in place of schedules is named as what it is, with what to give."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventcron.preview.files import UnreadableFile, read_schedules
from eventcron.preview.mistaken import crontab_line, mistaken

ONE = '{"tenant": "acme", "name": "one", "expression": "0 * * * *"}'
EVENT = '{"version": "0", "id": "1", "source": "eventcron.tenant.acme", "detail-type": "Put Schedule", "detail": {}}'


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("0 5 * * * /bin/backup\n", 1, id="a-line"),
        pytest.param("# m h\n\nSHELL=/bin/sh\nMAILTO = me\n*/5 * * * * /bin/poll\n", 5, id="below-variables"),
        pytest.param("17 *\t* * *\troot    cd / && run-parts --report /etc/cron.hourly\n", 1, id="of-the-system"),
        pytest.param("@daily /bin/backup\n", 1, id="nickname"),
        pytest.param("30 2 * * MON-FRI\n", 1, id="expression-alone"),
        pytest.param("0 9 1,15 JAN ? /bin/pay\n", 1, id="names-and-lists"),
    ],
)
def test_a_crontab_is_named_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "mistake"
    path.write_text(text)

    with pytest.raises(
        UnreadableFile, match="a crontab; `eventcron import crontab` writes its lines as schedules"
    ) as refused:
        list(read_schedules([path]))

    assert refused.value.line == line


@pytest.mark.parametrize(
    "text",
    [
        ONE,
        f"[{ONE}]",
        "tenant: acme\nname: one\nexpression: 0 * * * *\n",
        "# our jobs\n- tenant: acme\n  name: one\n  expression: 0 * * * *\n",
        "a: 0 1 2 3 4 5\n",
        "X=1\n",
        "0: a b c d e\n",
        "",
    ],
)
def test_schedules_are_no_crontab(text: str) -> None:
    assert crontab_line(text) is None


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        pytest.param(
            "a.json",
            '{"Source": "eventcron.tenant.acme", "DetailType": "Put Schedule", "Detail": "{}"}',
            "got an entry of PutEvents, DetailType 'Put Schedule'; allowed: its Detail alone, as an object",
            id="entry-of-put-events",
        ),
        pytest.param(
            "a.json",
            '{"Entries": [{"Detail": "{}"}]}',
            "got a request of PutEvents; allowed: the Detail of each of its Entries alone, as an object",
            id="request-of-put-events",
        ),
        pytest.param(
            "a.jsonl",
            EVENT,
            "got an EventBridge event, detail-type 'Put Schedule'; allowed: its detail alone",
            id="event",
        ),
        pytest.param(
            "a.jsonl",
            '{"detail-type": "Put Schedule", "detail": {}}',
            "got a line of eventcron export, detail-type 'Put Schedule'; allowed: its detail alone; `eventcron",
            id="line-of-an-export",
        ),
        pytest.param(
            "a.yaml",
            "apiVersion: batch/v1\nkind: CronJob\nmetadata:\n  name: one\nspec:\n  schedule: 0 5 * * *\n",
            "got a Kubernetes manifest, kind 'CronJob'; allowed: a schedule, as `eventcron import",
            id="cron-job",
        ),
        pytest.param(
            "a.yaml",
            "apiVersion: v1\nkind: Service\n",
            "got a Kubernetes manifest, kind 'Service'",
            id="other-manifest",
        ),
        pytest.param(
            "a.json",
            '{"Name": "one", "ScheduleExpression": "rate(1 hour)", "Target": {}}',
            "got a schedule or rule of EventBridge; allowed: a schedule, as `eventcron import",
            id="schedule-of-eventbridge-scheduler",
        ),
        pytest.param("a.yaml", "Resources:\n  A: {Type: T}\n", "got a CloudFormation template", id="template"),
    ],
)
def test_each_is_named_at_its_line_and_the_rest_is_read(tmp_path: Path, name: str, text: str, says: str) -> None:
    path, good = tmp_path / name, tmp_path / "good.jsonl"
    path.write_text(text)
    good.write_text(ONE)

    wrong, right = read_schedules([path, good])

    assert f"{path}:1: schedule: {says}" in str(wrong)
    assert right.error is None


@pytest.mark.parametrize("text", ["[]", "1", "{", "{}", '{"tenant": "acme", "detail_type": "x"}'])
def test_anything_else_is_not_guessed_at(text: str) -> None:
    assert mistaken(text) is None
