"""A bucket of Amazon's S3, or of a server that speaks its language: MinIO, Ceph, R2 and others.

What it has to support: conditional writes (`If-None-Match`, `If-Match`), and parts that are copied from other objects.
"""

import base64
import contextlib
import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from lingoloop_common.blobs.bucket import ANSWER_WITHIN, URL_LASTS, Entry, StoreError, Taken
from lingoloop_common.blobs.seam import BlobMissing, Labels

COPIES = 8
"""Parts that are copied at a time."""

ATTEMPTS = 5
"""How often the client makes a request before it gives up."""

READS = 3
"""How often a body that breaks off is read; the client itself repeats requests only until their answer begins."""

MISSING = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchUpload"})
TAKEN = frozenset({"412", "PreconditionFailed"})

CONFLICT, CONFLICTS, CONFLICT_PAUSE = "ConditionalRequestConflict", 3, 0.2
"""Something else happens to the name at this moment: a write is made so often, with as many seconds between."""


class S3Bucket:
    """A bucket; credentials and region as the client finds them by itself (`AWS_ACCESS_KEY_ID`, roles, ...)."""

    def __init__(self, bucket: str, prefix: str, endpoint_url: str | None) -> None:
        self._bucket, self._prefix = bucket, prefix
        config = Config(
            connect_timeout=5,
            read_timeout=ANSWER_WITHIN,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            max_pool_connections=32,
            signature_version="s3v4",
            s3={"addressing_style": "path"} if endpoint_url else {},
            # Others than Amazon's own do not all know its newer checksums; `Content-MD5` they know.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        self._client = boto3.client("s3", endpoint_url=endpoint_url, config=config)

    def check(self) -> None:
        with self._told():
            self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1)

    def keeps_versions(self) -> bool:
        try:
            answer = self._client.get_bucket_versioning(Bucket=self._bucket)
        except (BotoCoreError, ClientError):  # no right to ask, or no such thing
            return False
        return "Status" in answer

    def put(
        self, name: str, data: bytes, labels: Labels, *, over: str | None = None, new: bool = False
    ) -> None:
        given = {"IfNoneMatch": "*"} if new else {"IfMatch": over} if over else {}
        md5 = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
        for left in reversed(range(CONFLICTS)):
            with self._told(name):
                try:
                    self._client.put_object(
                        **self._key(name), Body=data, ContentMD5=md5, Metadata=_metadata(labels), **given
                    )
                    return
                except ClientError as error:
                    if _code(error) != CONFLICT or not left:
                        raise
            time.sleep(CONFLICT_PAUSE)

    def get(self, name: str, start: int, end: int) -> bytes:
        if start >= end:
            return b""
        for left in reversed(range(READS)):
            with self._told(name):
                answer = self._client.get_object(**self._key(name), Range=f"bytes={start}-{end - 1}")
                try:
                    data: bytes = answer["Body"].read()
                    return data
                except BotoCoreError:
                    if not left:
                        raise
        raise AssertionError("the last one returned or raised")

    def labels(self, name: str) -> Labels:
        with self._told(name):
            found: Mapping[str, str] = self._client.head_object(**self._key(name))["Metadata"]
            return found

    def list(self, prefix: str, *, since: str = "", versions: bool = False) -> Iterator[Entry]:
        asked = {"Bucket": self._bucket, "Prefix": self._prefix + prefix}
        if versions:
            call, kinds = "list_object_versions", ["Versions", "DeleteMarkers"]
        else:
            call, kinds = "list_objects_v2", ["Contents"]
            if since:
                asked["StartAfter"] = self._prefix + since
        with self._told():
            for page in self._client.get_paginator(call).paginate(**asked):
                for kind in kinds:
                    for item in page.get(kind, ()):
                        yield Entry(
                            name=item["Key"].removeprefix(self._prefix),
                            size=item.get("Size", 0),
                            modified=item["LastModified"],
                            mark=item.get("ETag", ""),
                            version=item.get("VersionId"),
                        )

    def join(self, pieces: Sequence[str], final: str, labels: Labels) -> None:
        with self._told(final):
            upload = self._client.create_multipart_upload(**self._key(final), Metadata=_metadata(labels))
            named = {**self._key(final), "UploadId": upload["UploadId"]}
            try:
                with ThreadPoolExecutor(COPIES) as threads:
                    parts = list(
                        threads.map(lambda at: self._copy_part(named, *at), enumerate(pieces, start=1))
                    )
                self._client.complete_multipart_upload(
                    **named, MultipartUpload={"Parts": parts}, IfNoneMatch="*"
                )
            except BaseException as error:
                with contextlib.suppress(BotoCoreError, ClientError):
                    self._client.abort_multipart_upload(**named)
                if isinstance(error, ClientError) and _code(error) == "NoSuchUpload":
                    # Completed already, and the answer was lost; if not, this says so.
                    self._client.head_object(**self._key(final))
                    return
                raise

    def delete(self, name: str, version: str | None = None) -> None:
        with contextlib.suppress(BlobMissing), self._told(name):
            self._client.delete_object(**self._key(name), **({"VersionId": version} if version else {}))

    def drop_unfinished(self, prefix: str) -> None:
        asked = {"Bucket": self._bucket, "Prefix": self._prefix + prefix}
        with self._told():
            for page in self._client.get_paginator("list_multipart_uploads").paginate(**asked):
                for upload in page.get("Uploads", ()):
                    self._client.abort_multipart_upload(
                        Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                    )

    def uri(self, name: str) -> str | None:
        return None

    def signed_url(self, name: str, *, content_type: str, disposition: str) -> str | None:
        shown = {"ResponseContentType": content_type, "ResponseContentDisposition": disposition}
        with self._told():
            url: str = self._client.generate_presigned_url(
                "get_object", Params={**self._key(name), **shown}, ExpiresIn=URL_LASTS
            )
        return url

    def _copy_part(self, upload: Mapping[str, Any], number: int, piece: str) -> dict[str, Any]:
        answer = self._client.upload_part_copy(
            **upload, PartNumber=number, CopySource={"Bucket": self._bucket, "Key": self._prefix + piece}
        )
        return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}

    def _key(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + name}

    @contextlib.contextmanager
    def _told(self, name: str = "") -> Iterator[None]:
        """Raise what the client says as what the seam says."""
        try:
            yield
        except ClientError as error:
            code = _code(error)
            if name and code in MISSING:
                raise BlobMissing(name) from None
            if code in TAKEN:
                raise Taken(name) from None
            raise StoreError(f"the bucket {self._bucket} answers {code}") from error
        except BotoCoreError as error:
            raise StoreError(
                f"the bucket {self._bucket} cannot be reached: {type(error).__name__}"
            ) from error


def _code(error: ClientError) -> str:
    code: str = error.response.get("Error", {}).get("Code", "")
    return code


def _metadata(labels: Labels) -> dict[str, str]:
    return {name: quote(value, safe="") for name, value in labels.items()}
