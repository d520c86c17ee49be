"""Which storage the settings name."""

from urllib.parse import urlsplit

from lingoloop_common.blobs.bucket import Bucket
from lingoloop_common.blobs.folder import FolderBlobs
from lingoloop_common.blobs.remote import RemoteBlobs
from lingoloop_common.blobs.seam import Blobs
from lingoloop_common.settings import RecordingSettings, SettingsError


def open_blobs(settings: RecordingSettings) -> Blobs:
    """Return the storage of the settings; nothing is asked of it before it starts.

    Raises:
        SettingsError: what its client needs is not installed, or there are no credentials.
    """
    if settings.blob_dir is not None:
        return FolderBlobs(settings.blob_dir)
    assert settings.blob_url is not None  # the settings have one of them
    url = urlsplit(settings.blob_url)
    prefix = f"{path}/" if (path := url.path.strip("/")) else ""
    try:
        return RemoteBlobs(_bucket(url.scheme, url.netloc, prefix, settings.s3_endpoint_url))
    except ImportError:
        extra = "gcs" if url.scheme == "gs" else "s3"
        raise SettingsError(
            f"BLOB_URL: needs a client that is not installed: pip install 'lingoloop-common[{extra}]'"
        ) from None


def _bucket(scheme: str, name: str, prefix: str, endpoint_url: str | None) -> Bucket:
    # Loaded only where it is used: each takes half a second and tens of megabytes.
    if scheme == "gs":
        from google.auth.exceptions import DefaultCredentialsError  # noqa: PLC0415

        from lingoloop_common.blobs.gcs import GcsBucket  # noqa: PLC0415

        try:
            return GcsBucket(name, prefix)
        except DefaultCredentialsError:
            raise SettingsError(
                "BLOB_URL: Google's client finds no credentials; set GOOGLE_APPLICATION_CREDENTIALS"
            ) from None
    from lingoloop_common.blobs.s3 import S3Bucket  # noqa: PLC0415

    return S3Bucket(name, prefix, endpoint_url)
