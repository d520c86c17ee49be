"""Named SQL: queries live in `.sql` files beside the code that runs them."""

import re
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


def load_queries(package: str, filename: str) -> dict[str, str]:
    """Return the queries of a package's `.sql` file by name.

    Each query begins with a line `-- name: its_name`; comments after that line belong to it.

    Raises:
        ValueError: the file names a query twice.
    """
    text = files(package).joinpath(filename).read_text(encoding="utf-8")
    parts = _NAME.split(text)[1:]
    names, bodies = parts[::2], parts[1::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{filename} names a query twice")
    return {name: body.strip() for name, body in zip(names, bodies, strict=True)}
