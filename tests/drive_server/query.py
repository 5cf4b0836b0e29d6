"""The language of files.list's `q`: a parser that refuses what Drive refuses, and the test of one file against it.

query = parse("v3", "name = 'a' and 'root' in parents and trashed = false")
query.test(item, Sight(account))
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from .account import Account
from .items import Item
from .refusals import bad_value

__all__ = ["Query", "Sight", "Test", "parse"]

TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^'\\]|\\.)*')|(?P<word>[A-Za-z]+)|(?P<sign><=|>=|!=|[=<>(){}]))""", re.DOTALL
)
FIELDS: Mapping[str, Mapping[str, str]] = {
    "v2": {"title": "name", "modifiedDate": "modified", "createdDate": "created"},
    "v3": {"name": "name", "modifiedTime": "modified", "createdTime": "created"},
}
FLAGS = ("trashed", "starred")
PEOPLE = ("owners", "readers", "writers")
PROPERTIES = {"properties": "PUBLIC", "appProperties": "PRIVATE"}


@dataclass(frozen=True)
class Sight:
    """What a list can see: the account, and files as the name index has them (None: as they are)."""

    account: Account
    indexed: Mapping[str, Item] | None = None

    def name_of(self, item: Item) -> str:
        return item.name if self.indexed is None else self.indexed[item.id].name


Test = Callable[[Item, Sight], bool]


@dataclass(frozen=True)
class Query:
    """`by_name`: it asks for names, so the lagging index answers it; `parents` must exist."""

    test: Test
    by_name: bool
    parents: frozenset[str]


def parse(version: str, text: str) -> Query:
    parser = _Parser(version, text)
    test = parser.whole()
    return Query(test, parser.by_name, frozenset(parser.parents))


class _Parser:
    def __init__(self, version: str, text: str) -> None:
        self._version = version
        self._tokens = _tokens(text)
        self.by_name = False
        self.parents: set[str] = set()

    def whole(self) -> Test:
        test = self._either()
        if self._tokens:
            raise bad_value("q")
        return test

    def _either(self) -> Test:
        tests = [self._both()]
        while self._taken("word", "or"):
            tests.append(self._both())
        return lambda item, sight: any(test(item, sight) for test in tests)

    def _both(self) -> Test:
        tests = [self._one()]
        while self._taken("word", "and"):
            tests.append(self._one())
        return lambda item, sight: all(test(item, sight) for test in tests)

    def _one(self) -> Test:
        if self._taken("word", "not"):
            negated = self._one()
            return lambda item, sight: not negated(item, sight)
        if self._taken("sign", "("):
            inner = self._either()
            self._take("sign", ")")
            return inner
        if self._tokens and self._tokens[0][0] == "text":
            return self._membership(_unquoted(self._take("text")))
        return self._term(self._take("word"))

    def _membership(self, value: str) -> Test:
        self._take("word", "in")
        collection = self._take("word")
        if collection == "parents":
            self.parents.add(value)
            return lambda item, sight: item.parent is not None and item.parent == _folder_id(value, sight)
        if collection in PEOPLE:
            return lambda item, sight: value in {"me", sight.account.email}
        raise bad_value("q")

    def _term(self, field: str) -> Test:
        if field in FLAGS:
            return self._flag(field)
        if field in PROPERTIES:
            return self._property(PROPERTIES[field])
        if field == "mimeType":
            return self._text(lambda item, sight: item.mime)
        match FIELDS[self._version].get(field):
            case "name":
                self.by_name = True
                return self._text(lambda item, sight: sight.name_of(item))
            case "modified":
                return self._time(lambda item: item.modified)
            case "created":
                return self._time(lambda item: item.created)
        raise bad_value("q")

    def _flag(self, field: str) -> Test:
        sign, word = self._sign("=", "!="), self._take("word")
        if word not in {"true", "false"}:
            raise bad_value("q")
        wanted = (word == "true") == (sign == "=")
        if field == "trashed":
            return lambda item, sight: sight.account.is_trashed(item) == wanted
        return lambda item, sight: item.starred == wanted

    def _text(self, read: Callable[[Item, Sight], str]) -> Test:
        if self._taken("word", "contains"):
            return _contains(read, _unquoted(self._take("text")).casefold())
        sign = self._sign("=", "!=")
        value = _unquoted(self._take("text")).casefold()

        return lambda item, sight: (read(item, sight).casefold() == value) == (sign == "=")

    def _time(self, read: Callable[[Item], float]) -> Test:
        sign = self._sign("=", "!=", "<", "<=", ">", ">=")
        wanted = _instant(_unquoted(self._take("text")))
        compare: Mapping[str, Callable[[float], bool]] = {
            "=": lambda time: time == wanted,
            "!=": lambda time: time != wanted,
            "<": lambda time: time < wanted,
            "<=": lambda time: time <= wanted,
            ">": lambda time: time > wanted,
            ">=": lambda time: time >= wanted,
        }
        return lambda item, sight: compare[sign](round(read(item), 3))

    def _property(self, visibility: str) -> Test:
        self._take("word", "has")
        self._take("sign", "{")
        found: dict[str, str] = {}
        for part, last in (("key", False), ("value", True)):
            self._take("word", part)
            self._take("sign", "=")
            found[part] = _unquoted(self._take("text"))
            if not last:
                self._take("word", "and")
        if self._version == "v2":
            self._take("word", "and")
            self._take("word", "visibility")
            self._take("sign", "=")
            visibility = _unquoted(self._take("text"))
        self._take("sign", "}")
        return lambda item, sight: item.properties.get((found["key"], visibility)) == found["value"]

    def _taken(self, kind: str, value: str) -> bool:
        if self._tokens and self._tokens[0] == (kind, value):
            self._tokens.pop(0)
            return True
        return False

    def _take(self, kind: str, value: str | None = None) -> str:
        if not self._tokens or self._tokens[0][0] != kind or value not in (None, self._tokens[0][1]):
            raise bad_value("q")
        return self._tokens.pop(0)[1]

    def _sign(self, *allowed: str) -> str:
        sign = self._take("sign")
        if sign not in allowed:
            raise bad_value("q")
        return sign


def _contains(read: Callable[[Item, Sight], str], value: str) -> Test:
    """Drive matches the beginnings of words only."""
    begins = re.compile(rf"(?:^|[\W_]){re.escape(value)}")
    return lambda item, sight: begins.search(read(item, sight).casefold()) is not None


def _folder_id(value: str, sight: Sight) -> str:
    return sight.account.root.id if value == "root" else value


def _tokens(text: str) -> list[tuple[str, str]]:
    found, end = [], 0
    text = text.rstrip()
    while end < len(text):
        match = TOKEN.match(text, end)
        if match is None or match.lastgroup is None:
            raise bad_value("q")
        found.append((match.lastgroup, match[match.lastgroup]))
        end = match.end()
    return found


def _unquoted(text: str) -> str:
    inner = text[1:-1]
    if re.search(r"\\[^'\\]", re.sub(r"\\\\", "", inner)):
        raise bad_value("q")
    return re.sub(r"\\(.)", r"\1", inner, flags=re.DOTALL)


def _instant(text: str) -> float:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise bad_value("q") from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
