"""What clients call their files is sent back in a header, and stays a name there."""

from email.message import EmailMessage

import pytest

from lingoloop_common.names import clean_filename, content_disposition


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ('a"; filename="b.exe', "a__ filename__b.exe"),
        ("a\r\nSet-Cookie: x=1.wav", "aSet-Cookie_ x_1.wav"),
        ("../../etc/passwd", "passwd"),
        ("Vorlesung über Öl.wav", "Vorlesung _ber _l.wav"),
        ("会议 2026.m4a", "__ 2026.m4a"),
        ("a%22\\b.wav", "b.wav"),
        ("50%.wav", "50_.wav"),
    ],
)
def test_a_filename_stays_a_filename(name: str, plain: str) -> None:
    clean = clean_filename(name)
    header = content_disposition(clean)
    assert header.isascii()
    assert header.isprintable()
    message = EmailMessage()
    message["Content-Disposition"] = header.partition("; filename*")[0]
    assert message.get_filename() == plain
    message.replace_header("Content-Disposition", "attachment;" + header.rpartition(";")[2])
    assert message.get_filename() == clean
