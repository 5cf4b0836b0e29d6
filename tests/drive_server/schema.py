"""Holds answers against the schemas of the discovery document: unknown fields, wrong kinds and odd dates are found.

The document marks nothing as required and describes no error bodies, so neither is looked at here.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator

from .discovery import document

__all__ = ["complaints"]

DATE_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"
INT64 = r"^-?\d{1,19}$"
PATTERNS = {"int64": INT64, "uint64": r"^\d{1,20}$", "date-time": DATE_TIME}


def complaints(version: str, schema: str, answer: Any) -> list[str]:
    """What in an answer breaks its schema."""
    errors = _validator(version, schema).iter_errors(answer)
    return [f"{version} {schema} at {error.json_path}: {error.message}" for error in errors]


@functools.cache
def _validator(version: str, schema: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/$defs/{schema}", "$defs": _definitions(version)})


@functools.cache
def _definitions(version: str) -> dict[str, Any]:
    return {name: _converted(schema) for name, schema in document(version)["schemas"].items()}


def _converted(schema: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return {"$ref": f"#/$defs/{schema['$ref']}"}
    if schema.get("type") == "any":
        return {}
    made: dict[str, Any] = {"type": schema["type"]}
    if (pattern := PATTERNS.get(schema.get("format", ""))) and schema["type"] == "string":
        made["pattern"] = pattern
    if "enum" in schema:
        made["enum"] = schema["enum"]
    if "items" in schema:
        made["items"] = _converted(schema["items"])
    if schema["type"] == "object":
        made["properties"] = {name: _converted(each) for name, each in schema.get("properties", {}).items()}
        rest = schema.get("additionalProperties")
        made["additionalProperties"] = _converted(rest) if rest is not None else False
    return made
