"""The headers of tus 1.0.0 (resumable uploads, https://tus.io/protocols/resumable-upload), read and checked. Pure."""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from lingoloop_common.errors import Problem
from lingoloop_gateway.options import UploadOptions, read_options

VERSION = "1.0.0"
EXTENSIONS = (
    "creation,creation-with-upload,creation-defer-length,termination,checksum,expiration,concatenation"
)
ALGORITHMS = ("sha1", "md5", "sha256", "sha512")
CONTENT_TYPE = "application/offset+octet-stream"

NUMBER = re.compile(r"[0-9]{1,18}")
KEY = re.compile(r"[!-+\--~]+")
"""Printable ASCII without space and comma."""

FILENAMES = ("filename", "name")
FILE_TYPES = ("filetype", "type")
NOT_OPTIONS = {*FILENAMES, *FILE_TYPES, "relativePath"}
"""What clients say of a file by themselves; every other key is an option."""


class Creation(BaseModel):
    """What a POST asks for. `length` is in bytes, None: told later, or that of the `parts`."""

    model_config = ConfigDict(frozen=True)

    length: int | None
    metadata: str
    concat: str | None
    parts: tuple[UUID, ...]

    @property
    def partial(self) -> bool:
        """Whether it will only be a part of another upload."""
        return self.concat is not None and not self.parts


@dataclass(frozen=True, slots=True)
class Checksum:
    """What a body's bytes must sum up to."""

    algorithm: str
    value: bytes

    def begin(self) -> Any:
        """Return a digest (as those of `hashlib`) of no bytes."""
        return hashlib.new(self.algorithm, usedforsecurity=False)


@dataclass(frozen=True, slots=True)
class Described:
    """What an upload's metadata say: the file, and how it shall be transcribed."""

    filename: str
    content_type: str
    options: UploadOptions


def read_creation(headers: Mapping[str, str], max_bytes: int) -> Creation:
    """Read the headers of a POST.

    Raises:
        Problem: `bad_request` for headers that are wrong, `too_large`.
    """
    metadata = headers.get("Upload-Metadata", "")
    read_metadata(metadata)
    concat, parts = _read_concat(headers.get("Upload-Concat"))
    length = read_length(headers, max_bytes)
    deferred = headers.get("Upload-Defer-Length")
    if deferred not in (None, "1"):
        raise Problem("bad_request", "Upload-Defer-Length must be 1")
    if parts:
        if length is not None or deferred:
            raise Problem("bad_request", "Upload-Length of an upload that is made of others is theirs")
    elif (length is None) == (deferred is None):
        raise Problem("bad_request", "send either Upload-Length or Upload-Defer-Length: 1")
    return Creation(length=length, metadata=metadata, concat=concat, parts=parts)


def read_length(headers: Mapping[str, str], max_bytes: int) -> int | None:
    """Return Upload-Length, None without; raise Problem `bad_request` or `too_large`."""
    length = _number(headers, "Upload-Length")
    if length is not None and length > max_bytes:
        raise Problem("too_large", f"an upload may have {max_bytes} bytes")
    return length


def read_offset(headers: Mapping[str, str]) -> int:
    """Return Upload-Offset; raise Problem `bad_request` without it."""
    offset = _number(headers, "Upload-Offset")
    if offset is None:
        raise Problem("bad_request", "Upload-Offset is missing")
    return offset


def read_checksum(headers: Mapping[str, str]) -> Checksum | None:
    """Return what Upload-Checksum says, None without; raise Problem `bad_request`."""
    text = headers.get("Upload-Checksum")
    if text is None:
        return None
    algorithm, _, encoded = text.partition(" ")
    if algorithm not in ALGORITHMS:
        raise Problem("bad_request", f"Upload-Checksum must be of {', '.join(ALGORITHMS)}")
    checksum = Checksum(algorithm, _decoded("Upload-Checksum", encoded.strip()))
    if len(checksum.value) != checksum.begin().digest_size:
        raise Problem("bad_request", f"Upload-Checksum is no {algorithm}")
    return checksum


def read_metadata(text: str) -> dict[str, bytes]:
    """Return Upload-Metadata as keys and values; raise Problem `bad_request`."""
    found: dict[str, bytes] = {}
    for pair in text.split(",") if text.strip() else ():
        key, _, value = pair.strip(" ").partition(" ")
        if not KEY.fullmatch(key):
            raise Problem("bad_request", "Upload-Metadata has a key that is empty or not printable ASCII")
        if key in found:
            raise Problem("bad_request", f"Upload-Metadata has the key {key} twice")
        found[key] = _decoded(f"Upload-Metadata: {key}", value)
    return found


def describe(metadata: str) -> Described:
    """Return what checked metadata say of the file, and of the run.

    Raises:
        Problem: `invalid_value` for options that are wrong; names each.
    """
    fields: dict[str, str] = {}
    for key, value in read_metadata(metadata).items():
        try:
            fields[key] = value.decode()
        except UnicodeDecodeError:
            raise Problem("invalid_value", f"{key} is not UTF-8", fields={key: "is not UTF-8"}) from None
    options = read_options({key: value for key, value in fields.items() if key not in NOT_OPTIONS})
    return Described(
        next((fields[key] for key in FILENAMES if fields.get(key)), "recording"),
        next((fields[key] for key in FILE_TYPES if fields.get(key)), "application/octet-stream"),
        options,
    )


def _read_concat(text: str | None) -> tuple[str | None, tuple[UUID, ...]]:
    if text is None or text == "partial":
        return text, ()
    kind, _, urls = text.partition(";")
    parts = tuple(_id_in(url) for url in urls.split())
    if kind != "final" or not parts:
        raise Problem("bad_request", "Upload-Concat must be partial, or final; and the addresses of uploads")
    return text, parts


def _id_in(url: str) -> UUID:
    try:
        return UUID(urlsplit(url).path.rpartition("/")[2])
    except ValueError:
        raise Problem("bad_request", "Upload-Concat names an address that is no upload's") from None


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name)
    if text is None:
        return None
    if not NUMBER.fullmatch(text):
        raise Problem("bad_request", f"{name} must be a number of bytes")
    return int(text)


def _decoded(name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Problem("bad_request", f"{name} is not in Base64") from None
