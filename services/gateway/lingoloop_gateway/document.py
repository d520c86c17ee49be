"""A transcript as a document for Word and what reads its files (Office Open XML, ECMA-376)."""

import io
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import docx
from docx.shared import Pt, RGBColor

from lingoloop_common.contracts.text import plain
from lingoloop_gateway.paragraphs import Paragraph

NOT_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")
"""Characters that no XML may hold (XML 1.0, section 2.2), beside those that `plain` takes out."""

TIME_COLOR, TIME_SIZE = RGBColor(0x70, 0x70, 0x70), Pt(8)


def document(run: Mapping[str, Any], paragraphs: Iterable[Paragraph]) -> bytes:
    """Return a .docx: the recording's name, then the paragraphs, each with the time at which it is heard. Pure.

    Args:
        run: its description as in the JSON export.
        paragraphs: in time order.
    """
    found = docx.Document()
    title = NOT_XML.sub("", plain(run["filename"])) or "LingoLoop"
    about = found.core_properties
    about.title, about.author, about.comments = title[:255], "", ""
    about.created = about.modified = datetime.fromisoformat(run["createdAt"])
    found.add_heading(title, level=0)
    for paragraph in paragraphs:
        written = found.add_paragraph()
        time = written.add_run(f"{clock(paragraph.start)}  ")
        time.font.size, time.font.color.rgb = TIME_SIZE, TIME_COLOR
        if paragraph.speaker:
            written.add_run(NOT_XML.sub("", f"{paragraph.speaker}: ")).bold = True
        written.add_run(NOT_XML.sub("", paragraph.text))
    file = io.BytesIO()
    found.save(file)
    return file.getvalue()


def clock(seconds: float) -> str:
    """Return a time as `h:mm:ss`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
