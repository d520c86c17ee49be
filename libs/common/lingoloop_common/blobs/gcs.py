"""A bucket of Google's Cloud Storage."""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from urllib.parse import quote

import google.auth.credentials
import google.auth.exceptions
import google.auth.transport.requests
import requests
from google.api_core.exceptions import GoogleAPICallError, NotFound, PreconditionFailed, RetryError
from google.cloud.exceptions import Forbidden
from google.cloud.storage import Blob, Client
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from google.cloud.storage.retry import DEFAULT_RETRY

from lingoloop_common.blobs.bucket import ANSWER_WITHIN, URL_LASTS, Entry, StoreError, Taken
from lingoloop_common.blobs.seam import BlobMissing, Labels

JOINED = 32
"""Objects of which one can be made at a time."""

RETRY = DEFAULT_RETRY.with_timeout(60.0)
"""All that is asked for may be repeated: a write names what it replaces, or writes the same again."""


class GcsBucket:
    """A bucket; credentials as the client finds them by itself (`GOOGLE_APPLICATION_CREDENTIALS`, the machine's account, ...)."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self._prefix = prefix
        self._client = Client()
        self._bucket = self._client.bucket(bucket)

    def check(self) -> None:
        with self._told():
            listing = self._client.list_blobs(
                self._bucket, prefix=self._prefix, max_results=1, timeout=ANSWER_WITHIN
            )
            next(iter(listing), None)

    def keeps_versions(self) -> bool:
        with self._told(), contextlib.suppress(Forbidden):
            bucket = self._client.get_bucket(self._bucket.name, timeout=ANSWER_WITHIN)
            return bool(bucket.versioning_enabled)
        return False

    def put(
        self, name: str, data: bytes, labels: Labels, *, over: str | None = None, new: bool = False
    ) -> None:
        generation = 0 if new else int(over) if over else None
        blob = self._blob(name)
        blob.metadata = _metadata(labels)
        with self._told(name):
            blob.upload_from_string(
                data,
                content_type="application/octet-stream",
                if_generation_match=generation,
                checksum="crc32c",
                timeout=ANSWER_WITHIN,
                retry=RETRY,
            )

    def get(self, name: str, start: int, end: int) -> bytes:
        if start >= end:
            return b""
        with self._told(name):
            data: bytes = self._blob(name).download_as_bytes(
                start=start, end=end - 1, raw_download=True, checksum=None, timeout=ANSWER_WITHIN, retry=RETRY
            )
            return data

    def labels(self, name: str) -> Labels:
        blob = self._blob(name)
        with self._told(name):
            blob.reload(timeout=ANSWER_WITHIN)
        return blob.metadata or {}

    def list(self, prefix: str, *, since: str = "", versions: bool = False) -> Iterator[Entry]:
        with self._told():
            for blob in self._client.list_blobs(
                self._bucket,
                prefix=self._prefix + prefix,
                start_offset=self._prefix + since if since else None,
                versions=versions,
                timeout=ANSWER_WITHIN,
            ):
                yield Entry(
                    name=blob.name.removeprefix(self._prefix),
                    size=blob.size,
                    modified=blob.updated,
                    mark=str(blob.generation),
                    version=str(blob.generation) if versions else None,
                )

    def join(self, pieces: Sequence[str], final: str, labels: Labels) -> None:
        """Join 32 at a time, and what comes of it, until one is left; what is made on the way lies beside the first piece."""
        left, round_ = list(pieces), 0
        while len(left) > JOINED:
            groups = [left[at : at + JOINED] for at in range(0, len(left), JOINED)]
            left = [f"{pieces[0]}.{round_}.{number}" for number in range(len(groups))]
            for name, group in zip(left, groups, strict=True):
                self._compose(group, name, {}, generation=None)
            round_ += 1
        self._compose(left, final, labels, generation=0)

    def delete(self, name: str, version: str | None = None) -> None:
        blob = self._bucket.blob(self._prefix + name, generation=int(version) if version else None)
        with self._told(), contextlib.suppress(NotFound):
            blob.delete(timeout=ANSWER_WITHIN, retry=RETRY)

    def drop_unfinished(self, prefix: str) -> None:
        """There is nothing: each object is written by one request."""

    def uri(self, name: str) -> str | None:
        return f"gs://{self._bucket.name}/{self._prefix}{name}"

    def signed_url(self, name: str, *, content_type: str, disposition: str) -> str | None:
        """Sign by a key, or where the machine's account has none, by asking Google to; None where neither can be."""
        credentials = self._client._credentials
        given = {}
        if not isinstance(credentials, google.auth.credentials.Signing):
            if not hasattr(credentials, "service_account_email"):
                return None
            with self._told():
                if not credentials.valid:
                    credentials.refresh(google.auth.transport.requests.Request())
            given = {
                "service_account_email": credentials.service_account_email,
                "access_token": credentials.token,
            }
        with self._told():
            url: str = self._blob(name).generate_signed_url(
                version="v4",
                expiration=timedelta(seconds=URL_LASTS),
                response_type=content_type,
                response_disposition=disposition,
                **given,
            )
        return url

    def _compose(self, names: Sequence[str], final: str, labels: Labels, *, generation: int | None) -> None:
        blob = self._blob(final)
        blob.metadata = _metadata(labels)
        blob.content_type = "application/octet-stream"
        sources = [self._blob(name) for name in names]
        with self._told(final):
            blob.compose(sources, if_generation_match=generation, timeout=ANSWER_WITHIN, retry=RETRY)

    def _blob(self, name: str) -> Blob:
        return self._bucket.blob(self._prefix + name)

    @contextlib.contextmanager
    def _told(self, name: str = "") -> Iterator[None]:
        """Raise what the client says as what the seam says."""
        where = f"the bucket {self._bucket.name}"
        try:
            yield
        except NotFound as error:
            if not name:
                raise StoreError(f"{where} is not there") from error
            raise BlobMissing(name) from None
        except PreconditionFailed:
            raise Taken(name) from None
        except (GoogleAPICallError, InvalidResponse) as error:
            raise StoreError(
                f"{where} answers {getattr(error, 'code', None) or type(error).__name__}"
            ) from error
        except (
            DataCorruption,
            RetryError,
            requests.RequestException,
            google.auth.exceptions.GoogleAuthError,
        ) as error:
            raise StoreError(f"{where} cannot be reached: {type(error).__name__}") from error


def _metadata(labels: Labels) -> dict[str, str]:
    return {name: quote(value, safe="") for name, value in labels.items()}
