"""files.list: the query, the order, and pages whose tokens belong to one query."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .account import Account
from .asks import Ask
from .items import Item
from .query import Sight, parse
from .refusals import bad_value, not_found

__all__ = ["Lists"]

SORT_KEYS: Mapping[str, Callable[[Item], Any]] = {
    "folder": lambda item: not item.is_folder,
    "name": lambda item: item.name.casefold(),
    "name_natural": lambda item: _natural(item.name),
    "created": lambda item: item.created,
    "modified": lambda item: item.modified,
    "modifiedByMe": lambda item: item.modified,
    "recency": lambda item: item.modified,
    "quotaBytesUsed": lambda item: item.quota_bytes,
    "starred": lambda item: not item.starred,
}
SUFFIX = {"v2": "Date", "v3": "Time"}
NAME = {"v2": "title", "v3": "name"}


@dataclass(frozen=True)
class _Rest:
    """`seen`: files that only the name index still knows."""

    question: tuple[str, str, str]
    ids: list[str]
    seen: Mapping[str, Item]


class Lists:
    """Keeps what the open page tokens still have to show."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._rests: dict[str, _Rest] = {}

    def page(self, ask: Ask, size_name: str) -> tuple[list[Item], str | None]:
        """One page, and the token of the next."""
        if ask.parameters.get("spaces", "drive") != "drive":
            raise bad_value("spaces")
        question = (ask.call.version, ask.parameters.get("q", ""), ask.parameters.get("orderBy", ""))
        token = ask.parameters.get("pageToken")
        with self._account.lock:
            rest = self._found(question) if token is None else self._continued(token, question)
            size = min(int(ask.parameters.get(size_name, 100)), self._account.page_limit) or 100
            there = {**rest.seen, **self._account.files}
            shown = [there[file_id] for file_id in rest.ids[:size] if file_id in there]
            if len(rest.ids) <= size:
                return shown, None
            new_token = f"~!!~{secrets.token_urlsafe(24)}"
            self._rests[new_token] = _Rest(question, rest.ids[size:], rest.seen)
        return shown, new_token

    def _continued(self, token: str, question: tuple[str, str, str]) -> _Rest:
        rest = self._rests.get(token)
        if rest is None or rest.question != question:
            raise bad_value("pageToken")
        return rest

    def _found(self, question: tuple[str, str, str]) -> _Rest:
        version, text, order = question
        there = self._account.files
        indexed: dict[str, Item] = {}
        if text.strip():
            query = parse(version, text)
            for parent in query.parents:
                self._check_parent(parent)
            indexed = self._account.names.look() if query.by_name else {}
            if query.by_name:
                there = {key: there.get(key, item) for key, item in indexed.items()}
            sight = Sight(self._account, indexed if query.by_name else None)
            there = {key: item for key, item in there.items() if query.test(item, sight)}
        files = list(reversed(there.values()))
        for key in reversed([each.strip() for each in order.split(",") if each.strip()]):
            files.sort(key=_sort_key(version, key), reverse=key.endswith(" desc"))
        return _Rest(question, [item.id for item in files], indexed)

    def _check_parent(self, parent: str) -> None:
        """Drive does not name the folder that it has not found."""
        if parent != "root" and parent not in {self._account.root.id, *self._account.files}:
            raise not_found("")


def _sort_key(version: str, text: str) -> Callable[[Item], Any]:
    key = re.sub(r" +desc$", "", text)
    for ours in SORT_KEYS:
        theirs = ours.replace("name", NAME[version])
        if ours in {"created", "modified", "modifiedByMe"}:
            theirs = f"{ours}{SUFFIX[version]}"
        if key == theirs:
            return SORT_KEYS[ours]
    raise bad_value("orderBy")


def _natural(name: str) -> list[tuple[int, str]]:
    """`a10` after `a9`."""
    parts = re.findall(r"\d+|\D+", name.casefold())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
