"""What a server's answer means for an import."""

import pytest

from lingoloop_common.errors import WorkError
from lingoloop_transcriber.answers import Answer, Body, conditions, name_in, read_answer

ETAG, TIME = '"v1"', "Wed, 21 Oct 2026 07:28:00 GMT"


@pytest.mark.parametrize(
    ("position", "validator", "headers"),
    [
        (0, None, {}),
        (0, ETAG, {}),
        (7, None, {}),
        (7, ETAG, {"Range": "bytes=7-", "If-Range": ETAG}),
        (7, TIME, {"Range": "bytes=7-", "If-Range": TIME}),
    ],
)
def test_only_what_can_be_told_apart_is_asked_for_in_part(
    position: int, validator: str | None, headers: dict[str, str]
) -> None:
    assert conditions(position, validator) == headers


@pytest.mark.parametrize(
    ("position", "status", "headers", "answer"),
    [
        (0, 200, {}, Answer(Body.WHOLE, None, None, False)),
        (0, 200, {"Content-Length": "9"}, Answer(Body.WHOLE, 9, None, False)),
        (0, 200, {"Content-Length": "-9"}, Answer(Body.WHOLE, None, None, False)),
        (0, 200, {"ETag": ETAG}, Answer(Body.WHOLE, None, ETAG, False)),
        (0, 200, {"ETag": ETAG, "Accept-Ranges": "bytes"}, Answer(Body.WHOLE, None, ETAG, True)),
        (0, 200, {"ETag": ETAG, "Accept-Ranges": "none"}, Answer(Body.WHOLE, None, ETAG, False)),
        (0, 200, {"ETag": 'W/"v1"', "Accept-Ranges": "bytes"}, Answer(Body.WHOLE, None, None, False)),
        (0, 200, {"ETag": 'W/"v1"', "Last-Modified": TIME}, Answer(Body.WHOLE, None, TIME, False)),
        (0, 200, {"Content-Encoding": "Identity"}, Answer(Body.WHOLE, None, None, False)),
        (4, 200, {"ETag": ETAG}, Answer(Body.WHOLE, None, ETAG, False)),
        (4, 206, {"Content-Range": "bytes 4-8/9", "ETag": ETAG}, Answer(Body.REST, 9, ETAG, True)),
        (4, 206, {"Content-Range": "bytes 4-8/9"}, Answer(Body.REST, 9, ETAG, True)),
        (4, 206, {"Content-Range": "bytes 4-8/*"}, Answer(Body.REST, None, ETAG, True)),
        (4, 206, {"Content-Range": "bytes 4-8/9", "ETag": '"v2"'}, Answer(Body.OTHER, 9, ETAG, True)),
        (4, 206, {"Content-Range": "bytes 3-8/9", "ETag": ETAG}, Answer(Body.OTHER, 9, ETAG, True)),
        (4, 206, {"Content-Range": "pages 4-8/9"}, Answer(Body.OTHER, None, ETAG, True)),
        (4, 206, {}, Answer(Body.OTHER, None, ETAG, True)),
        (4, 416, {"Content-Range": "bytes */3"}, Answer(Body.OTHER, None, None, False)),
    ],
)
def test_an_answer_is_the_rest_the_whole_or_another_file(
    position: int, status: int, headers: dict[str, str], answer: Answer
) -> None:
    assert read_answer(status, headers, position=position, validator=ETAG if position else None) == answer


@pytest.mark.parametrize(
    ("position", "status", "headers", "code"),
    [
        *(
            (0, status, {}, "import_refused")
            for status in (201, 204, 206, 304, 400, 401, 403, 404, 410, 416, 451)
        ),
        *((4, status, {}, "import_refused") for status in (204, 404)),
        *((0, status, {}, "import_failed") for status in (408, 425, 429, 500, 502, 503, 504, 599)),
        (0, 200, {"Content-Encoding": "gzip"}, "import_refused"),
        (4, 206, {"Content-Range": "bytes 4-8/9", "Content-Encoding": "br"}, "import_refused"),
    ],
)
def test_a_refusal_is_for_good_and_a_failure_is_not(
    position: int, status: int, headers: dict[str, str], code: str
) -> None:
    with pytest.raises(WorkError) as error:
        read_answer(status, headers, position=position, validator=ETAG if position else None)
    assert (error.value.code, error.value.is_permanent) == (code, code == "import_refused")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (None, None),
        ("inline", None),
        ('attachment; filename="talk 1.mp3"', "talk 1.mp3"),
        ("attachment; filename=a.mp3; filename*=UTF-8''%C3%B6.mp3", "ö.mp3"),
        ('attachment; filename="../../etc/passwd"', "../../etc/passwd"),
        ("attachment; filename*=UTF-8''%ff%zz", None),
        (";;=;", None),
    ],
)
def test_the_server_may_name_the_file(header: str | None, name: str | None) -> None:
    assert name_in({"Content-Disposition": header} if header else {}) == name
