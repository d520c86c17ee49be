"""A file's other sound tracks, and channels apart: each is heard alone, to the sample, and cut where the others are."""

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingoloop_common.contracts.units import SAMPLE_RATE
from lingoloop_common.media import SEPARATE_MOST, Unfit
from lingoloop_transcriber.decode import Samples, decode, decode_range, joined
from lingoloop_transcriber.split import Cut, Splitter
from lingoloop_transcriber.waveform import pairs_of
from tests import media
from tests.transcriber.test_decode import loudest_frequency, record
from tests.transcriber.test_split import sound


def apart(path: Path, **asked: Any) -> Samples:
    return joined(list(decode(path, separate=True, **asked)))


def film(path: Path, *tones: float) -> Path:
    """Write pictures and a sound track for each tone."""
    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as file:
        picture: Any = file.add_stream("mpeg4", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        streams: list[Any] = [file.add_stream("flac", rate=media.RATE, layout="mono") for _ in tones]
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number, np.uint8), format="rgb24")
            file.mux(picture.encode(frame))
        file.mux(picture.encode(None))
        for stream, hz in zip(streams, tones, strict=True):
            for packets in media._encoded(stream, media.tone(2.0, hz=hz), media.RATE):
                file.mux(packets)
    path.write_bytes(out.getvalue())
    return path


def noise(channels: int, seconds: float = 3.0) -> Samples:
    luck = np.random.default_rng(channels)
    return luck.integers(-9000, 9000, (channels, int(seconds * SAMPLE_RATE)), np.int16)


def write(path: Path, channels: Samples, rate: int = SAMPLE_RATE) -> Path:
    """Write channels, shape (channels, samples), as a WAV."""
    path.write_bytes(media.wav_of_channels(channels, rate=rate))
    return path


def test_each_track_of_a_film_is_heard_alone(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mkv", 440, 880, 1320)
    for track, hz in enumerate((440, 880, 1320)):
        samples = np.concatenate(list(decode(path, track=track)))
        assert samples.size == 2 * SAMPLE_RATE
        assert abs(loudest_frequency(samples) - hz) < 2
        np.testing.assert_array_equal(decode_range(path, 9000, 20_000, track=track), samples[9000:20_000])


def test_a_track_that_is_not_there_is_named_with_how_many_there_are(tmp_path: Path) -> None:
    path = film(tmp_path / "film.mkv", 440, 880)
    with pytest.raises(Unfit, match="no sound track 2, counted from 0; the file has 2 sound tracks") as unfit:
        list(decode(path, track=2))
    assert unfit.value.wish == "track"


@pytest.mark.parametrize("channels", range(1, SEPARATE_MOST + 1))
def test_channels_come_apart_to_the_sample(tmp_path: Path, channels: int) -> None:
    samples = noise(channels)
    path = write(tmp_path / "desk.wav", samples)
    np.testing.assert_array_equal(apart(path), samples)
    np.testing.assert_array_equal(decode_range(path, 1234, 40_001, separate=True), samples[:, 1234:40_001])


def test_more_channels_than_are_taken_one_by_one_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "desk.wav", noise(SEPARATE_MOST + 1))
    with pytest.raises(Unfit, match="the sound has 9 channels; one by one it may have 8") as unfit:
        apart(path)
    assert unfit.value.wish == "channels"


@pytest.mark.parametrize(("name", "codec"), [("a.mp3", "libmp3lame"), ("a.ogg", "libopus"), ("a.m4a", "aac")])
def test_coded_channels_do_not_mix(tmp_path: Path, name: str, codec: str) -> None:
    with av.open(str(tmp_path / name), "w") as file:
        stream: Any = file.add_stream(codec, rate=48_000, layout="stereo")
        both = np.stack([media.tone(3.0, hz=440), media.tone(3.0, hz=1500)]).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(both, format="s16p", layout="stereo")
        frame.sample_rate = 48_000
        size = stream.codec_context.frame_size or 1024
        fit = av.AudioResampler(stream.codec_context.format, "stereo", 48_000, frame_size=size)
        for piece in [*fit.resample(frame), *fit.resample(None)]:
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))
    left, right = apart(tmp_path / name)
    assert abs(loudest_frequency(left) - 440) < 2
    assert abs(loudest_frequency(right) - 1500) < 2


def test_a_channel_that_begins_in_the_middle_is_silent_before(tmp_path: Path) -> None:
    one = record(tmp_path / "one.mp3", "libmp3lame", 44_100, 1).read_bytes()
    both = record(tmp_path / "both.mp3", "libmp3lame", 44_100, 2).read_bytes()
    path = tmp_path / "joined.mp3"
    path.write_bytes(one + both + one)
    first, second = apart(path)
    assert abs(first.size / SAMPLE_RATE - 12) <= 0.4
    third = first.size // 3
    assert np.abs(second[: third - 4000]).max() == 0
    assert np.abs(second[third + 4000 : 2 * third - 4000]).max() > 5000
    assert np.abs(second[2 * third + 4000 :]).max() == 0
    assert np.abs(first[2 * third + 4000 :]).max() > 5000


def split(samples: Samples, *, block: int = SAMPLE_RATE, start: int = 0) -> list[Cut]:
    splitter, cuts = Splitter(start), list[Cut]()
    for at in range(0, samples.shape[1], block):
        cuts += splitter.push(samples[:, at : at + block])
    return [*cuts, *splitter.close()]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 2), st.integers(1, 150 * SAMPLE_RATE), st.data())
def test_channels_are_cut_alike_and_each_tiles_the_recording(
    seed: int, size: int, data: st.DataObject
) -> None:
    samples = np.stack([sound(seed, size), sound(seed + 1, size)])
    cuts = split(samples)
    assert [0, *(cut.end for cut in cuts)] == [*(cut.start for cut in cuts), size]
    for cut in cuts:
        assert (cut.samples is None) == (cut.channels == ())
        if cut.samples is not None:
            np.testing.assert_array_equal(cut.samples, samples[:, cut.start : cut.end])
    first = data.draw(st.integers(0, len(cuts) - 1))
    rest = split(samples, start=cuts[first].start, block=7777)
    assert [(cut.start, cut.end, cut.channels) for cut in rest] == [
        (cut.start, cut.end, cut.channels) for cut in cuts[first:]
    ]


def test_a_cut_names_the_channels_in_which_there_is_sound() -> None:
    loud, silent = noise(1, 60)[0], np.zeros(60 * SAMPLE_RATE, np.int16)
    samples = np.stack([np.concatenate([loud, silent, silent]), np.concatenate([silent, silent, loud])])
    named = [cut.channels for cut in split(samples)]
    assert named[0] == (0,)
    assert named[-1] == (1,)
    assert () in named
    assert set(named) <= {(0,), (1,), ()}


def test_a_cut_is_where_all_channels_are_quiet_also_where_a_mix_would_cancel_out() -> None:
    voice = noise(1, 40)[0]
    voice[20 * SAMPLE_RATE : 21 * SAMPLE_RATE] //= 100
    mixed_away = np.stack([voice, -voice])
    [cut, *_] = split(mixed_away)
    assert 20 * SAMPLE_RATE <= cut.end <= 21 * SAMPLE_RATE


def test_the_waveform_is_that_of_the_mix() -> None:
    left, right = noise(2)
    mixed = ((left.astype(int) + right) / 2).astype(np.int16)
    assert pairs_of(np.stack([left, right])) == pairs_of(mixed)
