"""What makes two requests with one `Idempotency-Key` the same."""

from typing import Any

from pydantic import BaseModel

from lingoloop_gateway.idempotency import fingerprint
from lingoloop_gateway.openai_options import read_transcription_options
from lingoloop_gateway.options import read_options

PATH = "/v1/audio/transcriptions"


def test_what_a_request_is_does_not_hang_on_the_order_of_fields_or_of_a_set() -> None:
    def of(*fields: tuple[str, str]) -> bytes:
        return fingerprint("POST", PATH, (read_transcription_options([("model", "m"), *fields]),), b"x")

    granular = [
        ("timestamp_granularities[]", "word"),
        ("timestamp_granularities[]", "segment"),
        ("response_format", "verbose_json"),
    ]
    assert of(*granular) == of(*granular[::-1])
    assert of(*granular) != of(*granular[1:])


def test_each_part_of_a_request_counts() -> None:
    options = read_options({})
    parts: list[tuple[Any, ...]] = [
        ("POST", "/api/audios", (options,), b"x"),
        ("PUT", "/api/audios", (options,), b"x"),
        ("POST", "/api/audio", (options,), b"x"),
        ("POST", "/api/audios", (read_options({"priority": "1"}),), b"x"),
        ("POST", "/api/audios", (options,), b"y"),
    ]
    assert len({fingerprint(*part) for part in parts}) == len(parts)


def test_options_that_a_later_release_adds_do_not_count_where_they_are_not_used() -> None:
    class Older(BaseModel):
        language: str | None = None
        priority: int = 0

    older, newer = Older(language="en"), read_options({"language": "en"})
    assert fingerprint("POST", PATH, (older,), b"x") == fingerprint("POST", PATH, (newer,), b"x")
