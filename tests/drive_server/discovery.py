"""Google's own description of Drive v2 and v3, as it ships with googleapiclient: methods, parameters and schemas."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from googleapiclient import discovery_cache

from .refusals import DriveError, bad_value

__all__ = ["Method", "VERSIONS", "document", "find_method"]

VERSIONS = ("v2", "v3")


@functools.cache
def document(version: str) -> Mapping[str, Any]:
    # The signature says that it may be None, for APIs whose description does not ship.
    return cast(Mapping[str, Any], json.loads(discovery_cache.get_static_doc("drive", version)))


@dataclass(frozen=True)
class Method:
    """One method; `pattern` matches its path below `/drive/vN/`."""

    id: str
    http: str
    pattern: re.Pattern[str]
    parameters: Mapping[str, Mapping[str, Any]]
    body: str | None
    answer: str | None
    uploads: bool
    downloads: bool

    def check_parameters(self, given: Mapping[str, str]) -> None:
        """Unknown names and values of the wrong kind are refused."""
        for name, value in given.items():
            if name not in self.parameters:
                raise DriveError(400, "invalidParameter", f"Unknown parameter: {name}", name)
            if not _fits(self.parameters[name], value):
                raise bad_value(name)
        for name, parameter in self.parameters.items():
            if parameter.get("required") and parameter["location"] == "query" and name not in given:
                raise DriveError(400, "required", f"Required parameter: {name}", name)


def _fits(parameter: Mapping[str, Any], value: str) -> bool:
    match parameter["type"]:
        case "boolean":
            return value in {"true", "false"}
        case "integer":
            if re.fullmatch(r"-?\d{1,18}", value) is None:
                return False
            least, most = int(parameter.get("minimum", "0")), parameter.get("maximum")
            # Too large a page is served as the largest, says the description of pageSize itself.
            return int(value) >= least and (
                most is None or int(value) <= int(most) or "coerced" in parameter["description"]
            )
        case _:
            return "enum" not in parameter or value in parameter["enum"]


@functools.cache
def _methods(version: str) -> tuple[Method, ...]:
    found = [
        _method(version, each)
        for resource in document(version)["resources"].values()
        for each in resource.get("methods", {}).values()
    ]
    # `files/trash` is also of the form `files/{fileId}`: what is written out wins.
    return tuple(sorted(found, key=lambda method: method.pattern.pattern.count("(?P<")))


def _method(version: str, described: Mapping[str, Any]) -> Method:
    pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(described["path"]))
    return Method(
        described["id"],
        described["httpMethod"],
        re.compile(pattern),
        {**document(version)["parameters"], "source": {"type": "string"}, **described.get("parameters", {})},
        described.get("request", {}).get("$ref"),
        described.get("response", {}).get("$ref"),
        described.get("supportsMediaUpload", False),
        described.get("supportsMediaDownload", False),
    )


def find_method(version: str, http: str, path: str) -> tuple[Method, dict[str, str]] | None:
    """The method and the arguments in its path."""
    for method in _methods(version):
        if method.http == http and (match := method.pattern.fullmatch(path)) is not None:
            return method, match.groupdict()
    return None
