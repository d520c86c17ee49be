"""Any recording becomes 16 kHz mono samples: as many as it lasts, the same ones each time, and never from another file."""

import wave
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from lingoloop_common.contracts.units import SAMPLE_RATE
from lingoloop_common.media import NotAudio
from lingoloop_transcriber.decode import BLOCK, Samples, decode, decode_range
from tests import media
from tests.speech import write_wav

SECONDS = 4.0
FREQUENCY = 440.0


def tone(rate: int, channels: int) -> NDArray[np.float32]:
    """A tone on all channels, shape (channels, samples)."""
    wave = 0.4 * np.sin(2 * np.pi * FREQUENCY * np.arange(round(SECONDS * rate)) / rate)
    return np.tile(wave.astype(np.float32), (channels, 1))


def record(path: Path, codec: str, rate: int, channels: int, *, video: str | None = None) -> Path:
    """Encode the tone into a new file; with `video`, pictures go along."""
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[channels]
    with av.open(str(path), "w") as container:
        pictures = _add_pictures(container, video) if video else None
        stream = container.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, av.audio.stream.AudioStream)
        if pictures is not None:
            _encode_pictures(container, pictures, int(SECONDS * 10))
        wanted = stream.codec_context.format.name
        size = stream.codec_context.frame_size or 1024
        converter = av.AudioResampler(format=wanted, layout=layout, rate=rate, frame_size=size)
        frame = av.AudioFrame.from_ndarray(tone(rate, channels), format="fltp", layout=layout)
        frame.sample_rate = rate
        for piece in [*converter.resample(frame), *converter.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


def _add_pictures(container: OutputContainer, codec: str) -> VideoStream:
    stream = container.add_stream(codec, rate=10)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height, stream.pix_fmt = 64, 64, "rgb24" if codec == "png" else "yuv420p"
    return stream


def _encode_pictures(container: OutputContainer, stream: VideoStream, count: int) -> None:
    for number in range(count):
        grey = np.full((64, 64, 3), number, np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
    container.mux(stream.encode(None))


def samples_of(path: Path) -> Samples:
    return np.concatenate(list(decode(path)))


def loudest_frequency(samples: Samples) -> float:
    spectrum = np.abs(np.fft.rfft(samples.astype(float) * np.hanning(samples.size)))
    return float(np.argmax(spectrum) * SAMPLE_RATE / samples.size)


FORMATS = {
    "wav": ("sound.wav", "pcm_s16le", 44_100, 2),
    "wav, eight bits of telephone": ("sound.wav", "pcm_mulaw", 8_000, 1),
    "wav, 5.1": ("sound.wav", "pcm_s24le", 48_000, 6),
    "flac": ("sound.flac", "flac", 22_050, 1),
    "flac, high": ("sound.flac", "flac", 96_000, 2),
    "mp3": ("sound.mp3", "libmp3lame", 44_100, 2),
    "mp3, low": ("sound.mp3", "libmp3lame", 11_025, 1),
    "opus": ("sound.ogg", "libopus", 48_000, 2),
    "m4a": ("sound.m4a", "aac", 32_000, 2),
    "mp4 with video": ("sound.mp4", "aac", 44_100, 1),
    "webm with video": ("sound.webm", "libopus", 48_000, 1),
}
VIDEO = {"mp4 with video": "mpeg4", "webm with video": "libvpx"}


@pytest.mark.parametrize("form", FORMATS)
def test_a_recording_becomes_as_many_samples_as_it_lasts(tmp_path: Path, form: str) -> None:
    name, codec, rate, channels = FORMATS[form]
    path = record(tmp_path / name, codec, rate, channels, video=VIDEO.get(form))
    samples = samples_of(path)
    lossless = name.endswith((".wav", ".flac"))
    # Encoders add up to some frames of their own at either end.
    slack = 0.001 if lossless else 0.12
    assert abs(samples.size / SAMPLE_RATE - SECONDS) <= slack
    assert samples.dtype == np.int16
    assert abs(loudest_frequency(samples) - FREQUENCY) < 2
    assert 0.2 < np.abs(samples).max() / 32768 < 0.95


@pytest.mark.parametrize(("rate", "channels"), [(37_801, 8), (48_000, 16), (5_512, 2), (192_000, 1)])
def test_odd_rates_and_many_microphones_make_no_difference(tmp_path: Path, rate: int, channels: int) -> None:
    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((tone(rate, channels).T * 32767).astype(np.int16).tobytes())
    samples = samples_of(path)
    assert abs(samples.size / SAMPLE_RATE - SECONDS) <= 0.01
    assert abs(loudest_frequency(samples) - FREQUENCY) < 2


@pytest.mark.parametrize("channels", [9, 11, 32, 64])
def test_channels_without_a_place_are_mixed_alike(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "desk.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(48_000)
        loud = tone(48_000, channels) * np.linspace(0, 2, channels, dtype=np.float32)[:, np.newaxis]
        file.writeframes((loud.T * 32767).astype(np.int16).tobytes())
    samples = samples_of(path)
    assert abs(samples.size / SAMPLE_RATE - SECONDS) <= 0.01
    assert abs(loudest_frequency(samples) - FREQUENCY) < 2
    assert abs(np.abs(samples).max() / 32768 - 0.4) < 0.02


@pytest.mark.parametrize("layout", ["FL+LFE", "BL+BR", "FL+FC", "FR+FC+BC"])
def test_channels_whose_places_ffmpeg_does_not_mix_are_mixed_alike(tmp_path: Path, layout: str) -> None:
    path = tmp_path / "places.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout=layout)
        assert isinstance(stream, av.audio.stream.AudioStream)
        sound = (tone(SAMPLE_RATE, stream.codec_context.channels).T * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="s16", layout=layout)
        frame.sample_rate = SAMPLE_RATE
        container.mux(stream.encode(frame))
    samples = samples_of(path)
    assert samples.size == SECONDS * SAMPLE_RATE
    assert abs(loudest_frequency(samples) - FREQUENCY) < 2
    assert abs(np.abs(samples).max() / 32768 - 0.4) < 0.02


def pair(path: Path, left: float, right: float) -> Path:
    """Write a tone on two channels, each so loud; below 0 it is upside down."""
    sound = np.stack([media.tone(SECONDS, rate=44_100) * level for level in (left, right)])
    path.write_bytes(media.wav_of_channels(sound.astype(np.int16), rate=44_100))
    return path


@pytest.mark.parametrize(
    ("left", "right", "heard"),
    [
        (1.0, 1.0, 1.0),
        (1.0, 0.5, 0.75),
        (1.0, 0.0, 0.5),
        (1.0, -1.0, 1.0),  # wired the wrong way round: the mean is silence
        (0.4, -0.5, 0.5),
        (1.0, -0.4, 0.3),  # something is left
        (0.0, 0.0, 0.0),
    ],
)
def test_two_channels_are_mixed_and_if_they_cancel_out_the_louder_one_is_heard(
    tmp_path: Path, left: float, right: float, heard: float
) -> None:
    samples = samples_of(pair(tmp_path / "pair.wav", left, right))
    assert samples.ndim == 1
    assert abs(samples.size / SAMPLE_RATE - SECONDS) <= 0.01
    assert abs(np.abs(samples[1000:-1000]).max() / 8000 - heard) < 0.01


def test_two_speakers_on_two_channels_are_mixed_as_before(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).normal(0, 3000, (2, 5 * SAMPLE_RATE)).astype(np.int16)
    path = tmp_path / "two.wav"
    path.write_bytes(media.wav_of_channels(noise))
    assert np.abs(samples_of(path) - noise.mean(axis=0)).max() <= 1


def test_recordings_of_two_kinds_in_one_are_heard_to_the_end(tmp_path: Path) -> None:
    path = tmp_path / "joined.mp3"
    one = record(tmp_path / "one.mp3", "libmp3lame", 44_100, 1).read_bytes()
    other = record(tmp_path / "other.mp3", "libmp3lame", 22_050, 2).read_bytes()
    path.write_bytes(one + other)
    samples = samples_of(path)
    assert abs(samples.size / SAMPLE_RATE - 2 * SECONDS) <= 0.3
    assert abs(loudest_frequency(samples[samples.size // 2 :]) - FREQUENCY) < 2


@pytest.mark.parametrize(
    ("channels", "rate", "named"), [(65, 16_000, "65 channels"), (1, 999, "999 samples")]
)
def test_a_sound_that_cannot_be_converted_is_refused_with_the_reason(
    tmp_path: Path, channels: int, rate: int, named: str
) -> None:
    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(2 * channels * 100))
    with pytest.raises(NotAudio, match=named):
        samples_of(path)


def test_pictures_that_come_when_they_like_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "screen.mkv"
    luck = np.random.default_rng(5)
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("mpeg4", rate=1000)
        assert isinstance(pictures, VideoStream)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 64, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for at in np.cumsum(luck.integers(5, 900, 10)):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 9, np.uint8), format="rgb24")
            frame.pts = int(at)
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode(None))
        heard = av.AudioFrame.from_ndarray(
            (tone(16_000, 1) * 32767).astype(np.int16), format="s16", layout="mono"
        )
        heard.sample_rate = 16_000
        container.mux(sound.encode(heard))
        container.mux(sound.encode(None))
    samples = samples_of(path)
    assert samples.size == SECONDS * SAMPLE_RATE
    assert abs(loudest_frequency(samples) - FREQUENCY) < 2


def test_sixteen_kilohertz_mono_comes_through_untouched(tmp_path: Path) -> None:
    noise = np.random.default_rng(2).integers(-20_000, 20_000, 5 * SAMPLE_RATE + 123).astype(np.int16)
    np.testing.assert_array_equal(samples_of(write_wav(tmp_path / "noise.wav", noise)), noise)


def test_it_comes_in_blocks_so_that_memory_does_not_grow(tmp_path: Path) -> None:
    noise = np.random.default_rng(2).integers(-20_000, 20_000, 30 * SAMPLE_RATE).astype(np.int16)
    sizes = [block.size for block in decode(write_wav(tmp_path / "noise.wav", noise))]
    assert all(BLOCK <= size < 2 * BLOCK for size in sizes[:-1])
    assert len(sizes) > 10


@pytest.mark.parametrize("form", ["wav", "mp3", "opus", "m4a"])
def test_a_range_equals_the_slice_of_the_whole(tmp_path: Path, form: str) -> None:
    name, codec, rate, channels = FORMATS[form]
    path = record(tmp_path / name, codec, rate, channels)
    whole = samples_of(path)
    for start, end in [
        (0, 1),
        (0, whole.size),
        (12_345, 40_001),
        (SAMPLE_RATE, 2 * SAMPLE_RATE),
        (60_000, 70_000),
    ]:
        np.testing.assert_array_equal(decode_range(path, start, end), whole[start:end])


def test_a_range_beyond_the_end_is_empty(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "short.wav", np.ones(100, np.int16))
    assert decode_range(path, 1000, 2000).size == 0


@pytest.mark.parametrize("form", ["wav", "flac", "mp3", "opus"])
def test_a_recording_that_is_cut_off_ends_early(tmp_path: Path, form: str) -> None:
    name, codec, rate, channels = FORMATS[form]
    path = record(tmp_path / name, codec, rate, channels)
    whole = samples_of(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    samples = samples_of(path)
    assert 0.3 * whole.size < samples.size < 0.75 * whole.size
    near = min(samples.size, whole.size // 4)
    np.testing.assert_array_equal(samples[:near], whole[:near])


def test_damage_in_the_middle_loses_only_a_piece(tmp_path: Path) -> None:
    path = record(tmp_path / "sound.mp3", "libmp3lame", 44_100, 1)
    whole = samples_of(path).size
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 500] = bytes(500)
    path.write_bytes(data)
    assert samples_of(path).size > 0.8 * whole


def _text(folder: Path) -> Path:
    path = folder / "notes.txt"
    path.write_text("this is no recording\n" * 100)
    return path


def _text_that_claims_to_be_a_recording(folder: Path) -> Path:
    return _text(folder).rename(folder / "talk.wav")


def _empty(folder: Path) -> Path:
    path = folder / "empty.wav"
    path.touch()
    return path


def _playlist(folder: Path) -> Path:
    record(folder / "secret.mp3", "libmp3lame", 44_100, 1)
    path = folder / "list.m3u8"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{folder}/secret.mp3\n#EXT-X-ENDLIST\n")
    return path


def _concat_list(folder: Path) -> Path:
    record(folder / "secret.wav", "pcm_s16le", 16_000, 1)
    path = folder / "list.ffconcat"
    path.write_text(f"ffconcat version 1.0\nfile '{folder}/secret.wav'\n")
    return path


def _video_without_sound(folder: Path) -> Path:
    path = folder / "silent.mp4"
    with av.open(str(path), "w") as container:
        _encode_pictures(container, _add_pictures(container, "mpeg4"), 5)
    return path


def _picture(folder: Path) -> Path:
    path = folder / "cover.png"
    with av.open(str(path), "w", format="image2") as container:
        _encode_pictures(container, _add_pictures(container, "png"), 1)
    return path


def _header_alone(folder: Path) -> Path:
    return write_wav(folder / "header.wav", np.empty(0, np.int16))


def _noise(folder: Path) -> Path:
    path = folder / "noise.mp3"
    path.write_bytes(np.random.default_rng(4).bytes(20_000))
    return path


@pytest.mark.parametrize(
    "make",
    [
        _text,
        _text_that_claims_to_be_a_recording,
        _empty,
        _playlist,
        _concat_list,
        _video_without_sound,
        _picture,
        _header_alone,
        _noise,
    ],
    ids=lambda make: make.__name__.strip("_").replace("_", " "),
)
def test_what_holds_no_sound_of_its_own_is_refused(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    with pytest.raises(NotAudio) as refused:
        samples_of(path)
    assert str(tmp_path) not in str(refused.value)


def test_a_frame_that_swells_to_hours_is_none(tmp_path: Path) -> None:
    path = tmp_path / "silence.m4a"
    path.write_bytes(media.silence_in_one_frame(4))
    assert samples_of(path).size == 2 * 4 * 65_536
    path.write_bytes(media.silence_in_one_frame(40))
    with pytest.raises(NotAudio):
        samples_of(path)
