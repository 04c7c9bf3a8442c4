"""Values that stand in Python source code. The code is parsed and never run."""

from __future__ import annotations

import ast
import operator
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from eventcron.migrate.model import WrongFormat

#: The largest number that arithmetic may come to: seconds of ten thousand years, and no power of powers.
_LARGEST = 10**12
#: The longest range that is written out.
_LONGEST = 1_000
#: An escape that stands for no character by itself.
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}


class Computed(Exception):
    """A value that is known only when the code runs. ``code`` is how it is written."""

    def __init__(self, node: ast.AST) -> None:
        self.code = ast.unparse(node)
        super().__init__(self.code)


def module(text: str) -> ast.Module:
    """Return the tree of *text*.

    Raises:
        WrongFormat: *text* is no Python.
    """
    if _HALF.search(text):
        raise WrongFormat("an escape of half a character is no text", 1)
    try:
        with warnings.catch_warnings():  # of a doubtful escape: a matter between the code and its owner
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError as error:
        raise WrongFormat(f"not Python: {error.msg}", error.lineno) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise WrongFormat(f"not Python: {error}", 1) from error


def constants(tree: ast.Module) -> dict[str, Any]:
    """Return the names of *tree* that are given a literal once, at its top."""
    found: dict[str, Any] = {}
    for statement in tree.body:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
        given = getattr(statement, "value", None)
        if isinstance(target, ast.Name) and isinstance(given, ast.expr):
            try:
                found[target.id] = value(given, found)
            except Computed:
                found.pop(target.id, None)
    return found


def value(node: ast.expr, known: Mapping[str, Any]) -> Any:
    """Return the value of *node*: a literal, a name in *known*, a range, or arithmetic with numbers.

    Raises:
        Computed: it is anything else.
    """
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name) and node.id in known:
        return known[node.id]
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return [value(item, known) for item in node.elts]
    if isinstance(node, ast.Dict):
        return _dict(node, known)
    if isinstance(node, ast.Call) and name_of(node.func) == "range" and not node.keywords:
        return _range(node, known)
    return _arithmetic(node, known)


def name_of(node: ast.expr) -> str:
    """Return the last part of a dotted name, or "" for anything else."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _dict(node: ast.Dict, known: Mapping[str, Any]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key, item in zip(node.keys, node.values, strict=True):
        if key is None:
            raise Computed(node)
        name = value(key, known)
        if not isinstance(name, str | int | float):
            raise Computed(key)
        found[name] = value(item, known)
    return found


def _number(node: ast.expr, known: Mapping[str, Any]) -> int | float:
    number = value(node, known)
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise Computed(node)
    return number


def _arithmetic(node: ast.expr, known: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_number(node.operand, known)
    if not isinstance(node, ast.BinOp) or type(node.op) not in _OPERATORS:
        raise Computed(node)
    try:
        result = _OPERATORS[type(node.op)](_number(node.left, known), _number(node.right, known))
    except (ZeroDivisionError, OverflowError):
        raise Computed(node) from None
    if not abs(result) <= _LARGEST:
        raise Computed(node)
    return result


def _range(node: ast.Call, known: Mapping[str, Any]) -> list[int]:
    bounds = [_number(item, known) for item in node.args]
    try:
        found = range(*bounds)  # type: ignore[arg-type]  # what is no int is refused at once
    except (TypeError, ValueError):
        raise Computed(node) from None
    if len(found) > _LONGEST:
        raise Computed(node)
    return list(found)
