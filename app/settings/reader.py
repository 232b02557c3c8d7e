"""YAML, read by position: each value is checked where it stands, so that a mistake has a line and a column.

The document is composed, never constructed: no tag makes an object, and aliases cannot grow it, since the
shape that is read has a fixed depth. YAML's own surprises (`no` is false, 1.10 is 1.1) are refused with the
cure: quotes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .problems import Problem, SettingsRefused, suggestion
from .scalars import Scalar

MAX_BYTES = 1_000_000
MAX_ITEMS = 1_000


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping with known keys. `build` makes the value of the dict read, or raises ValueError."""

    keys: Mapping[str, Shape]
    example: str
    required: tuple[str, ...] = ()
    build: Callable[..., Any] = dict


@dataclass(frozen=True, slots=True)
class Many:
    """A list of one shape."""

    of: Shape
    example: str


Shape = Scalar | Table | Many
_MISSING = object()
_KINDS = {
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
    "timestamp": "a date",
}


def read(file: Path, shape: Table) -> Any:
    """What `file` says, in `shape`. Raises SettingsRefused with every mistake in it; an empty file is one."""
    try:
        text = file.read_bytes()
    except OSError as error:
        raise SettingsRefused([Problem(str(file), "", f"cannot be read: {error.strerror}")]) from error
    if len(text) > MAX_BYTES:
        raise SettingsRefused([Problem(str(file), "", f"is larger than {MAX_BYTES:,} bytes")])
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else str(file)
        what = f"is not YAML: {error.problem or error.context}"
        raise SettingsRefused([Problem(where, "", what, shape.example)]) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        first = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise SettingsRefused([Problem(str(file), "", f"is not YAML: {first}", shape.example)]) from error
    if node is None:
        what = "is empty. Write a setting into it, or remove it to use the defaults"
        raise SettingsRefused([Problem(f"{file}:1:1", "", what, shape.example)])
    reading = _Reading(file)
    value = reading.any(node, shape, "")
    if reading.problems:
        raise SettingsRefused(reading.problems)
    return value


class _Reading:
    def __init__(self, file: Path) -> None:
        self._file = file
        self.problems: list[Problem] = []

    def any(self, node: yaml.Node, shape: Shape, key: str) -> Any:
        if isinstance(shape, Scalar):
            return self._scalar(node, shape, key)
        return self._table(node, shape, key) if isinstance(shape, Table) else self._many(node, shape, key)

    def _wrong(self, node: yaml.Node, key: str, what: str, example: str) -> Any:
        mark = node.start_mark
        where = f"{self._file}:{mark.line + 1}:{mark.column + 1}"
        self.problems.append(Problem(where, key, what, example))
        return _MISSING

    def _scalar(self, node: yaml.Node, shape: Scalar, key: str) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            return self._wrong(node, key, f"is {_kind(node)}, where one value belongs", shape.example)
        tag, text = node.tag.rpartition(":")[2], str(node.value)
        if tag not in shape.tags and "str" in shape.tags:
            what = (
                f"YAML reads {text[:80] or 'this'} as {_KINDS.get(tag, tag)}; put it in quotes"
                if text
                else "is empty"
            )
            return self._wrong(node, key, what, shape.example)
        try:
            return shape.check(text)
        except ValueError as error:
            return self._wrong(node, key, str(error), shape.example)

    def _many(self, node: yaml.Node, shape: Many, key: str) -> Any:
        if not isinstance(node, yaml.SequenceNode):
            return self._wrong(node, key, f"is {_kind(node)}, where a list belongs", shape.example)
        if len(node.value) > MAX_ITEMS:
            return self._wrong(node, key, f"has more than {MAX_ITEMS:,} items", shape.example)
        values = [self.any(item, shape.of, f"{key}[{index}]") for index, item in enumerate(node.value)]
        return tuple(value for value in values if value is not _MISSING)

    def _table(self, node: yaml.Node, shape: Table, key: str) -> Any:
        if not isinstance(node, yaml.MappingNode):
            return self._wrong(node, key, f"is {_kind(node)}, where keys with values belong", shape.example)
        found: dict[str, Any] = {}
        before = len(self.problems)
        for name_node, value in node.value:
            name = str(name_node.value) if isinstance(name_node, yaml.ScalarNode) else "?"
            path = f"{key}.{name[:80]}" if key else name[:80]
            if name not in shape.keys:
                self._wrong(name_node, path, f"is no setting. {suggestion(name[:80], shape.keys)}", "")
            elif name in found:
                self._wrong(name_node, path, "is set twice", "")
            else:
                found[name] = self.any(value, shape.keys[name], path)
        for name in shape.required:
            if name not in found:
                self._wrong(node, f"{key}.{name}" if key else name, "is missing", shape.example)
        if len(self.problems) > before:
            return _MISSING
        try:
            return shape.build(**found)
        except ValueError as error:
            return self._wrong(node, key, str(error), shape.example)


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    if isinstance(node, yaml.MappingNode):
        return "a group of keys"
    return "empty" if node.tag.endswith(":null") else "a single value"
