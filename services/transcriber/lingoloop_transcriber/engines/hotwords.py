"""Hot words for a decoder that knows no such thing: they stand before its text, as if they had just been said. Pure."""

from collections.abc import Callable, Sequence


def fitting(words: Sequence[str], encode: Callable[[str], list[int]], most: int) -> list[int]:
    """Return the tokens of as many hot words, from the first one on, as fit in `most` tokens."""
    tokens: list[int] = []
    for word in words:
        more = encode(f", {word}" if tokens else f" {word}")
        if len(tokens) + len(more) > most:
            break
        tokens += more
    return tokens


def is_echo(text: str, words: Sequence[str]) -> bool:
    """Whether a text says hot words and nothing else: a decoder that hears nothing repeats what stood before."""
    left = _letters(text)
    for word in sorted(map(_letters, words), key=len, reverse=True):
        if word:
            left = left.replace(word, " ")
    return bool(_letters(text)) and not left.strip()


def _letters(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())
