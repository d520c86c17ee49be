"""What a run may ask of an engine, and what an engine lacks."""

import pytest
from pydantic import ValidationError

from lingoloop_common.contracts.engines import (
    HOTWORD_LONGEST,
    HOTWORDS_MOST,
    LACKS,
    Abilities,
    Ability,
    Wishes,
    lacking,
)

EVERYTHING = Wishes(language="multi", task="translate", hotwords=["LingoLoop"], diarize=True, track=1)
SEPARATE = Wishes(channels="separate")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Kubernetes, 李白 ,, New York ", ["Kubernetes", "李白", "New York"]),
        (["one, two", "three"], ["one, two", "three"]),
        (["New\n York\0", "\x1b[1mAnn"], ["New York", "[1mAnn"]),
        ("", []),
    ],
)
def test_hot_words_come_with_commas_or_as_a_list(given: object, kept: list[str]) -> None:
    assert Wishes.model_validate({"hotwords": given}).hotwords == kept


@pytest.mark.parametrize(
    "wrong",
    [
        {"hotwords": ["x" * (HOTWORD_LONGEST + 1)]},
        {"hotwords": [" "]},
        {"hotwords": ["\0"]},
        {"hotwords": ["x"] * (HOTWORDS_MOST + 1)},
        {"language": "english"},
        {"language": "multi-en"},
        {"language": "en" + "-aaaaaaaa" * 5},
        {"task": "summarise"},
        {"channels": "left"},
        {"track": -1},
        {"channels": "separate", "diarize": True},
    ],
)
def test_what_is_out_of_bounds_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Wishes.model_validate(wrong)


@pytest.mark.parametrize("language", [None, "en", "zh-Hant", "pt-BR", "multi", "yue", "zh-cmn-Hans-CN"])
def test_languages_are_codes_or_multi(language: str | None) -> None:
    assert Wishes(language=language).language == language


def test_only_what_is_asked_for_is_written_down() -> None:
    assert Wishes(language="en").more() == {}
    assert Wishes(task="translate", track=2).more() == {"task": "translate", "track": 2}
    assert Wishes.model_validate({"language": "multi", **EVERYTHING.more()}) == EVERYTHING


def test_each_wish_needs_its_ability() -> None:
    assert EVERYTHING.needed | SEPARATE.needed == frozenset(Ability)
    assert Wishes(language="en").needed == frozenset()


def test_what_an_engine_lacks_is_named_by_field() -> None:
    missing = lacking(Abilities(), EVERYTHING) | lacking(Abilities(), SEPARATE)
    assert missing.keys() == {field for field, _ in LACKS.values()}
    assert lacking(Abilities(can=frozenset(Ability)), EVERYTHING) == {}
    assert lacking(Abilities(can=frozenset(Ability) - {Ability.DIARIZE}), EVERYTHING).keys() == {"diarize"}


@pytest.mark.parametrize(
    ("known", "asked", "missing"),
    [
        (None, "tlh", set()),
        (("en",), "en-GB", set()),
        (("no", "he", "zh"), "nb-NO", set()),
        (("no", "he", "zh"), "cmn-Hant", set()),
        (("en",), None, set()),
        (("en",), "de", {"language"}),
        (("en",), "multi", {"language"}),
    ],
)
def test_an_engine_that_names_its_languages_knows_no_other(
    known: tuple[str, ...] | None, asked: str | None, missing: set[str]
) -> None:
    assert lacking(Abilities(languages=known), Wishes(language=asked)).keys() == missing
