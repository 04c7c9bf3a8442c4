"""The little of DynamoDB's expressions that a scheduler needs: conditions, and SET, REMOVE, ADD of whole attributes.

An expression is compiled once. It refers to attributes as ``#name`` only, and to values as ``:value``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from benchmarks.rig.refused import Refused

#: Attributes by name.
Item: TypeAlias = dict[str, Any]

_TOKEN = re.compile(r"\s*(#\w+|:\w+|[(),]|<=|>=|<>|[<>=]|\w+)")
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda left, right: left == right,
    "<>": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    ">": lambda left, right: left > right,
    "<=": lambda left, right: left <= right,
    ">=": lambda left, right: left >= right,
}


class Given(NamedTuple):
    """What an expression is computed with: the stored item, and the request's names and values."""

    item: Item
    names: dict[str, str]
    values: dict[str, Any]


Condition: TypeAlias = Callable[[Given], bool]


def plain(value: dict[str, Any] | None) -> Any:
    """The Python value of an attribute: ``{"N": "1"}`` → 1. None: there is no such attribute."""
    if value is None:
        return None
    ((kind, inner),) = value.items()
    return int(inner) if kind == "N" else inner


def placeholders(text: str) -> set[str]:
    """The names and values to which an expression refers."""
    return set(re.findall(r"[#:]\w+", text))


def _tokens(text: str) -> list[str]:
    found = _TOKEN.findall(text)
    if "".join(found) != re.sub(r"\s", "", text):
        raise Refused("ValidationException", f"expression with a syntax error or beyond the rig: {text}")
    return found


@lru_cache(maxsize=256)
def condition(text: str) -> Condition:
    """Compile a condition.

    Raises:
        Refused: it has a syntax error, or more than the rig knows.
    """
    tokens = _tokens(text)
    compiled = _either(tokens)
    if tokens:
        raise Refused("ValidationException", f"condition with a syntax error or beyond the rig: {text}")
    return compiled


def _either(tokens: list[str]) -> Condition:
    found = [_both(tokens)]
    while tokens and tokens[0] == "OR":
        tokens.pop(0)
        found.append(_both(tokens))
    return found[0] if len(found) == 1 else lambda given: any(one(given) for one in found)


def _both(tokens: list[str]) -> Condition:
    found = [_single(tokens)]
    while tokens and tokens[0] == "AND":
        tokens.pop(0)
        found.append(_single(tokens))
    return found[0] if len(found) == 1 else lambda given: all(one(given) for one in found)


def _single(tokens: list[str]) -> Condition:
    try:
        first = tokens.pop(0)
        if first == "NOT":
            inner = _single(tokens)
            return lambda given: not inner(given)
        if first == "(":
            inner = _either(tokens)
            tokens.remove(")")
            return inner
        if first in {"attribute_exists", "attribute_not_exists"}:
            _, name, _ = tokens.pop(0), tokens.pop(0), tokens.pop(0)
            expected = first == "attribute_exists"
            return lambda given: (given.names[name] in given.item) is expected
        compare, value = _COMPARISONS[tokens.pop(0)], tokens.pop(0)
    except (IndexError, KeyError, ValueError) as error:
        raise Refused("ValidationException", f"condition with a syntax error or beyond the rig: {error!r}") from error

    def compared(given: Given) -> bool:
        stored = given.item.get(given.names[first])
        return stored is not None and compare(plain(stored), plain(given.values[value]))

    return compared


@lru_cache(maxsize=256)
def _actions(text: str) -> list[tuple[str, str, str]]:
    """The actions of an update: ("SET", "#name", ":value"), ("ADD", "#name", ":value") or ("REMOVE", "#name", "")."""
    found = []
    tokens = _tokens(text)
    clause = ""
    while tokens:
        token = tokens.pop(0)
        if token in {"SET", "REMOVE", "ADD"}:
            clause = token
        elif token.startswith("#") and clause == "REMOVE":
            found.append((clause, token, ""))
        elif token.startswith("#") and clause:
            if clause == "SET" and tokens.pop(0) != "=":
                raise Refused("ValidationException", f"update with a syntax error or beyond the rig: {text}")
            found.append((clause, token, tokens.pop(0)))
        elif token != ",":
            raise Refused("ValidationException", f"update with a syntax error or beyond the rig: {text}")
    return found


def update(text: str, given: Given) -> Item:
    """The stored item after the update expression *text*.

    Raises:
        Refused: *text* has a syntax error, or more than the rig knows.
    """
    item = dict(given.item)
    for clause, placeholder, value in _actions(text):
        name = given.names[placeholder]
        if clause == "REMOVE":
            item.pop(name, None)
        elif clause == "ADD":
            item[name] = {"N": str((plain(item.get(name)) or 0) + plain(given.values[value]))}
        else:
            item[name] = given.values[value]
    return item
