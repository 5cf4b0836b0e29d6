"""What each method of the API does to the account, in both versions; the answers' shapes are v2's and v3's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from . import v2, v3
from .account import check_etag
from .asks import Ask
from .contents import Blob
from .items import Item
from .lists import Lists
from .refusals import DriveError

__all__ = ["DIALECTS", "Methods"]

DIALECTS: Mapping[str, ModuleType] = {"v2": v2, "v3": v3}
OWN_FORMATS = "application/vnd.google-apps."


class Methods:
    """`perform` gives the whole answer; which fields of it are wanted is decided elsewhere."""

    def __init__(self, lists: Lists) -> None:
        self._lists = lists
        self._table: Mapping[str, Callable[[Ask], dict[str, Any] | None]] = {
            "about.get": self._about,
            "changes.getStartPageToken": self._start_page_token,
            "drives.list": lambda ask: {"kind": "drive#driveList", _drives_field(ask): []},
            "files.copy": self._copy,
            "files.create": self._create,
            "files.delete": self._delete,
            "files.emptyTrash": self._empty_trash,
            "files.generateIds": self._generate_ids,
            "files.get": lambda ask: self._file(ask, ask.account.get(ask.file_id)),
            "files.insert": self._create,
            "files.list": self._list,
            "files.patch": self._update,
            "files.touch": self._touch,
            "files.trash": lambda ask: self._set_trashed(ask, trashed=True),
            "files.untrash": lambda ask: self._set_trashed(ask, trashed=False),
            "files.update": self._update,
        }

    def perform(self, ask: Ask) -> dict[str, Any] | None:
        name = ask.call.method_id.removeprefix("drive.").removesuffix("_media")
        if name not in self._table:
            raise DriveError(501, "notImplemented", f"This server does not offer {ask.call.method_id}.")
        return self._table[name](ask)

    def check_upload(self, ask: Ask, size: int) -> None:
        """All that can be refused before the first byte comes."""
        account = ask.account
        if "fileId" in ask.call.path_arguments:
            old = account.get(ask.file_id)
            check_etag(old, ask.if_match)
            self._update_fields(ask, old)
            account.check_room(size, replaced=old)
            return
        fields = _dialect(ask).changes(ask, None)
        if (file_id := ask.body.get("id")) is not None:
            account.check_id(file_id)
        account.check_parent(fields.get("parent") or "root")
        account.check_room(size)

    def _file(self, ask: Ask, item: Item) -> dict[str, Any]:
        made: dict[str, Any] = _dialect(ask).file(ask.account, item, ask.call.base_url)
        return made

    def _create(self, ask: Ask) -> dict[str, Any]:
        fields = {"mime": ask.media_type or "application/octet-stream", **_dialect(ask).changes(ask, None)}
        fields["keep_forever"] = ask.flag(_dialect(ask).NAMES["keep_forever"])
        blob = ask.blob or self._empty(ask, fields["mime"])
        return self._file(ask, ask.account.create(blob=blob, file_id=ask.body.get("id"), **fields))

    def _empty(self, ask: Ask, mime: str) -> Blob | None:
        """A file without an upload has no bytes; a folder has no content at all."""
        return None if mime.startswith(OWN_FORMATS) else ask.account.contents.store(b"")

    def _update(self, ask: Ask) -> dict[str, Any]:
        account = ask.account
        with account.lock:
            old = account.get(ask.file_id)
            if ask.blob is not None and old.blob is None:
                raise DriveError(403, "fileNotUploadable", "This kind of file has no content to replace.")
            fields = self._update_fields(ask, old)
            item = account.update(old.id, blob=ask.blob, if_match=ask.if_match, **fields)
        return self._file(ask, item)

    def _update_fields(self, ask: Ask, old: Item) -> dict[str, Any]:
        fields: dict[str, Any] = _dialect(ask).changes(ask, old)
        if ask.blob is not None and ask.media_type and "mime" not in fields:
            fields["mime"] = ask.media_type
        if ask.flag(_dialect(ask).NAMES["keep_forever"]):
            fields["keep_forever"] = True
        added, removed = (
            [each for each in ask.parameters.get(name, "").split(",") if each]
            for name in ("addParents", "removeParents")
        )
        if added or removed:
            fields["parent"] = _moved(ask, old, added, removed)
        return fields

    def _copy(self, ask: Ask) -> dict[str, Any]:
        old = ask.account.get(ask.file_id)
        if old.blob is None:
            raise DriveError(403, "cannotCopyFile", "This file cannot be copied by the user.")
        fields = {
            "name": f"Copy of {old.name}" if ask.call.version == "v2" else old.name,
            "mime": old.mime,
            "parent": old.parent,
            "properties": old.properties,
            **_dialect(ask).changes(ask, None),
        }
        return self._file(ask, ask.account.create(blob=old.blob, file_id=ask.body.get("id"), **fields))

    def _delete(self, ask: Ask) -> None:
        ask.account.delete(ask.file_id, if_match=ask.if_match)

    def _empty_trash(self, ask: Ask) -> None:
        raise DriveError(403, "insufficientFilePermissions", "The user's trash is not ours to empty.")

    def _set_trashed(self, ask: Ask, *, trashed: bool) -> dict[str, Any]:
        return self._file(ask, ask.account.update(ask.file_id, trashed=trashed))

    def _touch(self, ask: Ask) -> dict[str, Any]:
        return self._file(ask, ask.account.update(ask.file_id, modified=ask.account.clock()))

    def _generate_ids(self, ask: Ask) -> dict[str, Any]:
        count = int(ask.parameters.get(_dialect(ask).NAMES["id_count"], 10))
        return {"kind": "drive#generatedIds", "space": "drive", "ids": list(ask.account.generate_ids(count))}

    def _list(self, ask: Ask) -> dict[str, Any]:
        items, token = self._lists.page(ask, _dialect(ask).NAMES["page_size"])
        files = [self._file(ask, item) for item in items]
        made: dict[str, Any] = _dialect(ask).file_list(ask, files, token)
        return made

    def _about(self, ask: Ask) -> dict[str, Any]:
        dialect = _dialect(ask)
        if dialect.ABOUT_NEEDS_FIELDS and not ask.parameters.get("fields"):
            message = "The 'fields' parameter is required for this method."
            raise DriveError(400, "required", message, "fields")
        made: dict[str, Any] = dialect.about(ask.account, ask.call.base_url)
        return made

    def _start_page_token(self, ask: Ask) -> dict[str, Any]:
        return {"kind": "drive#startPageToken", "startPageToken": "1"}


def _drives_field(ask: Ask) -> str:
    return "items" if ask.call.version == "v2" else "drives"


def _dialect(ask: Ask) -> ModuleType:
    return DIALECTS[ask.call.version]


def _moved(ask: Ask, old: Item, added: list[str], removed: list[str]) -> str:
    """A file has one folder, so it can be moved but neither doubled nor orphaned."""
    ids = {each: ask.account.get(each).id for each in (*added, *removed)}
    parents = ({old.parent} - {ids[each] for each in removed}) | {ids[each] for each in added}
    if len(parents) > 1:
        raise DriveError(403, "cannotAddParent", "Increasing the number of parents is not allowed")
    if not parents or None in parents:
        raise DriveError(403, "cannotRemoveParent", "A file must keep a parent.")
    return str(parents.pop())
