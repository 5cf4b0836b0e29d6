"""Drive v3: `name`, few fields unless asked, no etags; what a file looks like there, and what a client may say."""

from __future__ import annotations

from typing import Any

from .account import Account
from .asks import Ask, checked_properties, instant, one_parent, rfc3339
from .items import Item
from .refusals import DriveError

__all__ = ["ABOUT_NEEDS_FIELDS", "DEFAULTS", "NAMES", "about", "changes", "file", "file_list"]

DEFAULTS = {
    "File": "kind,id,name,mimeType",
    "FileList": "kind,nextPageToken,incompleteSearch,files(kind,id,name,mimeType)",
    "DriveList": "kind,nextPageToken,drives(kind,id,name)",
}
ABOUT_NEEDS_FIELDS = True
NAMES = {"page_size": "pageSize", "id_count": "count", "keep_forever": "keepRevisionForever"}

WRITABLE = {"name": "name", "mimeType": "mime", "description": "description", "starred": "starred"}
ONLY_IN_CREATE = {"id", "parents", "createdTime"}
ONLY_IN_UPDATE = {"trashed"}
# Writable on Drive, and of no consequence here.
WITHOUT_EFFECT = {
    "kind",
    "contentHints",
    "copyRequiresWriterPermission",
    "folderColorRgb",
    "viewedByMeTime",
    "writersCanShare",
}
HANDLED = {"modifiedTime", "originalFilename", "properties", "appProperties"}


def file(account: Account, item: Item, base: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "kind": "drive#file",
        "id": item.id,
        "name": item.name,
        "mimeType": item.mime,
        "starred": item.starred,
        "trashed": account.is_trashed(item),
        "explicitlyTrashed": item.trashed,
        "spaces": ["drive"],
        "version": str(item.version),
        "webViewLink": f"https://drive.google.com/file/d/{item.id}/view?usp=drivesdk",
        "viewedByMe": True,
        "createdTime": rfc3339(item.created),
        "modifiedTime": rfc3339(item.modified),
        "modifiedByMe": True,
        "modifiedByMeTime": rfc3339(item.modified),
        "owners": [_user(account)],
        "lastModifyingUser": _user(account),
        "shared": False,
        "ownedByMe": True,
        "capabilities": {"canEdit": True, "canTrash": True, "canDelete": True, "canDownload": not item.is_folder},
        "writersCanShare": True,
        "isAppAuthorized": True,
        "quotaBytesUsed": str(item.quota_bytes),
    }
    return made | _optional(item) | (_content(item) if item.blob else {})


def _optional(item: Item) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if item.parent is not None:
        made["parents"] = [item.parent]
    if item.trashed_at is not None:
        made["trashedTime"] = rfc3339(item.trashed_at)
    if item.description:
        made["description"] = item.description
    for field, visibility in (("properties", "PUBLIC"), ("appProperties", "PRIVATE")):
        found = {key: value for (key, seen), value in item.properties.items() if seen == visibility}
        if found:
            made[field] = found
    return made


def _content(item: Item) -> dict[str, Any]:
    assert item.blob is not None
    return {
        "webContentLink": f"https://drive.google.com/uc?id={item.id}&export=download",
        "originalFilename": item.original_name or item.name,
        "fileExtension": item.name.rpartition(".")[2] if "." in item.name else "",
        "fullFileExtension": item.name.partition(".")[2],
        "size": str(item.size),
        "md5Checksum": item.blob.md5,
        "sha1Checksum": item.blob.sha1,
        "sha256Checksum": item.blob.sha256,
        "headRevisionId": item.revision_id,
    }


def _user(account: Account) -> dict[str, Any]:
    return {
        "kind": "drive#user",
        "displayName": "Someone",
        "me": True,
        "permissionId": "01234567890123456789",
        "emailAddress": account.email,
    }


def file_list(ask: Ask, files: list[dict[str, Any]], token: str | None) -> dict[str, Any]:
    made = {"kind": "drive#fileList", "incompleteSearch": False, "files": files}
    return made | ({} if token is None else {"nextPageToken": token})


def about(account: Account, base: str) -> dict[str, Any]:
    in_trash = sum(item.quota_bytes for item in account.trash)
    limit = 0 if account.service_account else account.quota
    usage = {"usage": str(account.used), "usageInDrive": str(account.used), "usageInDriveTrash": str(in_trash)}
    return {
        "kind": "drive#about",
        "user": _user(account),
        "storageQuota": usage | ({} if limit is None else {"limit": str(limit)}),
        "importFormats": {},
        "exportFormats": {},
        "maxImportSizes": {},
        "maxUploadSize": str(5 << 40),
        "appInstalled": False,
        "canCreateDrives": False,
        "canCreateTeamDrives": False,
    }


def changes(ask: Ask, old: Item | None) -> dict[str, Any]:
    """What the metadata asks for, in the account's words; what is not writable is refused, as v3 does."""
    body = ask.body
    _check_writable(set(body), creating=old is None)
    made: dict[str, Any] = {ours: body[theirs] for theirs, ours in WRITABLE.items() if theirs in body}
    if "originalFilename" in body:
        made["original_name"] = body["originalFilename"]
    if "parents" in body:
        made["parent"] = one_parent(body["parents"])
    if "trashed" in body:
        made["trashed"] = body["trashed"]
    for theirs, ours in (("modifiedTime", "modified"), ("createdTime", "created")):
        if theirs in body:
            made[ours] = instant(body[theirs], theirs)
    if {"properties", "appProperties"} & set(body):
        made["properties"] = checked_properties(old.properties if old else {}, _property_changes(ask))
    return made


def _check_writable(asked: set[str], *, creating: bool) -> None:
    if "parents" in asked and not creating:
        message = (
            "The parents field is not directly writable in update requests. "
            "Use the addParents and removeParents parameters instead."
        )
        raise DriveError(403, "fieldNotWritable", message)
    writable = {*WRITABLE, *HANDLED, *WITHOUT_EFFECT, *(ONLY_IN_CREATE if creating else ONLY_IN_UPDATE)}
    if asked - writable:
        message = "The resource body includes fields which are not directly writable."
        raise DriveError(403, "fieldNotWritable", message)


def _property_changes(ask: Ask) -> dict[tuple[str, str], str | None]:
    kinds = (("properties", "PUBLIC"), ("appProperties", "PRIVATE"))
    return {
        (key, visibility): value for field, visibility in kinds for key, value in (ask.body.get(field) or {}).items()
    }
