"""Chinese is written in the script that was asked for, without spaces, with its own punctuation; times stay."""

import pytest

from lingoloop_common.contracts.transcript import Word
from lingoloop_transcriber.engines.chinese import (
    HONG_KONG,
    SIMPLIFIED,
    TRADITIONAL,
    script_of,
    write_chinese,
)


def words_of(*texts: str) -> list[Word]:
    return [Word(word=text, start=at, end=at + 0.5, confidence=0.5) for at, text in enumerate(texts)]


def written(text: str, script: str = SIMPLIFIED) -> str:
    return "".join(word.word for word in write_chinese(words_of(*text), script))


@pytest.mark.parametrize(
    ("code", "script"),
    [
        ("zh", SIMPLIFIED),
        ("zh-Hans", SIMPLIFIED),
        ("zh-CN", SIMPLIFIED),
        ("zh-Hans-HK", SIMPLIFIED),
        ("zh-Hant", TRADITIONAL),
        ("zh-hant", TRADITIONAL),
        ("zh-TW", TRADITIONAL),
        ("zh-HK", HONG_KONG),
        ("zh-Hant-HK", HONG_KONG),
        ("cmn-Hant", TRADITIONAL),
        ("en", None),
        ("yue", None),
    ],
)
def test_a_code_asks_for_a_script(code: str, script: str | None) -> None:
    assert script_of(code) == script


@pytest.mark.parametrize(
    ("heard", "simplified", "traditional"),
    [
        ("皇后看著後面的頭髮", "皇后看着后面的头发", "皇后看著後面的頭髮"),
        (
            "干净的头发，干杯",
            "干净的头发，干杯",
            "乾淨的頭髮，乾杯",
        ),  # one character, several others: by phrase
        ("為什麼下雨", "为什么下雨", "為什麼下雨"),
        ("著名的作者", "著名的作者", "著名的作者"),
    ],
)
def test_characters_are_those_of_the_script(heard: str, simplified: str, traditional: str) -> None:
    assert written(heard) == simplified
    assert written(heard, TRADITIONAL) == traditional


@pytest.mark.parametrize(
    ("heard", "text"),
    [
        (" 广州市 房地产 中介", "广州市房地产中介"),
        ("你好, 世界. 好吗?", "你好，世界。好吗？"),
        ("他说: “好!”.", "他说：“好！”。"),
        ("我用 Python 3.5 写, 很快", "我用 Python 3.5 写，很快"),
        ("Python, Java 都行", "Python, Java 都行"),
        ("第3.5节，第 2 页 ，完", "第3.5节，第 2 页，完"),
        ("访问 a.b 吧...", "访问 a.b 吧..."),
    ],
)
def test_spaces_go_and_punctuation_is_full_width(heard: str, text: str) -> None:
    assert written(heard) == text


def test_words_keep_their_times_and_one_of_which_nothing_is_left_goes() -> None:
    heard = words_of(" 廣", "州", " ", "市,")
    kept = write_chinese(heard, SIMPLIFIED)
    assert [word.word for word in kept] == ["广", "州", "市，"]
    assert [(word.start, word.confidence) for word in kept] == [(0, 0.5), (1, 0.5), (3, 0.5)]


def test_a_long_word_is_converted_with_its_neighbours() -> None:
    assert [word.word for word in write_chinese(words_of("头", "发"), TRADITIONAL)] == ["頭", "髮"]
    assert [word.word for word in write_chinese(words_of("发", "展"), TRADITIONAL)] == ["發", "展"]
