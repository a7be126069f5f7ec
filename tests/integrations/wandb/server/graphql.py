"""Answers GraphQL queries from plain Python objects, without a schema.

A node is an object whose attributes and methods are named like the fields. What a client asks for
and a node does not have is answered with null and remembered in `Executor.unknown`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Protocol

from graphql import parse
from graphql.language import ast


class Node(Protocol):
    """Anything with a type name."""

    typename: str


class Query:
    """One parsed operation with its variables."""

    def __init__(self, text: str, variables: Mapping[str, Any] | None, name: str | None) -> None:
        document = _parsed(text)
        self.fragments = {
            each.name.value: each
            for each in document.definitions
            if isinstance(each, ast.FragmentDefinitionNode)
        }
        operations = [
            each for each in document.definitions if isinstance(each, ast.OperationDefinitionNode)
        ]
        chosen = [each for each in operations if name and each.name and each.name.value == name]
        self.operation = (chosen or operations)[0]
        self.name = self.operation.name.value if self.operation.name else ""
        self.is_mutation = self.operation.operation.value == "mutation"
        self.variables = dict(variables or {})
        for each in self.operation.variable_definitions:
            if each.default_value is not None:
                default = _value(each.default_value, {})
                self.variables.setdefault(each.variable.name.value, default)


@lru_cache(maxsize=256)
def _parsed(text: str) -> ast.DocumentNode:
    return parse(text, no_location=True)


class Executor:
    """Walks a query over nodes. `unknown` counts fields that no node has."""

    def __init__(self) -> None:
        self.unknown: Counter[str] = Counter()

    def run(self, query: Query, root: Node) -> dict[str, Any]:
        """The `data` of the answer."""
        return self._select(root, query.operation.selection_set.selections, query)

    def _select(
        self, node: Node, selections: Iterable[ast.SelectionNode], query: Query
    ) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for each in selections:
            if not _included(each, query.variables):
                continue
            if isinstance(each, ast.FieldNode):
                key = (each.alias or each.name).value
                _merge(out, key, self._field(node, each, query))
            else:
                for key, value in self._fragment(node, each, query).items():
                    _merge(out, key, value)
        return out

    def _fragment(self, node: Node, spread: Any, query: Query) -> dict[str, Any]:
        part = spread
        if isinstance(spread, ast.FragmentSpreadNode):
            part = query.fragments[spread.name.value]
        condition = part.type_condition
        names = (node.typename, *getattr(node, "interfaces", ()))
        if condition is not None and condition.name.value not in names:
            return {}
        return self._select(node, part.selection_set.selections, query)

    def _field(self, node: Node, field: ast.FieldNode, query: Query) -> Any:
        name = field.name.value
        if name == "__typename":
            return node.typename
        value = getattr(node, name, None)
        if value is None and not hasattr(node, name):
            self.unknown[f"{node.typename}.{name}"] += 1
        if callable(value):
            value = value(
                **{a.name.value: _value(a.value, query.variables) for a in field.arguments}
            )
        return self._complete(value, field, query)

    def _complete(self, value: Any, field: ast.FieldNode, query: Query) -> Any:
        if value is None or field.selection_set is None:
            return value
        if isinstance(value, list):
            return [self._complete(each, field, query) for each in value]
        return self._select(value, field.selection_set.selections, query)


def _merge(out: dict[str, Any], key: str, value: Any) -> None:
    known = out.get(key)
    if isinstance(known, dict) and isinstance(value, dict):
        for inner, each in value.items():
            _merge(known, inner, each)
    else:
        out[key] = value


def _included(node: ast.SelectionNode, variables: Mapping[str, Any]) -> bool:
    for directive in node.directives or ():
        wanted = {a.name.value: _value(a.value, variables) for a in directive.arguments}.get("if")
        if (directive.name.value == "include") != bool(wanted):
            return False
    return True


def _value(node: ast.ValueNode, variables: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.VariableNode):
        return variables.get(node.name.value)
    if isinstance(node, ast.NullValueNode):
        return None
    if isinstance(node, ast.IntValueNode):
        return int(node.value)
    if isinstance(node, ast.FloatValueNode):
        return float(node.value)
    if isinstance(node, ast.ListValueNode):
        return [_value(each, variables) for each in node.values]
    if isinstance(node, ast.ObjectValueNode):
        return {each.name.value: _value(each.value, variables) for each in node.fields}
    return getattr(node, "value", None)  # text, true or false, a name
