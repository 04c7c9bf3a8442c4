"""Alarms, dashboard and saved queries refer to resources of this stack and to fields that are logged."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

import pytest

from eventcron.local import template
from tests.infra.stack import FANNED_OUT, FUNCTIONS, PARAMETERS, QUEUES, ROOT, RULES, STACK, TABLES, decided

#: Every resource and alarm that any deployment has.
RESOURCES: dict[str, dict[str, Any]] = FANNED_OUT["Resources"]
ALARMS = template.of_type(FANNED_OUT, "AWS::CloudWatch::Alarm")
QUERIES = template.of_type(STACK, "AWS::Logs::QueryDefinition")
OURS = {"Ref": "BusName"}
ENTRYPOINTS = sorted((ROOT / "src" / "eventcron" / "entrypoints").glob("*_lambda.py"))


def _dashboard(stack: template.Template) -> str:
    """Return the dashboard's body in *stack*, including the parts that depend on conditions."""
    body, parts = stack["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    for name, part in parts.items():
        body = body.replace(f"${{{name}}}", part["Fn::Sub"] if part else "")
    return str(body)


def _widgets(body: str) -> list[dict[str, Any]]:
    widgets: list[dict[str, Any]] = json.loads(re.sub(r"(?<!\")\$\{[^}]+\}(?=[,}\s])", "1", body))["widgets"]
    return widgets


BODY = _dashboard(FANNED_OUT)
WIDGETS = _widgets(BODY)


def _strings() -> set[str]:
    """Return every string in the entry points that could be a name, such as messages and fields of log lines."""
    found: set[str] = set()
    for path in ENTRYPOINTS:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            elif isinstance(node, ast.keyword) and node.arg:
                found.add(node.arg)
    return found


NAMES = _strings()
#: Names that the code composes, such as ``command_{outcome}``.
PUT_TOGETHER = {"command_rejected", "command_dead_lettered", "record_failed", "record_crashed", "PacksFailed"}


def metrics_of(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the metrics that an alarm watches: namespace, name and dimensions."""
    if "MetricName" in alarm:
        return [alarm]
    return [entry["MetricStat"]["Metric"] for entry in alarm["Metrics"] if "MetricStat" in entry]


def _dashboard_metrics() -> list[list[str]]:
    return [
        [part for part in metric if isinstance(part, str)]
        for widget in WIDGETS
        for metric in widget["properties"].get("metrics", [])
        if isinstance(metric[0], str)
    ]


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarm_on_an_aws_metric_watches_a_resource_of_this_stack(alarm: str) -> None:
    """``test_metrics`` checks eventcron's own metrics."""
    for metric in metrics_of(ALARMS[alarm]):
        if metric["Namespace"] != OURS:
            resource = metric["Dimensions"][-1]["Value"]
            if "Fn::Select" in resource:  # the name of a rule of the bus is the last part of its ARN
                resource = resource["Fn::Select"][1]["Fn::Split"][1]
            if resource == "plan":
                resource = metric["Dimensions"][0]["Value"]
            name = resource.get("Ref") or resource["Fn::GetAtt"][0]
            assert name in {**FUNCTIONS, **QUEUES, **TABLES, **RULES, "BusName": OURS}


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarm_notifies_the_topic_and_describes_the_problem(alarm: str) -> None:
    properties = template.of_type(decided(HasAlarmTopic=True, FansOut=True), "AWS::CloudWatch::Alarm")[alarm]

    assert properties["AlarmActions"] == properties["OKActions"] == [{"Ref": "AlarmTopicArn"}]
    assert "AlarmActions" not in ALARMS[alarm]
    assert properties["AlarmDescription"].endswith(".")
    assert properties["TreatMissingData"] in {"notBreaching", "breaching"}


@pytest.mark.parametrize("metric", ["Errors", "Throttles"])
def test_every_function_is_watched_for(metric: str) -> None:
    stack = decided(HasRestApi=True)
    watched = {
        entry["Dimensions"][0]["Value"]["Ref"]
        for alarm in template.of_type(stack, "AWS::CloudWatch::Alarm").values()
        for entry in metrics_of(alarm)
        if entry["MetricName"] == metric
    }

    assert watched == template.of_type(stack, "AWS::Serverless::Function").keys()


def test_every_dead_letter_queue_has_an_alarm_for_its_first_message() -> None:
    watched = {
        alarm["Dimensions"][0]["Value"]["Fn::GetAtt"][0]
        for alarm in ALARMS.values()
        if alarm.get("MetricName") == "ApproximateNumberOfMessagesVisible" and alarm["Threshold"] == 0
    }

    assert watched == {queue for queue in QUEUES if "DeadLetters" in queue}


def test_the_planner_is_late_after_one_tick_and_a_fire_after_late_ms() -> None:
    lag, lateness = ALARMS["PlannerLagAlarm"], ALARMS["LatenessAlarm"]
    [expression] = [entry["Expression"] for entry in lag["Metrics"] if "Expression" in entry]

    assert (lag["Threshold"], expression) == ({"Ref": "TickSeconds"}, "lag / 1000")
    assert (lateness["Threshold"], lateness["ExtendedStatistic"]) == ({"Ref": "LateMs"}, "p99")


def test_a_sweep_is_late_after_the_day_that_the_sizing_page_promises() -> None:
    alarm = ALARMS["SweepAlarm"]
    rule = RESOURCES["HourlyRule"]["Properties"]
    page = (ROOT / "docs" / "operations" / "size.md").read_text(encoding="utf-8")

    assert (alarm["MetricName"], alarm["Threshold"]) == ("SweepAgeMs", 24 * 3_600_000)
    assert "**A sweep ends within a day**" in page
    assert rule["ScheduleExpression"] == "rate(1 hour)"
    assert alarm["Period"] > 3_600, "each period has a run"


def test_an_alarm_reports_a_planner_that_never_runs_unless_its_rule_is_disabled() -> None:
    ticking = template.of_type(decided(Ticks=True), "AWS::CloudWatch::Alarm")["PlannerSilentAlarm"]

    assert (ticking["TreatMissingData"], ALARMS["PlannerSilentAlarm"]["TreatMissingData"]) == (
        "breaching",
        "notBreaching",
    )


def test_no_fires_alarm_has_a_period_longer_than_the_horizon() -> None:
    periods = {entry["MetricStat"]["Period"] for entry in ALARMS["NoFiresAlarm"]["Metrics"] if "MetricStat" in entry}

    assert min(periods) > PARAMETERS["HorizonSeconds"]["MaxValue"]


@pytest.mark.parametrize("seconds", PARAMETERS["TickSeconds"]["AllowedValues"])
def test_an_alarm_s_period_is_a_tick_that_cloudwatch_allows(seconds: int) -> None:
    period = STACK["Mappings"]["Ticks"][str(seconds)]["Seconds"]

    assert period % 60 == 0
    assert period == max(60, seconds)


def test_the_dashboard_shows_aws_metrics_of_this_stack() -> None:
    for namespace, _name, *dimensions in _dashboard_metrics():
        if namespace != "${BusName}":
            resource = re.match(r"\$\{(\w+)", dimensions[1])
            assert resource
            assert resource[1] in {*RESOURCES, *PARAMETERS}


def test_the_dashboard_fits_its_grid_and_widgets_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for widget in WIDGETS:
        cells = {
            (column, row)
            for column in range(widget["x"], widget["x"] + widget["width"])
            for row in range(widget["y"], widget["y"] + widget["height"])
        }
        assert not cells & taken, widget["properties"].get("title")
        assert all(column < 24 for column, _ in cells)
        taken |= cells


def test_the_dashboard_shows_every_alarm_every_function_and_every_queue() -> None:
    [shown] = [widget["properties"]["alarms"] for widget in WIDGETS if widget["type"] == "alarm"]

    assert sorted(shown) == sorted(f"${{{alarm}.Arn}}" for alarm in ALARMS)
    assert all(f"${{{function}}}" in BODY for function in FUNCTIONS)
    assert all(f"${{{queue}.QueueName}}" in BODY for queue in QUEUES)


def test_with_one_planner_the_dashboard_omits_the_segment_queue() -> None:
    body = _dashboard(STACK)
    here = template.of_type(STACK, "AWS::CloudWatch::Alarm")
    [shown] = [widget["properties"]["alarms"] for widget in _widgets(body) if widget["type"] == "alarm"]

    assert sorted(shown) == sorted(f"${{{alarm}.Arn}}" for alarm in here)
    assert set(re.findall(r"\$\{(\w+)\.", body)) <= STACK["Resources"].keys()
    assert len(WIDGETS) == len(_widgets(body)) + 3


def test_with_the_rest_api_the_dashboard_shows_its_alarm_commands_and_function() -> None:
    stack = decided(HasRestApi=True)
    body = _dashboard(stack)
    alarms = template.of_type(stack, "AWS::CloudWatch::Alarm")
    [shown] = [widget["properties"]["alarms"] for widget in _widgets(body) if widget["type"] == "alarm"]

    assert sorted(shown) == sorted(f"${{{alarm}.Arn}}" for alarm in alarms)
    assert '"CommandsRejected", "service", "rest"' in body
    assert "${RestFunction}" in body
    assert alarms["RestErrorsAlarm"]["Dimensions"] == [{"Name": "ApiId", "Value": {"Ref": "RestHttpApi"}}]


def test_throttles_of_every_table_and_of_the_index_are_watched_for_both_ways() -> None:
    watched = {
        (entry["MetricName"], entry["Dimensions"][0]["Value"]["Ref"], len(entry["Dimensions"]))
        for entry in metrics_of(ALARMS["ThrottlesAlarm"])
        if entry["Namespace"] == "AWS/DynamoDB"
    }

    assert watched == {
        (f"{way}ThrottleEvents", table, dimensions)
        for way in ("Read", "Write")
        for table, dimensions in (("SchedulesTable", 1), ("SchedulesTable", 2), ("LedgerTable", 1))
    }


def test_an_alarm_reports_executors_that_never_ran_by_metrics_that_exist_without_them() -> None:
    """FILL cannot fill a metric that has no data at all."""
    alarm = ALARMS["NoFiresAlarm"]

    assert {(metric["Namespace"], metric["MetricName"]) for metric in metrics_of(alarm)} == {
        ("AWS/SQS", "NumberOfMessagesSent"),
        ("AWS/SQS", "NumberOfMessagesDeleted"),
    }


def test_every_rule_of_the_stack_is_watched_for_failed_invocations() -> None:
    watched = {json.dumps(entry["Dimensions"][-1]["Value"]) for entry in metrics_of(ALARMS["FailedInvocationsAlarm"])}

    assert len(watched) == len(RULES)
    assert all(any(f'"{rule}"' in one for one in watched) for rule in RULES)


def test_an_alarm_reports_a_reconciler_that_never_runs() -> None:
    silent = ALARMS["ReconcilerSilentAlarm"]

    assert (silent["MetricName"], silent["TreatMissingData"]) == ("Invocations", "breaching")
    assert silent["Period"] == ALARMS["SweepAlarm"]["Period"]


def test_ranges_are_late_after_a_tick() -> None:
    age = ALARMS["SegmentAgeAlarm"]

    assert (age["MetricName"], age["Threshold"]) == ("ApproximateAgeOfOldestMessage", {"Ref": "TickSeconds"})
    assert age["Dimensions"][0]["Value"] == {"Fn::GetAtt": ["SegmentQueue", "QueueName"]}


def test_lateness_is_a_stack_of_ranks_without_gap_or_overlap() -> None:
    [ranks] = [
        [metric[-1]["stat"] for metric in widget["properties"]["metrics"]]
        for widget in WIDGETS
        if widget["properties"].get("stacked")
    ]
    bounds = [re.fullmatch(r"PR\((\d*):(\d*)\)", rank).groups() for rank in ranks]  # type: ignore[union-attr]  # no match: the test fails

    assert bounds[0][0] == bounds[-1][1] == ""
    assert [end for _, end in bounds[:-1]] == [start for start, _ in bounds[1:]]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_reads_log_groups_of_the_stack_and_logged_fields(query: str) -> None:
    text = QUERIES[query]["QueryString"]
    texts = set(re.findall(r'"([a-z_]+)"', text)) - {"lambda"}
    metrics = set(re.findall(r"\b([A-Z]\w+)\.0", text))

    assert all(RESOURCES[group["Ref"]]["Type"] == "AWS::Logs::LogGroup" for group in QUERIES[query]["LogGroupNames"])
    assert texts | metrics <= NAMES | PUT_TOGETHER
    assert QUERIES[query]["Name"]["Fn::Sub"].startswith("${AWS::StackName}/")


def test_the_queries_are_numbered_in_the_order_of_the_questions() -> None:
    names = [properties["Name"]["Fn::Sub"].partition("/")[2] for properties in QUERIES.values()]

    assert [name[0] for name in names] == [str(number) for number in range(1, len(names) + 1)]
    assert sorted(names) == names


def test_what_the_embedded_aws_makes_nothing_of_is_in_the_template_and_has_a_reason() -> None:
    assert template.NOT_EMULATED.keys() <= {resource["Type"] for resource in RESOURCES.values()}
    assert all(template.NOT_EMULATED.values())
