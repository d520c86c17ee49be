"""`lingoloop` as a person types it: no server, no root's tricks, no Docker."""

import asyncio
import contextlib
import itertools
import signal
import subprocess
import time
from pathlib import Path

import asyncpg
import httpx
import pytest

from lingoloop.client import Client
from lingoloop.folder import DataFolder
from lingoloop.server import LOCAL, local_token
from tests import media
from tests.command_line import command, environment, run, server
from tests.fleet import rest_of_run
from tests.notifier.receiver import receiving
from tests.rows import add_endpoint
from tests.speech import join, librivox_clips, word_error_rate, write_wav
from tests.waiting import eventually

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.slow
async def test_transcribe_prints_the_words_with_their_times(data: Path) -> None:
    clip = join(librivox_clips(), least_seconds=70)
    path = write_wav(data.parent / "speech.wav", clip.samples)
    code, out, err = await run("transcribe", str(path), "--data", str(data))
    assert code == 0, err
    lines = out.splitlines()
    assert all(line.startswith("[0:0") for line in lines)
    text = " ".join(line.partition("] ")[2] for line in lines)
    assert word_error_rate(clip.words, text) <= 0.12


@pytest.mark.slow
async def test_the_example_talk_is_understood(data: Path) -> None:
    code, out, err = await run(
        "transcribe", str(EXAMPLES / "talk.ogg"), "--data", str(data), "--format", "txt"
    )
    assert code == 0, err
    turns = (EXAMPLES / "talk.txt").read_text().splitlines()
    reference = " ".join(turn.partition(": ")[2] for turn in turns)
    assert word_error_rate(reference, out) <= 0.12


async def test_a_missing_file_is_wrong_use(data: Path) -> None:
    code, out, err = await run("transcribe", "no-such-file.mp3", "--data", str(data))
    assert (code, out) == (2, "")
    assert "no-such-file.mp3" in err


async def test_a_file_that_is_no_recording_fails_with_its_reason(data: Path) -> None:
    path = data.parent / "notes.mp3"
    path.write_text("these are only letters " * 100)
    code, out, err = await run("transcribe", str(path), "--data", str(data), ENGINE="simulated")
    assert (code, out) == (1, "")
    assert "not a recording" in err


async def test_a_second_server_on_the_same_folder_refuses(data: Path) -> None:
    async with server(data, ENGINE="simulated") as (_, url):
        code, _, err = await run("up", "--port", "0", "--data", str(data), ENGINE="simulated")
        assert code == 2
        assert url in err


async def test_transcribe_uses_the_server_that_runs(data: Path) -> None:
    path = write_wav(data.parent / "speech.wav", join(librivox_clips(), least_seconds=5).samples)
    async with server(data, ENGINE="simulated"):
        code, out, err = await run("transcribe", str(path), "--data", str(data))
    assert code == 0, err
    assert "simulated 0.0" in out


async def test_a_token_made_for_the_folder_opens_the_server(data: Path) -> None:
    async with server(data, ENGINE="simulated") as (_, url):
        code, token, _ = await run("token", "--sub", "ann", "--data", str(data))
        assert code == 0
        async with httpx.AsyncClient(base_url=url) as http:
            with_token = await http.get("/api/runs/x", headers={"Authorization": f"Bearer {token.strip()}"})
            without = await http.get("/api/runs/x")
    assert (with_token.status_code, without.status_code) == (404, 401)


async def test_the_link_that_up_prints_signs_in_whom_transcribe_works_for_once(data: Path) -> None:
    path = data.parent / "talk.wav"
    path.write_bytes(media.wav_of_ms(2_000))
    said = data.parent / "stderr"
    with said.open("wb") as stderr:
        async with server(data, stderr, ENGINE="simulated", LOG_LEVEL="DEBUG") as (_, url):
            code, _, err = await run("transcribe", str(path), "--data", str(data))
            assert code == 0, err
            await eventually(lambda: _link(said))
            page, _, fragment = _link(said).partition("#code=")
            assert page == f"{url}/sign-in"
            async with httpx.AsyncClient(base_url=url) as http:
                answer = await http.post("/api/sign-in", json={"code": fragment})
                assert answer.status_code == 200
                token = answer.json()["token"]
                runs = await http.get("/api/runs", headers={"Authorization": f"Bearer {token}"})
                assert [item["filename"] for item in runs.json()["items"]] == ["talk.wav"]
                admin = await http.get("/api/admin/backlog", headers={"Authorization": f"Bearer {token}"})
                assert admin.status_code == 200
                assert (await http.post("/api/sign-in", json={"code": fragment})).status_code == 401
    logged = said.read_text()
    assert logged.count(fragment) == 1, "the line itself, and nowhere else"
    assert token not in logged


def _link(said: Path) -> str:
    """Return the link that was printed; nothing before that."""
    lines = said.read_text().splitlines()
    return next((line.removeprefix("open ") for line in lines if line.startswith("open ")), "")


async def test_a_webhook_is_told_of_a_run_s_end(data: Path) -> None:
    path = data.parent / "talk.wav"
    path.write_bytes(media.wav_of_ms(2_000))
    settings = {"ENGINE": "simulated", "ALLOW_PRIVATE_ADDRESSES": "1"}
    async with receiving() as receiver, server(data, **settings) as (_, url):
        code, database_url, _ = await run("db", "url", "--data", str(data))
        assert code == 0
        connection = await asyncpg.connect(database_url.strip())
        await add_endpoint(connection, owner=LOCAL, url=receiver.url)
        await connection.close()
        async with Client(url, local_token(DataFolder(data))) as client:
            run_id = await client.upload(path, lambda _: None)
        heard = await receiver.heard.get()
    assert (heard.data["runId"], heard.data["status"]) == (run_id, "succeeded")


async def test_streams_of_many_addresses_are_not_counted_as_the_gateways_own(data: Path) -> None:
    """The notifier inside is asked by the gateway alone, which has counted who asked."""
    settings = {"RATE_LIMIT_PER_ADDRESS": "2", "TRUSTED_PROXIES": "127.0.0.2"}
    proxy = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
    async with (
        server(data, ENGINE="simulated", **settings) as (_, url),
        httpx.AsyncClient(base_url=url, transport=proxy) as http,
    ):
        for number in range(5):
            headers = {"X-Forwarded-For": f"203.0.113.{number}"}
            assert (await http.get("/api/runs/events", headers=headers)).status_code == 401


async def test_watch_follows_a_run_to_its_end(data: Path) -> None:
    path = write_wav(data.parent / "speech.wav", join(librivox_clips(), least_seconds=90).samples)
    async with server(data, ENGINE="simulated", SIMULATED_MS_PER_SECOND="5") as (_, url):
        async with Client(url, local_token(DataFolder(data))) as client:
            run_id = await client.upload(path, lambda _: None)
        code, out, err = await run("watch", run_id, "--data", str(data))
    assert (code, out) == (0, ""), err


async def test_after_kill_9_the_same_folder_goes_on(data: Path) -> None:
    path = write_wav(data.parent / "speech.wav", join(librivox_clips(), least_seconds=200).samples)
    settings = {"ENGINE": "simulated", "SIMULATED_MS_PER_SECOND": "30", "MAX_CONCURRENT_JOBS": "2"}
    async with (
        server(data, **settings) as (process, url),
        Client(url, local_token(DataFolder(data))) as client,
    ):
        run_id = await client.upload(path, lambda _: None)
        async for frame in client.events(run_id):
            if frame["chunksDone"] >= 2:
                break
        process.kill()
        await process.wait()
    began = time.monotonic()
    async with server(data, **settings) as (_, url), Client(url, local_token(DataFolder(data))) as client:
        frames = await rest_of_run(client, run_id)
        segments = [segment async for segment in client.segments(run_id)]
    assert frames[0]["chunksDone"] >= 2
    assert frames[-1]["status"] == "succeeded"
    assert time.monotonic() - began < 60
    starts = [segment["start"] for segment in segments]
    assert starts == sorted(starts)
    for before, after in itertools.pairwise(segments):
        assert before["end"] == after["start"], "a piece was lost or came twice"


async def test_sigterm_ends_everything_it_started(data: Path) -> None:
    async with server(data, ENGINE="simulated") as (process, _):
        pid = process.pid
        children = _descendants(pid)
        assert children
    assert process.returncode == 0
    assert not [child for child in children if Path(f"/proc/{child}").exists()]


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    # A thread or a child, such as a session of PostgreSQL's, may end while it is looked at.
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                for child in (task / "children").read_text().split():
                    found += [int(child), *_descendants(int(child))]
    return found


async def test_an_interrupted_transcribe_says_how_to_go_on(data: Path) -> None:
    path = data.parent / "long.wav"
    path.write_bytes(media.wav_of_ms(600_000))
    # A minute of work, however many cores there are.
    settings = {"ENGINE": "simulated", "SIMULATED_MS_PER_SECOND": "100", "MAX_CONCURRENT_JOBS": "1"}
    async with server(data, **settings) as (_, url):
        process = await asyncio.create_subprocess_exec(
            *command("transcribe", str(path), "--data", str(data)),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        async with Client(url, local_token(DataFolder(data))) as client:

            async def begun() -> list[str]:
                return [run["id"] async for run in client.runs("processing", 1)]

            assert process.stderr is not None
            async with asyncio.timeout(60):
                # Its first words: the server may be at the run before this process knows which one it is.
                while not (line := await process.stderr.readline()).startswith(b"[0:"):
                    assert line, "it ended before it was interrupted"
            [run_id] = await begun()
            process.send_signal(signal.SIGINT)
            out, err = await asyncio.wait_for(process.communicate(), 20)
            assert (process.returncode, out) == (130, b"")
            assert f"run {run_id} is not lost" in " ".join(err.decode().split())
            assert await begun() == [run_id], "it goes on at the server"
            await client.change_run(run_id, "cancel")
