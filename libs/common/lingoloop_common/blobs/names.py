"""The names of blobs: a kind, a slash and the id of what they belong to; what belongs to it too is below that."""


def audio_blob(audio_id: object) -> str:
    """Return the name of a recording's original bytes."""
    return f"audio/{audio_id}"


def upload_folder(upload_id: object) -> str:
    """Return the folder of an upload that comes in several requests."""
    return f"uploads/{upload_id}"


def upload_blob(upload_id: object) -> str:
    """Return the name of the bytes of an upload, as far as they have come."""
    return f"{upload_folder(upload_id)}/bytes"


def import_blob(part: object) -> str:
    """Return the name of the bytes of an import, as far as they have come."""
    return f"imports/{part}"


def chunks_folder(run_id: object) -> str:
    """Return the folder of a run's chunks."""
    return f"chunks/{run_id}"


def chunk_blob(run_id: object, unit_id: object, attempt: int) -> str:
    """Return the name of a chunk's samples; it carries the plan's attempt, so a fenced plan overwrites nothing."""
    return f"{chunks_folder(run_id)}/{unit_id}.{attempt}.s16"


def being_written(write: object) -> str:
    """Return the name of the bytes of a stream until it ends, where they are kept in the making."""
    return f"writing/{write}"
