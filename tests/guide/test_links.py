"""Every link from one page to another, or to a heading, leads somewhere; in both languages."""

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
PAGES_FOR_OPERATORS = sorted(ROOT.glob("docs/operations/*.md"))
FOR_BOTH = {"licences.md"}
"""Made by a program, and only names."""


def test_there_are_pages_in_both_languages() -> None:
    assert {"README.md", "README.zh.md", "guide.md", "guide.zh.md"} <= {page.name for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_its_links_lead_somewhere(page: Path) -> None:
    assert list(broken(page)) == []


@pytest.mark.parametrize("page", PAGES_FOR_OPERATORS, ids=lambda page: page.name)
def test_an_operators_page_is_in_the_index_and_has_its_chinese_one(page: Path) -> None:
    twin = page.name.replace(".zh.md", ".md") if page.name.endswith(".zh.md") else f"{page.stem}.zh.md"
    assert page.name in FOR_BOTH or page.with_name(twin).exists()
    index = page.with_name("README.zh.md" if page.name.endswith(".zh.md") else "README.md")
    assert page == index or page in {(index.parent / urlsplit(link).path).resolve() for link in links(index)}


def broken(page: Path) -> Iterator[str]:
    """Yield the links of a page that lead nowhere."""
    for link in links(page):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        missing = not target.exists() or not target.is_relative_to(ROOT)
        if missing or (parts.fragment and unquote(parts.fragment) not in anchors(target)):
            yield link


def links(page: Path) -> Iterator[str]:
    """Yield a page's links and pictures."""
    for token in texts(page):
        for child in token.children or ():
            if link := child.attrGet("href") or child.attrGet("src"):
                yield str(link)


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the names of a page's headings, as GitHub makes them: without punctuation, the second alike with `-1`."""
    seen: Counter[str] = Counter()
    found = set()
    tokens = texts(page)
    for before, token in itertools.pairwise(tokens):
        if before.type != "heading_open":
            continue
        text = "".join(child.content for child in token.children or ())
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return frozenset(found)


def texts(page: Path) -> list[Token]:
    """Return a page's parts."""
    return MarkdownIt("commonmark").enable("table").parse(page.read_text())
