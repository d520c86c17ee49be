"""The transcript as a file: paragraphs, SRT and VTT that players show as they are, and every format over HTTP."""

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import docx
import orjson
import pysubs2
import pytest
import pytest_asyncio
from av.subtitles.subtitle import AssSubtitle

from lingoloop_gateway.exports import FORMATS, write_docx, write_srt, write_txt, write_vtt
from lingoloop_gateway.subtitles import Cue, milliseconds, srt_block, timestamp, vtt_block
from tests import media
from tests.gateway.world import World

Segment = dict[str, Any]


def segment(text: str, start: float = 0, end: float | None = None) -> Segment:
    return {
        "index": 0, "start": start, "end": start if end is None else end,
        "text": text, "confidence": 1.0, "words": [],
    }  # fmt: skip


async def stream(segments: list[Segment]) -> AsyncIterator[Segment]:
    for one in segments:
        yield one


async def written(write: Any, segments: list[Segment]) -> str:
    return b"".join([part async for part in write({}, stream(segments))]).decode()


async def as_text(*segments: Segment) -> str:
    return await written(write_txt, list(segments))


# Paragraphs


@pytest.mark.parametrize(
    ("left", "right", "text"),
    [
        ("Hello.", "World.", "Hello. World.\n"),
        ("你好。", "世界。", "你好。世界。\n"),
        ("“你好。”", "“世界。”", "“你好。”“世界。”\n"),
        ("你好。", "Hello.", "你好。 Hello.\n"),
        ("Hello.", "你好。", "Hello. 你好。\n"),
        ("안녕.", "세계.", "안녕. 세계.\n"),
        ("これは", "ペンです。", "これはペンです。\n"),
        ("“Hello.”", "“World.”", "“Hello.” “World.”\n"),
        ("…", "—", "… —\n"),
    ],
)
async def test_segments_are_joined_as_their_language_joins_sentences(
    left: str, right: str, text: str
) -> None:
    assert await as_text(segment(left), segment(right)) == text


@pytest.mark.parametrize(("silence", "between"), [(1.99, " "), (2.0, "\n\n"), (60.0, "\n\n"), (-1.0, " ")])
async def test_a_long_pause_begins_a_paragraph(silence: float, between: str) -> None:
    text = await as_text(segment("One", 0, 5), segment("two.", 5 + silence, 9 + silence))
    assert text == f"One{between}two.\n"


async def test_a_long_stretch_ends_at_the_end_of_a_sentence() -> None:
    text = await as_text(*[segment("x" * 99 + ("." if place % 4 == 3 else ",")) for place in range(16)])
    assert [len(paragraph) for paragraph in text.split("\n\n")] == [807, 808]


async def test_a_long_stretch_is_measured_by_width() -> None:
    text = await as_text(*[segment("字" * 99 + "。") for _ in range(6)])
    assert [len(paragraph) for paragraph in text.split("\n\n")] == [300, 301]


async def test_a_stretch_without_sentences_ends_too() -> None:
    text = await as_text(*[segment("x" * 100) for _ in range(24)])
    assert [len(paragraph) for paragraph in text.split("\n\n")] == [1211, 1212]


async def test_line_breaks_and_control_characters_become_spaces() -> None:
    assert await as_text(segment(" One\n\ntwo\x00 "), segment("\n"), segment("\tthree")) == "One two three\n"


async def test_no_text_is_an_empty_file() -> None:
    assert await as_text() == await as_text(segment(""), segment(" \n")) == ""


# SRT and VTT


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "00:00:00,000"),
        (0.0004, "00:00:00,000"),
        (0.0006, "00:00:00,001"),
        (59.9994, "00:00:59,999"),
        (59.9995, "00:01:00,000"),
        (61.5, "00:01:01,500"),
        (3599.9996, "01:00:00,000"),
        (359_999.999, "99:59:59,999"),
        (360_000, "100:00:00,000"),
        (3_600_000.25, "1000:00:00,250"),
    ],
)
def test_timestamps(seconds: float, text: str) -> None:
    assert timestamp(milliseconds(seconds), ",") == text
    assert timestamp(milliseconds(seconds), ".") == text.replace(",", ".")


NASTY = [
    "<i>x</i> and < b >",
    r"{\an8}top {word} x}",
    r"C:\New\hello",
    "a --> b",
    "-->",
    "--->",
    "&lt; & &amp;",
    "<00:01.000>x<c.red>",
    "12",
    "NOTE this",
    "WEBVTT",
]


def readable(text: str) -> str:
    """Return what a reader of a SubRip file sees, as characters of ASCII."""
    return text.replace("\u2060", "").replace("❴", "{").replace("❵", "}")


@pytest.mark.parametrize("text", NASTY)
def test_srt_shows_what_looks_like_a_tag_as_it_is(text: str) -> None:
    file = srt_block(1, Cue(0, 1000, (text, "below"))) + srt_block(2, Cue(1000, 2000, ("end",)))
    first, second = pysubs2.SSAFile.from_string(file, format_="srt")
    assert readable(first.plaintext) == f"{text}\nbelow"
    assert second.plaintext == "end"


@pytest.mark.parametrize("text", [*NASTY, "00:00:01,000 --> 00:00:02,000"])
def test_srt_is_shown_by_players_made_of_ffmpeg_as_it_is(text: str, tmp_path: Path) -> None:
    path = tmp_path / "nasty.srt"
    path.write_text(srt_block(1, Cue(0, 1000, (text, "below"))), encoding="utf-8")
    assert [readable(shown_text) for shown_text in by_ffmpeg(path)] == [f"{text}\nbelow"]


@pytest.mark.parametrize("text", NASTY)
def test_vtt_escapes_what_is_markup(text: str, tmp_path: Path) -> None:
    block = vtt_block(Cue(0, 1000, (text, "below")))
    times, body = block.split("\n", 1)
    assert times == "00:00:00.000 --> 00:00:01.000"
    assert "<" not in body
    assert ">" not in body
    assert body.endswith("below\n\n")
    path = tmp_path / "nasty.vtt"
    path.write_text(f"WEBVTT\n\n{block}", encoding="utf-8")
    if (
        "{" not in text and "\\" not in text
    ):  # ffmpeg takes these for its own formatting, which WebVTT knows nothing of
        assert by_ffmpeg(path) == [f"{text}\nbelow"]


def by_ffmpeg(path: Path) -> list[str]:
    """Return the texts of a file's cues as ffmpeg makes them."""
    with av.open(str(path)) as container:
        parts = [part for packet in container.demux(subtitles=0) for part in packet.decode()]
    return [part.dialogue.decode() for part in parts if isinstance(part, AssSubtitle)]


async def test_an_srt_file_by_text() -> None:
    file = await written(write_srt, [segment("One.", 0, 1.5), segment("一" * 22, 360_000, 360_005)])
    assert file == (
        "1\n00:00:00,000 --> 00:00:01,500\nOne.\n\n"
        "2\n100:00:00,000 --> 100:00:05,000\n一一一一一一一一一一一\n一一一一一一一一一一一\n\n"
    )


async def test_a_vtt_file_by_text() -> None:
    file = await written(write_vtt, [segment("R&D <3", 0, 1.5), segment("Two.", 360_000, 360_005)])
    assert file == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nR&amp;D &lt;3\n\n100:00:00.000 --> 100:00:05.000\nTwo.\n\n"
    )


@pytest.mark.parametrize(("write", "text"), [(write_srt, ""), (write_vtt, "WEBVTT\n\n")])
async def test_a_file_without_cues(write: Any, text: str) -> None:
    assert await written(write, []) == await written(write, [segment(" ", 0, 1)]) == text


# Every format


@pytest.mark.parametrize(("fmt", "held"), [("txt", 30), ("json", 1), ("srt", 1), ("vtt", 1)])
async def test_an_export_is_written_while_the_segments_are_read(fmt: str, held: int) -> None:
    """No more is held back than one segment, or one paragraph of about thirty."""
    read = written = 0

    async def counted() -> AsyncIterator[Segment]:
        nonlocal read
        for place in range(200):
            read += 1
            yield segment(f"This is number {place}.", place * 5, place * 5 + 4)

    async for part in FORMATS[fmt].write({}, counted()):
        written += part.count(b"This")
        assert read - written <= held
    assert read == written == 200


async def paragraphs_in(*segments: Segment, **run: str) -> list[str]:
    described = {"filename": "talk.ogg", "createdAt": "2026-01-02T03:04:05.678Z", **run}
    data = b"".join([part async for part in write_docx(described, stream(list(segments)))])
    return [paragraph.text for paragraph in docx.Document(io.BytesIO(data)).paragraphs]


async def test_a_document_has_the_name_and_paragraphs_with_their_times() -> None:
    told = await paragraphs_in(
        segment("Hello.", 0, 4),
        segment("World.", 4, 5),
        segment("你好。", 3725.9, 3727),
        segment(" ", 4000, 4001),
    )
    assert told == ["talk.ogg", "0:00:00  Hello. World.", "1:02:05  你好。"]


async def test_a_document_of_nothing_has_its_name() -> None:
    assert await paragraphs_in() == ["talk.ogg"]


@pytest.mark.parametrize("hostile", ["a\x00b", "a\x0bb", "a\ufffeb", "a\uffffb", "<w:p/>&amp;", "=1+1"])
async def test_a_document_holds_whatever_is_said_or_named(hostile: str) -> None:
    shown = {"a\x00b": "a b", "a\x0bb": "a b", "a\ufffeb": "ab", "a\uffffb": "ab"}.get(hostile, hostile)
    assert await paragraphs_in(segment(hostile), filename=hostile) == [shown, f"0:00:00  {shown}"]


@pytest_asyncio.fixture(loop_scope="module")
async def finished(world: World) -> tuple[str, str]:
    """The owner and the id of a run of 13 segments of 5 s, the last of 1 s."""
    owner = world.new_owner()
    body = await world.accepted(owner, media.wav_of_ms(61_000))
    await world.finished(owner, body["runId"])
    return owner, body["runId"]


async def exported(world: World, run: tuple[str, str], fmt: str, content_type: str) -> bytes:
    owner, run_id = run
    response = await world.get(owner, f"/api/runs/{run_id}/export?fmt={fmt}")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == content_type
    assert response.headers["Content-Disposition"] == (
        f"attachment; filename=\"recording.{fmt}\"; filename*=UTF-8''recording.{fmt}"
    )
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    return response.content


async def export(world: World, run: tuple[str, str], fmt: str, content_type: str) -> str:
    return (await exported(world, run, fmt, content_type)).decode()


async def all_segments(world: World, run: tuple[str, str]) -> list[Segment]:
    owner, run_id = run
    segments: list[Segment] = (await world.get(owner, f"/api/runs/{run_id}/segments?limit=1000")).json()[
        "items"
    ]
    assert len(segments) == 13
    return segments


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("fmt", "content_type"),
    [("srt", "application/x-subrip; charset=utf-8"), ("vtt", "text/vtt; charset=utf-8")],
)
async def test_subtitles_over_http(
    world: World, finished: tuple[str, str], fmt: str, content_type: str
) -> None:
    text = await export(world, finished, fmt, content_type)
    assert text.startswith("WEBVTT\n\n" if fmt == "vtt" else "1\n")
    segments = await all_segments(world, finished)
    assert [
        (event.start, event.end, event.plaintext) for event in pysubs2.SSAFile.from_string(text, format_=fmt)
    ] == [(1000 * one["start"], 1000 * one["end"], one["text"]) for one in segments]


@pytest.mark.asyncio(loop_scope="module")
async def test_paragraphs_over_http(world: World, finished: tuple[str, str]) -> None:
    text = await export(world, finished, "txt", "text/plain; charset=utf-8")
    assert text == " ".join(one["text"] for one in await all_segments(world, finished)) + "\n"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_document_over_http(world: World, finished: tuple[str, str]) -> None:
    data = await exported(world, finished, "docx", FORMATS["docx"].content_type)
    title, paragraph = docx.Document(io.BytesIO(data)).paragraphs
    assert title.text == "recording"
    assert paragraph.text == "0:00:00  " + " ".join(
        one["text"] for one in await all_segments(world, finished)
    )


@pytest.mark.asyncio(loop_scope="module")
async def test_words_over_http(world: World, finished: tuple[str, str]) -> None:
    found = orjson.loads(await export(world, finished, "json", "application/json"))
    assert found["segments"] == await all_segments(world, finished)
    assert all(one["words"] for one in found["segments"])
