"""Servers' answers become timed words: their text is kept whole, and their times lie where somebody speaks."""

import json
from typing import Any

import numpy as np
import pytest

from lingoloop_common.contracts.transcript import Segment
from lingoloop_transcriber.engines import EngineError
from lingoloop_transcriber.engines.excerpts import Excerpt, make_excerpt
from lingoloop_transcriber.engines.language_names import language_code
from lingoloop_transcriber.engines.openai_answers import (
    TimedWord,
    read_answer,
    segments_of,
    with_punctuation,
)
from lingoloop_transcriber.engines.speech import Span

SPEECH = [Span(2.0, 5.0), Span(9.0, 12.0)]
SOUND = np.arange(20 * 16_000, dtype=np.float32)


@pytest.fixture
def excerpt() -> Excerpt:
    return make_excerpt(SOUND, SPEECH)


def segments(excerpt: Excerpt, **answer: Any) -> list[Segment]:
    return segments_of(read_answer(json.dumps(answer).encode()), excerpt, SPEECH)


def word(text: str, start: float, end: float, **more: Any) -> dict[str, Any]:
    return {"word": text, "start": start, "end": end, **more}


def timed(*texts: str) -> list[TimedWord]:
    return [TimedWord(word=text, start=at, end=at + 1) for at, text in enumerate(texts)]


def test_long_pauses_are_left_out_and_times_are_put_back(excerpt: Excerpt) -> None:
    assert [(part.start, part.end) for part in excerpt.parts] == [(1.7, 5.3), (8.7, 12.3)]
    assert excerpt.seconds == pytest.approx(7.2)
    assert excerpt.sound[0] == round(1.7 * 16_000)
    assert excerpt.sound[-1] == round(12.3 * 16_000) - 1
    for start, end, at in [(0.3, 0.5, 2.0), (3.0, 3.4, 4.7), (3.9, 4.1, 9.0), (7.0, 7.2, 12.1)]:
        assert excerpt.place(start, end).start == pytest.approx(at)
        assert excerpt.place(start, end).seconds == pytest.approx(end - start)


def test_short_pauses_stay() -> None:
    assert len(make_excerpt(SOUND, [Span(2.0, 5.0), Span(5.9, 8.0)]).parts) == 1


def test_margins_end_where_the_chunk_does() -> None:
    [part] = make_excerpt(SOUND, [Span(0.1, 19.9)]).parts
    assert (part.start, part.end) == (0.0, 20.0)


@pytest.mark.parametrize(
    ("start", "end", "where"),
    [
        (7.1, 9.0, (12.2, 12.3)),
        (30.0, 31.0, (12.3, 12.3)),
        (-2.0, 0.3, (1.7, 2.0)),
        (3.0, 4.0, (4.7, 5.3)),
    ],
)
def test_times_outside_are_cut(
    excerpt: Excerpt, start: float, end: float, where: tuple[float, float]
) -> None:
    placed = excerpt.place(start, end)
    assert [placed.start, placed.end] == pytest.approx(where)


def test_words_get_their_punctuation_back_and_become_sentences(excerpt: Excerpt) -> None:
    said = [word("Hello", 0.3, 0.6), word("there", 0.7, 1.0), word("Bye", 3.9, 4.2)]
    first, second = segments(excerpt, text=" Hello, “there”. Bye! ", words=said)
    assert (first.text, second.text) == ("Hello, “there”.", "Bye!")
    assert first.words is not None
    assert [found.word for found in first.words] == [" Hello,", " “there”."]
    assert [first.start, second.start] == pytest.approx([2.0, 9.0])


def test_a_space_stands_before_a_chunks_first_word_where_words_have_spaces(excerpt: Excerpt) -> None:
    for text, written in (("Hello", " Hello"), ("你好", "你好")):
        [found] = segments(excerpt, text=text, words=[word(text, 0.3, 1.0)])
        assert found.words is not None
        assert [heard.word for heard in found.words] == [written]


@pytest.mark.parametrize(
    ("text", "words", "pieces"),
    [
        ("It costs twenty-one dollars.", ["It", "costs", "21", "dollars"], ["It", " costs twenty-one", " dollars."]),
        ("¿Qué? Sí", ["qué", "sí"], ["¿Qué?", " Sí"]),
        ("你好，世界。", ["你", "好", "世界"], ["你", "好，", "世界。"]),
        ("a (b) c", ["(", "b", ")", "c"], ["a (", "b", ")", " c"]),
        ("no no no", ["no", "no", "no"], ["no", " no", " no"]),
        ("only this", ["else", ""], []),
        ("a+b", ["a+b"], ["a+b"]),
    ],
)  # fmt: skip
def test_the_parts_are_the_text(text: str, words: list[str], pieces: list[str]) -> None:
    assert [piece for _, piece in with_punctuation(text, timed(*words))] == pieces


def test_words_inside_segments_count_too(excerpt: Excerpt) -> None:
    inside = [word(" Hello", 0.3, 0.6, probability=0.5), word(" you.", 0.6, 0.9, probability=1.5)]
    [found] = segments(
        excerpt, text="Hello you.", segments=[{"text": " Hello you.", "start": 0, "end": 1, "words": inside}]
    )
    assert found.words is not None
    assert [heard.confidence for heard in found.words] == [0.5, 1.0]


def test_without_words_the_segments_keep_their_times_and_have_no_words(excerpt: Excerpt) -> None:
    said = [
        {"text": " Hello there.", "start": 0.3, "end": 3.0, "avg_logprob": -0.5},
        {"text": " ", "start": 3.0, "end": 3.1},
        {"text": " Bye.", "start": 3.9, "end": 60.0, "avg_logprob": -1e30},
    ]
    first, last = segments(excerpt, text="Hello there. Bye.", segments=said)
    assert (first.text, first.words) == ("Hello there.", None)
    assert first.confidence == pytest.approx(0.6065, abs=1e-3)
    assert [last.start, last.end] == pytest.approx([9.0, 12.3])
    assert 0 <= last.confidence < 0.01


def test_a_text_alone_is_one_segment_over_the_speech(excerpt: Excerpt) -> None:
    [found] = segments(excerpt, text="Hello there. Bye.", usage={"type": "tokens"})
    assert (found.start, found.end, found.words) == (2.0, 12.0, None)
    assert segments(excerpt, text=" \n ") == []
    assert segments(excerpt, text="", segments=[], words=[]) == []


def test_words_that_are_not_in_the_text_do_not_cost_the_text(excerpt: Excerpt) -> None:
    [found] = segments(excerpt, text="Здравствуйте", words=[word("Zdravstvuyte", 0.3, 1.0)])
    assert found.text == "Здравствуйте"


def test_what_a_database_cannot_hold_is_taken_out(excerpt: Excerpt) -> None:
    [found] = segments(excerpt, text="a\x00b", words=[word("a\x00b", 0.3, 1.0)])
    assert found.text == "a b"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"Hello",
        b"[]",
        b"null",
        b'{"text": 3}',
        b'{"text": "\\ud800"}',
        b'{"words": [{"word": "a", "start": NaN, "end": 1}]}',
        b'{"words": [{"word": "a", "start": 1e999, "end": 1}]}',
        b'{"words": [{"word": "a"}]}',
        b'{"segments": "none"}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_answer_is_an_error(body: bytes) -> None:
    with pytest.raises(EngineError, match="cannot be read"):
        read_answer(body)


@pytest.mark.parametrize(
    "body", [b"{}", b'{"error": {"message": "the model is loading"}}', b'{"text": null}']
)
def test_an_answer_without_words_is_not_taken_for_silence(body: bytes) -> None:
    with pytest.raises(EngineError, match="no text"):
        read_answer(body)


@pytest.mark.parametrize("answer", [{"text": ""}, {"segments": []}, {"words": []}])
def test_nothing_said_is_an_answer(excerpt: Excerpt, answer: dict[str, Any]) -> None:
    assert segments(excerpt, **answer) == []


def test_null_is_nothing(excerpt: Excerpt) -> None:
    assert segments(excerpt, text="Hello", segments=None, words=None, language=None)[0].text == "Hello"


@pytest.mark.parametrize(
    ("said", "code"),
    [("english", "en"), ("English", "en"), ("de", "de"), ("haitian creole", "ht"), ("yue", "yue"), ("und", None), ("", None)],
)  # fmt: skip
def test_languages_are_known_by_name_and_by_code(said: str, code: str | None) -> None:
    assert language_code(said) == code
