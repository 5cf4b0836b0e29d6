"""Drive v2: `title`, `labels`, etags; what a file looks like there, and what a client may say about one."""

from __future__ import annotations

from typing import Any

from .account import Account
from .asks import Ask, checked_properties, instant, one_parent, rfc3339
from .items import Item
from .refusals import bad_value

__all__ = ["ABOUT_NEEDS_FIELDS", "DEFAULTS", "NAMES", "about", "changes", "file", "file_list"]

DEFAULTS: dict[str, str] = {}
ABOUT_NEEDS_FIELDS = False
NAMES = {"page_size": "maxResults", "id_count": "maxResults", "keep_forever": "pinned"}


def file(account: Account, item: Item, base: str) -> dict[str, Any]:
    link = f"{base}drive/v2/files/{item.id}"
    made: dict[str, Any] = {
        "kind": "drive#file",
        "id": item.id,
        "etag": item.etag,
        "selfLink": link,
        "alternateLink": f"https://drive.google.com/file/d/{item.id}/view?usp=drivesdk",
        "title": item.name,
        "mimeType": item.mime,
        "labels": {
            "starred": item.starred,
            "hidden": False,
            "trashed": account.is_trashed(item),
            "restricted": False,
            "viewed": True,
        },
        "createdDate": rfc3339(item.created),
        "modifiedDate": rfc3339(item.modified),
        "modifiedByMeDate": rfc3339(item.modified),
        "version": str(item.version),
        "parents": [_parent(account, item, link)] if item.parent else [],
        "quotaBytesUsed": str(item.quota_bytes),
        "ownerNames": ["Someone"],
        "owners": [_user(account)],
        "lastModifyingUserName": "Someone",
        "lastModifyingUser": _user(account),
        "capabilities": {"canEdit": True, "canTrash": True, "canDelete": True, "canDownload": not item.is_folder},
        "editable": True,
        "copyable": not item.is_folder,
        "writersCanShare": True,
        "shared": False,
        "explicitlyTrashed": item.trashed,
        "ownedByMe": True,
        "appDataContents": False,
        "spaces": ["drive"],
    }
    return made | _optional(item) | (_content(item, link) if item.blob else {})


def _optional(item: Item) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if item.trashed_at is not None:
        made["trashedDate"] = rfc3339(item.trashed_at)
    if item.description:
        made["description"] = item.description
    if item.properties:
        made["properties"] = [
            {"kind": "drive#property", "key": key, "value": value, "visibility": visibility}
            for (key, visibility), value in item.properties.items()
        ]
    return made


def _content(item: Item, link: str) -> dict[str, Any]:
    assert item.blob is not None
    return {
        "downloadUrl": f"{link}?alt=media&source=downloadUrl",
        "webContentLink": f"https://drive.google.com/uc?id={item.id}&export=download",
        "originalFilename": item.original_name or item.name,
        "fileExtension": item.name.rpartition(".")[2] if "." in item.name else "",
        "fileSize": str(item.size),
        "md5Checksum": item.blob.md5,
        "sha1Checksum": item.blob.sha1,
        "sha256Checksum": item.blob.sha256,
        "headRevisionId": item.revision_id,
    }


def _parent(account: Account, item: Item, link: str) -> dict[str, Any]:
    return {
        "kind": "drive#parentReference",
        "id": item.parent,
        "selfLink": f"{link}/parents/{item.parent}",
        "parentLink": f"{link.rpartition('/')[0]}/{item.parent}",
        "isRoot": item.parent == account.root.id,
    }


def _user(account: Account) -> dict[str, Any]:
    return {
        "kind": "drive#user",
        "displayName": "Someone",
        "isAuthenticatedUser": True,
        "permissionId": "01234567890123456789",
        "emailAddress": account.email,
    }


def file_list(ask: Ask, files: list[dict[str, Any]], token: str | None) -> dict[str, Any]:
    link = f"{ask.call.base_url}drive/v2/files"
    made = {"kind": "drive#fileList", "etag": '"list"', "selfLink": link, "incompleteSearch": False, "items": files}
    if token is not None:
        made |= {"nextPageToken": token, "nextLink": f"{link}?pageToken={token}"}
    return made


def about(account: Account, base: str) -> dict[str, Any]:
    in_trash = sum(item.quota_bytes for item in account.trash)
    limit = 0 if account.service_account else account.quota
    return {
        "kind": "drive#about",
        "etag": '"about"',
        "selfLink": f"{base}drive/v2/about",
        "name": "Someone",
        "user": _user(account),
        "quotaBytesTotal": str(limit or 0),
        "quotaBytesUsed": str(account.used),
        "quotaBytesUsedAggregate": str(account.used),
        "quotaBytesUsedInTrash": str(in_trash),
        "quotaType": "UNLIMITED" if limit is None else "LIMITED",
        "rootFolderId": account.root.id,
        "permissionId": "01234567890123456789",
        "isCurrentAppInstalled": False,
        "languageCode": "en",
    }


def changes(ask: Ask, old: Item | None) -> dict[str, Any]:
    """What the metadata asks for, in the account's words; what is not writable is passed over, as v2 does."""
    body = ask.body
    made: dict[str, Any] = {}
    for theirs, ours in (("title", "name"), ("mimeType", "mime"), ("description", "description")):
        if theirs in body:
            made[ours] = body[theirs]
    if "originalFilename" in body:
        made["original_name"] = body["originalFilename"]
    if "parents" in body:
        made["parent"] = one_parent([each.get("id", "") for each in body["parents"]])
    labels = body.get("labels", {})
    made |= {label: labels[label] for label in ("starred", "trashed") if label in labels}
    if (modified := _modified(ask, old)) is not None:
        made["modified"] = modified
    if "properties" in body:
        made["properties"] = checked_properties(old.properties if old else {}, _property_changes(body["properties"]))
    return made


def _modified(ask: Ask, old: Item | None) -> float | None:
    """In an update the date of the body counts only where a parameter says so; else any update sets the time."""
    behaviour = ask.parameters.get("modifiedDateBehavior", "")
    if "modifiedDate" in ask.body and (old is None or ask.flag("setModifiedDate") or behaviour.startswith("fromBody")):
        return instant(ask.body["modifiedDate"], "modifiedDate")
    if old is None:
        return None
    return old.modified if behaviour == "noChange" else ask.account.clock()


def _property_changes(listed: list[dict[str, str]]) -> dict[tuple[str, str], str | None]:
    found: dict[tuple[str, str], str | None] = {}
    for each in listed:
        visibility = each.get("visibility", "PRIVATE").upper()
        if visibility not in {"PUBLIC", "PRIVATE"}:
            raise bad_value("visibility")
        found[each.get("key", ""), visibility] = each.get("value")
    return found
