"""Chinese as it is written: in the script that was asked for, without spaces, with its own punctuation. Pure.

Whisper writes either script, as it comes, and often a space for a pause. A word keeps its times and its confidence.
"""

import re
from collections.abc import Sequence
from functools import cache

from opencc import OpenCC

from lingoloop_common.contracts.engines import spoken
from lingoloop_common.contracts.transcript import Word

SIMPLIFIED, TRADITIONAL, HONG_KONG = "tw2s", "s2tw", "s2hk"
"""OpenCC's names. Taiwan's standard is what `zh-Hant` means where no place is said (CLDR, likely subtags)."""

SCRIPTS = {"hant": TRADITIONAL, "tw": TRADITIONAL, "hk": HONG_KONG, "mo": HONG_KONG}
"""What a part of a language's code asks for, beside simplified characters."""

HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
MARKS = str.maketrans(",.?!:;", "，。？！：；")
FULL = "，。？！：；、…“”‘’「」『』（）《》"

HALF_MARK = re.compile(rf"(?<=[{HAN}”’」』）》])[,.?!:;](?![\w.])")
"""A mark of Latin text after a Chinese character; not one inside a number or a name."""

NEEDLESS = re.compile(rf"^ +(?=[{HAN}])|(?<=[{HAN}{FULL}]) +(?=[{HAN}{FULL}])|(?<=[{FULL}]) +| +(?=[{FULL}])")
"""Spaces between Chinese characters, and beside Chinese punctuation."""

GONE = "\0"
"""Stands for a space that falls away, so that places stay what they are."""


def script_of(language: str) -> str | None:
    """Return OpenCC's name of the script that a code like `zh-Hant` asks for; None unless it is Chinese."""
    parts = language.lower().split("-")[1:]
    if spoken(language) != "zh":
        return None
    # A place stands behind the script and says more; `zh-Hans-HK` is simplified all the same.
    asked = [SCRIPTS[part] for part in parts if part in SCRIPTS]
    return asked[-1] if asked and "hans" not in parts else SIMPLIFIED


def simplified(text: str) -> str:
    """Return a text in simplified characters, so that texts can be compared."""
    found: str = _converter(SIMPLIFIED).convert(text)
    return found


def write_chinese(words: Sequence[Word], script: str) -> list[Word]:
    """Return a stretch's words, in order, as they are written in Chinese."""
    heard = "".join(word.word for word in words)
    text = HALF_MARK.sub(lambda mark: mark[0].translate(MARKS), _converted(heard, script))
    text = NEEDLESS.sub(lambda spaces: GONE * len(spaces[0]), text)
    written, at = [], 0
    for word in words:
        letters = text[at : at + len(word.word)].replace(GONE, "")
        at += len(word.word)
        if letters:
            written.append(word.model_copy(update={"word": letters}))
    return written


def _converted(text: str, script: str) -> str:
    """Convert by whole phrases, since a character may have several; by characters where a phrase changes in length."""
    convert = _converter(script).convert
    whole: str = convert(text)
    if len(whole) == len(text):
        return whole
    alone = ((letter, convert(letter)) for letter in text)
    return "".join(found if len(found) == 1 else letter for letter, found in alone)


@cache
def _converter(script: str) -> OpenCC:
    return OpenCC(script)
