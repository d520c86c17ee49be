"""Recordings as they come: without a length, at any rate, of several kinds in one, and longer than memory would hold."""

import re
from pathlib import Path

import av
import numpy as np
import pytest

from lingoloop_common.contracts.engines import Wishes
from lingoloop_common.contracts.units import SAMPLE_RATE
from lingoloop_common.media import duration_ms, open_audio
from lingoloop_transcriber.decode import Samples, decode, joined
from lingoloop_transcriber.slot import _cuts
from tests import media
from tests.transcriber.test_decode import loudest_frequency

SECONDS = 4.0
HZ = (440.0, 1200.0)


def both(rate: int) -> Samples:
    """A tone on each channel."""
    return np.stack([media.tone(SECONDS, rate=rate, hz=hz) for hz in HZ])


def pieces(path: Path, *, separate: bool) -> Samples:
    return joined(list(decode(path, separate=separate)))


def check(path: Path, *, seconds: float = SECONDS, slack: float = 0.12) -> None:
    """Check that both channels are heard from the beginning to the end, apart and mixed."""
    mixed, apart = pieces(path, separate=False), pieces(path, separate=True)
    assert abs(mixed.size / SAMPLE_RATE - seconds) <= slack
    assert apart.shape == (2, mixed.size)
    for channel, hz in zip(apart, HZ, strict=True):
        assert abs(loudest_frequency(channel[-SAMPLE_RATE:]) - hz) < 3
        assert np.abs(channel[SAMPLE_RATE:-SAMPLE_RATE]).max() > 5000


WITHOUT_LENGTH = {
    "live WebM": ("webm", "libopus", {"live": "1"}),
    "live Matroska": ("matroska", "flac", {"live": "1"}),
    "FLAC from a pipe": ("flac", "flac", {}),
    "WAV from a pipe": ("wav", "pcm_s16le", {}),
    "Ogg from a pipe": ("ogg", "libopus", {}),
    "ADTS": ("adts", "aac", {}),
    "MP3 without Xing": ("mp3", "libmp3lame", {"write_xing": "0"}),
    "MPEG-TS": ("mpegts", "aac", {}),
}


@pytest.mark.parametrize("form", WITHOUT_LENGTH)
def test_a_stream_that_does_not_say_how_long_it_is_is_heard_to_the_end(tmp_path: Path, form: str) -> None:
    container, codec, options = WITHOUT_LENGTH[form]
    path = tmp_path / "live"
    path.write_bytes(media.streamed(container, codec, both(48_000), rate=48_000, options=options))
    opened, stream = open_audio(path)
    with opened:
        told = duration_ms(opened, stream)
    # What is told without being known, as from the bit rate, is near enough for progress.
    assert told is None or abs(told - SECONDS * 1000) < 1000, told
    check(path)


def test_a_live_recording_does_say_nothing(tmp_path: Path) -> None:
    path = tmp_path / "live"
    path.write_bytes(media.streamed("webm", "libopus", both(48_000), rate=48_000, options={"live": "1"}))
    opened, stream = open_audio(path)
    with opened:
        assert duration_ms(opened, stream) is None


@pytest.mark.parametrize("rate", [1_000, 8_001, 11_025, 22_050, 44_100, 48_000, 96_000, 192_000, 384_000])
def test_any_rate_is_heard(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "sound.wav"
    if rate == 1_000:  # holds nothing beyond 500 Hz
        path.write_bytes(media.wav(media.tone(SECONDS, rate=rate), rate=rate))
        samples = pieces(path, separate=False)
        assert abs(samples.size / SAMPLE_RATE - SECONDS) <= 0.02
        assert abs(loudest_frequency(samples) - 440) < 3
    else:
        path.write_bytes(media.wav_of_channels(both(rate), rate=rate))
        check(path, slack=0.01)


JOINED = {
    "ADTS": ("adts", "aac"),
    "MP3": ("mp3", "libmp3lame"),
    "Ogg": ("ogg", "flac"),
    "MPEG-TS": ("mpegts", "mp2"),
}


@pytest.mark.parametrize("form", JOINED)
def test_recordings_that_were_put_one_after_the_other_are_heard_to_the_end(tmp_path: Path, form: str) -> None:
    container, codec = JOINED[form]
    first = media.streamed(container, codec, both(48_000)[:1], rate=48_000)
    second = media.streamed(container, codec, both(48_000), rate=48_000)
    path = tmp_path / "joined"
    path.write_bytes(first + second)
    mixed, apart = pieces(path, separate=False), pieces(path, separate=True)
    assert abs(mixed.size / SAMPLE_RATE - 2 * SECONDS) <= 0.3
    assert apart.shape == (2, mixed.size)
    assert abs(loudest_frequency(apart[0, SAMPLE_RATE : 2 * SAMPLE_RATE]) - HZ[0]) < 3
    assert not apart[1, : 3 * SAMPLE_RATE].any()
    assert abs(loudest_frequency(apart[1, -2 * SAMPLE_RATE : -SAMPLE_RATE]) - HZ[1]) < 3


def test_sound_whose_time_stamps_jump_is_heard_as_long_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "jumps.mkv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout="stereo")
        sound = both(SAMPLE_RATE)
        for number, at in enumerate(range(0, sound.shape[1], 1600)):
            part = np.ascontiguousarray(sound[:, at : at + 1600].T.reshape(1, -1))
            frame = av.AudioFrame.from_ndarray(part, format="s16", layout="stereo")
            frame.sample_rate = SAMPLE_RATE
            frame.pts = at + 5000 * (number // 7)  # a gap now and then
            for packet in stream.encode(frame):
                file.mux(packet)
    check(path, slack=0.001)


def memory(name: str) -> int:
    """Return one of this process's figures, in MB."""
    status = Path("/proc/self/status").read_text()
    found = re.search(rf"{name}:\s+(\d+) kB", status)
    assert found
    return int(found[1]) // 1024


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_ten_hours_of_a_call_take_no_more_memory_than_ten_minutes(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    head = media.wav_of_channels(np.zeros((2, 0), np.int16), rate=SAMPLE_RATE)
    with path.open("wb") as file:  # a hole, but for a second of noise now and then
        file.write(head[:4] + b"\xff" * 4 + head[8:40] + b"\xff" * 4)
        noise = np.random.default_rng(1).bytes(64_000)
        for second in range(0, 36_000, 600):
            file.seek(44 + 64_000 * second)
            file.write(noise)
        file.truncate(44 + 64_000 * 36_000)
    cuts = _cuts(path, 0, Wishes.model_validate({"channels": "separate"}))
    for _ in range(30):
        next(cuts)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    before = memory("VmRSS")
    end = [cut.end for cut in cuts][-1]
    assert end == 36_000 * SAMPLE_RATE
    assert memory("VmHWM") - before < 40
