"""Where recordings and chunks are kept: in a folder, a bucket of Google's, or one of S3's kind."""

from lingoloop_common.blobs.folder import FolderBlobs
from lingoloop_common.blobs.names import (
    audio_blob,
    chunk_blob,
    chunks_folder,
    import_blob,
    upload_blob,
    upload_folder,
)
from lingoloop_common.blobs.seam import (
    BlobBusy,
    BlobChanged,
    BlobMissing,
    Blobs,
    BlobTooLarge,
    Found,
    Stored,
)

__all__ = [
    "BlobBusy",
    "BlobChanged",
    "BlobMissing",
    "BlobTooLarge",
    "Blobs",
    "FolderBlobs",
    "Found",
    "Stored",
    "audio_blob",
    "chunk_blob",
    "chunks_folder",
    "import_blob",
    "upload_blob",
    "upload_folder",
]
