"""Any URL that fsspec knows as a remote: S3, Google Cloud Storage, a server by SFTP, memory.

Promises: an object appears under its name whole or not at all. S3 and Google Cloud Storage show it when its upload is
completed, and an upload that failed is aborted; other file systems get it under a name beside its place (`.part-...`),
and it is moved. What is stored is compared with what was sent: the size, and the md5 where the store tells a true one.
A transfer holds a few blocks in memory, whatever the size. Listings are never remembered, for others write there too.

Where the owner of a bucket keeps old versions, it keeps what was deleted or replaced, too; that is the bucket's choice.

fsspec runs one thread per process for its connections, and a forked process has no such thread. So a remote belongs to
the process that opened it. Workers of a DataLoader may be forked at any time; they just never use it.
"""

from __future__ import annotations

import base64
import contextlib
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from ..errors import NotThere, Overtaken, RemoteRefused, RemoteUnavailable, UsageError
from . import Entry, Receipt, Remote, Source
from .filesystem_errors import attempt
from .folder import check_name, is_name
from .opening import open_remote
from .reading import blocks, md5_of, reading

__all__ = ["FilesystemRemote", "open_filesystem"]

_MIB = 1 << 20
_BLOCK = 5 * _MIB
"""What one request carries; S3 takes no smaller parts. fsspec holds about three of them at a time."""
_MOST_PARTS = 9000  # S3 takes 10,000
_PART = ".part-"

_PACKAGES = {"abfs": "adlfs", "az": "adlfs", "gcs": "gcsfs", "gs": "gcsfs", "s3": "s3fs", "s3a": "s3fs"}
_OBJECT_STORES = frozenset({"gcs", "gs", "s3", "s3a"})
"""Whose open uploads can be aborted, seen at work; what others do with a broken upload is not known."""

_IDENTITY = ("size", "ETag", "etag", "generation", "mtime", "created")


def open_filesystem(url: str, **options: Any) -> Remote:
    """The remote at a URL; `options` are those of the file system in fsspec (`key`, `endpoint_url`, `token`, ...)."""
    protocol, separator, rest = url.partition("://")
    shown = re.sub(r"(?<=//)[^/@]*@", "", url)
    if not separator or "::" in url:
        raise UsageError(f"{shown!r} is no plain URL of a file system", hint="use a URL such as 's3://bucket/folder'")
    if protocol in ("file", "local"):
        if options:
            raise UsageError(f"{shown} is a folder, which takes no options", hint=f"leave out {', '.join(options)}")
        return open_remote(rest)
    if protocol in _OBJECT_STORES:
        if not rest.strip("/"):
            raise UsageError(f"{url!r} names no bucket", hint=f"use '{protocol}://bucket/folder'")
        _refuse_keys(protocol, rest)
        options = {"use_listings_cache": False, **options}
    filesystem, root = _open(url, shown, options)
    return FilesystemRemote(filesystem, root, protocol=protocol)


def _refuse_keys(protocol: str, rest: str) -> None:
    """They would be taken for a part of the bucket's name, and shown wherever that is; a key may hold a slash."""
    bucket = rest.split("/", maxsplit=1)[0]
    if "@" in bucket or (":" in bucket and not bucket.startswith("arn:")):
        raise UsageError(
            f"a URL of {protocol} holds no keys, and this one seems to: it is not used, and not shown",
            hint=f"use '{protocol}://bucket/folder', and give keys by the environment or a file, as its own tools do",
        )


def _open(url: str, shown: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    """The file system and the path in it; `shown` is the URL without the user and password that it may contain."""
    protocol = url.partition("://")[0]
    try:
        from fsspec import get_filesystem_class
        from fsspec.core import url_to_fs

        get_filesystem_class(protocol)
    except ImportError as error:
        command = f"%pip install colab-resume[fsspec] {_PACKAGES.get(protocol, '')}".rstrip()
        raise UsageError(f"cannot open {shown}: {error}", hint=command) from error
    except ValueError as error:
        raise UsageError(
            f"cannot open {shown}: {error}", hint="use a protocol that fsspec knows, as s3 or gs"
        ) from error
    with attempt(f"open {shown}"):
        filesystem, root = url_to_fs(url, **options)
    return filesystem, root


class FilesystemRemote:
    """Objects are files below `root` of an fsspec file system; `protocol` tells how it shows what is being written."""

    def __init__(self, filesystem: Any, root: str, *, protocol: str) -> None:
        self.confirms = True
        self.root = root.rstrip("/")
        self._filesystem = filesystem
        self._protocol = protocol
        self._bucket_seen = protocol not in _OBJECT_STORES

    def __repr__(self) -> str:
        return f"FilesystemRemote({f'{self._protocol}://{self.root}'!r})"

    def list(self, folder: str) -> Sequence[Entry]:
        path = self._locate(folder) if folder else self.root
        entries = [entry for info in self._ls(path) if (entry := _entry(folder, path, info))]
        return sorted(entries, key=lambda entry: entry.name)

    def folders(self) -> Sequence[str]:
        """The names of the folders directly in it."""
        found = [info["name"] for info in self._ls(self.root) if info["type"] == "directory"]
        return sorted(filter(is_name, (name.rstrip("/").rpartition("/")[2] for name in found)))

    def put(self, name: str, source: Source) -> Receipt:
        path = self._locate(name)
        with attempt(f"store {path}"):
            with reading(name):
                size = source.size
            if self._protocol == "memory" or (self._protocol in _OBJECT_STORES and size <= _BLOCK):
                self._filesystem.pipe_file(path, b"".join(blocks(name, source, size)))
            elif self._protocol in _OBJECT_STORES:
                self._upload(path, name, source, size)
            else:
                self._write_and_move(path, name, source, size)
            return self._check_stored(path, name, source, size)

    def get(self, name: str, sink: BinaryIO, offset: int = 0) -> None:
        path = self._locate(name)
        doing = f"read {path}"
        with attempt(doing):
            before = self._find(path)
        if before is None:
            raise NotThere(f"{path} is not there", hint="list the folder to see what is")
        size = before["size"]
        several = size - offset > _BLOCK
        while offset < size:
            end = min(offset + _BLOCK, size)
            with attempt(doing):
                block = self._filesystem.cat_file(path, start=offset, end=end)
                if len(block) != end - offset or (several and end == size):
                    self._check_unchanged(path, before)
            if len(block) != end - offset:
                what = f"{path}: {len(block)} bytes came of {end - offset}"
                raise RemoteUnavailable(what, hint="it is asked again from there")
            # Outside the attempt: what the sink cannot take is not the remote's failure.
            sink.write(block)
            offset = end
            # Else it would still be held while the next one arrives.
            del block

    def delete(self, name: str) -> None:
        path = self._locate(name)
        # A folder is not an object, so an object of its name is not there either.
        gone = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
        with attempt(f"delete {path}"), contextlib.suppress(*gone):
            self._filesystem.rm_file(path)

    def _locate(self, name: str) -> str:
        check_name(name)
        if "?versionId=" in name:
            # s3fs takes what follows for a version of the object in front, so this name would be another's.
            raise RemoteRefused(f"{name!r} cannot be a name on S3", hint="use a name without '?versionId='")
        return f"{self.root}/{name}"

    def _ls(self, path: str) -> Sequence[Mapping[str, Any]]:
        with attempt(f"list {path}"):
            self._filesystem.invalidate_cache()
            try:
                found: Sequence[Mapping[str, Any]] = self._filesystem.ls(path, detail=True)
            except (FileNotFoundError, NotADirectoryError):
                self._check_bucket()
                return []
        self._bucket_seen = True
        return found

    def _check_bucket(self) -> None:
        """An absent folder is empty, an absent bucket is a mistake; the answer to `ls` can be the same for both."""
        if not self._bucket_seen:
            self._filesystem.ls(self.root.split("/")[0])
            self._bucket_seen = True

    def _find(self, path: str) -> Mapping[str, Any] | None:
        """What the file system says about an object; None if there is none."""
        self._filesystem.invalidate_cache()
        try:
            info: Mapping[str, Any] = self._filesystem.info(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return info if info["type"] == "file" else None

    def _upload(self, path: str, name: str, source: Source, size: int) -> None:
        """Send parts; nothing is visible before `commit`, which is reached only with all bytes sent."""
        block_size = max(_BLOCK, -(-size // _MOST_PARTS // _MIB) * _MIB)
        stream = self._filesystem.open(path, "wb", block_size=block_size, autocommit=False)
        try:
            for block in blocks(name, source, size):
                stream.write(block)
            stream.close()
            stream.commit()
        except BaseException:
            # The first error is the one to tell; parts that stay cost space until the bucket's owner clears them.
            with contextlib.suppress(Exception):
                stream.discard()
            # Else it would send its last part when it is garbage collected.
            stream.closed = True
            raise

    def _write_and_move(self, path: str, name: str, source: Source, size: int) -> None:
        folder = path.rpartition("/")[0]
        self._filesystem.makedirs(folder, exist_ok=True)
        if self._filesystem.isdir(path):
            # Some would move the file into it.
            raise IsADirectoryError(f"{path} is a folder")
        part = f"{folder}/{_PART}{secrets.token_hex(8)}"
        try:
            with self._filesystem.open(part, "wb") as stream:
                for block in blocks(name, source, size):
                    stream.write(block)
            self._filesystem.mv(part, path)
        except BaseException:
            # The first error is the one to tell; a part that stays costs space, and is never listed.
            with contextlib.suppress(Exception):
                self._filesystem.rm_file(part)
            raise

    def _check_stored(self, path: str, name: str, source: Source, size: int) -> Receipt:
        info = self._find(path) or {}
        if (stored := info.get("size", 0)) != size or not info:
            raise RemoteUnavailable(f"{path}: {stored} bytes are stored of {size}", hint="it is sent again")
        told = _true_md5(info)
        # S3 calls this an ETag, and it is an md5 unless the bucket's encryption makes it something else: so an equal
        # one proves the content, and a different one proves nothing.
        etag = str(info.get("ETag", "")).strip('"')
        if told is None and not re.fullmatch(r"[0-9a-f]{32}", etag):
            return Receipt(name, size)
        sent = md5_of(name, source, size)
        if told not in (None, sent):
            raise RemoteUnavailable(f"{path}: other bytes are stored than were sent", hint="it is sent again")
        return Receipt(name, size, sent if sent in (told, etag) else None)

    def _check_unchanged(self, path: str, before: Mapping[str, Any]) -> None:
        """Refused, not unavailable: who goes on where this one stopped would get the end of another content."""
        after = self._find(path) or {}
        if any(before.get(key) != after.get(key) for key in _IDENTITY):
            raise Overtaken(f"{path} was replaced while it was read", hint="read it again from its beginning")


def _entry(folder: str, path: str, info: Mapping[str, Any]) -> Entry | None:
    """None for folders, for parts, for an object listed as its own folder, and for what no object can be named."""
    own = info["name"].rstrip("/").rpartition("/")[2]
    if info["type"] != "file" or info["name"].strip("/") == path.strip("/"):
        return None
    try:
        check_name(own)
    except RemoteRefused:
        return None
    return Entry(f"{folder}/{own}" if folder else own, info["size"], _true_md5(info))


def _true_md5(info: Mapping[str, Any]) -> str | None:
    """Google's, in hex. A listing of S3 does not say which of its ETags are an md5."""
    encoded = info.get("md5Hash")
    return base64.b64decode(encoded).hex() if encoded else None
