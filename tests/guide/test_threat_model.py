"""The threat model names tests and files: they are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / "operations" / name for name in ("threat-model.md", "threat-model.zh.md")]
TEST = re.compile(r"`([\w/]+/test_\w+\.py)(?:::(\w+))?`")


def named_in(page: Path) -> set[tuple[str, str]]:
    return set(TEST.findall(page.read_text()))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_test_that_is_named_is_there(page: Path) -> None:
    named = named_in(page)
    assert len(named) > 40
    for file, test in named:
        text = (ROOT / "tests" / file).read_text()
        assert not test or re.search(rf"^\s*(async )?def {test}\(", text, re.MULTILINE), f"{file}::{test}"


def test_both_languages_name_the_same_tests() -> None:
    english, chinese = map(named_in, PAGES)
    assert english == chinese
