"""A child answers, streams, dies alone, and never outlives its parent."""

import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lingoloop_common.child import Child, ChildDied
from tests.servers import wait_until

ROOT = Path(__file__).parents[2]
MODULE = "tests.common.small_child"
ENVIRONMENT = {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}


def make(**config: object) -> Child:
    return Child(MODULE, dict(config), name="the child", environment=ENVIRONMENT)


@pytest.fixture
async def child() -> AsyncIterator[Child]:
    child = make(model="tiny")
    await child.start()
    yield child
    await child.kill()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_it_gets_its_config_and_answers(child: Child) -> None:
    answer = await child.ask({"do": "echo", "say": "hällo"}, b"\x00\xff" * 1000)
    assert answer.fields == {"end": True, "said": "hällo", "config": {"model": "tiny"}, "pid": child.pid}
    assert answer.raw == b"\x00\xff" * 1000


async def test_when_memory_runs_out_it_is_ended_before_its_parent(child: Child) -> None:
    await child.ask({"do": "echo", "say": 1})

    def score(pid: object) -> int:
        return int(Path(f"/proc/{pid}/oom_score_adj").read_text())

    # Jobs of some CI machines are to go as early themselves.
    assert score(child.pid) == 500 >= score("self")


async def test_it_does_one_thing_after_the_other(child: Child) -> None:
    said = [(await child.ask({"do": "echo", "say": number})).fields["said"] for number in range(20)]
    assert said == list(range(20))


async def test_its_answers_come_in_a_stream(child: Child) -> None:
    answers = [answer async for answer in child.call({"do": "count", "to": 5})]
    assert [(a.fields.get("number"), a.raw) for a in answers[:-1]] == [(n, bytes([n])) for n in range(5)]
    assert answers[-1].fields == {"end": True}


async def test_minutes_of_sound_go_through(child: Child) -> None:
    sound = os.urandom(2 * 16_000 * 120)
    assert (await child.ask({"do": "echo", "say": 1}, sound)).raw == sound


async def test_what_it_prints_does_not_disturb(child: Child) -> None:
    assert (await child.ask({"do": "print"})).fields == {"end": True}
    assert (await child.ask({"do": "echo", "say": 1})).fields["said"] == 1


async def test_when_it_ends_the_call_says_with_which_code(child: Child) -> None:
    with pytest.raises(ChildDied, match="the child ended with code 7"):
        await child.ask({"do": "exit", "code": 7})


async def test_when_it_is_killed_the_call_says_by_which_signal(child: Child) -> None:
    calls = child.call({"do": "sleep"})
    assert (await anext(calls)).fields == {"asleep": True}
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(ChildDied, match="killed by signal 9"):
        await anext(calls)


async def test_a_kill_ends_a_call_that_hangs(child: Child) -> None:
    calls = child.call({"do": "sleep"})
    await anext(calls)
    pid = child.pid
    assert pid is not None
    await child.kill()
    assert not is_alive(pid)
    with pytest.raises(ChildDied, match="was stopped"):
        await anext(calls)
    await child.kill()


async def test_one_that_is_not_running_answers_nothing(child: Child) -> None:
    await child.kill()
    with pytest.raises(ChildDied, match="is not running"):
        await child.ask({"do": "echo", "say": 1})


async def test_after_a_death_it_can_be_started_again(child: Child) -> None:
    first = child.pid
    await child.kill()
    await child.start()
    assert child.pid != first
    assert (await child.ask({"do": "echo", "say": 1})).fields["config"] == {"model": "tiny"}


async def test_the_death_of_one_does_not_touch_its_neighbour(child: Child) -> None:
    neighbour = make()
    await neighbour.start()
    with pytest.raises(ChildDied):
        await child.ask({"do": "exit", "code": 1})
    assert (await neighbour.ask({"do": "echo", "say": 1})).fields["said"] == 1
    await neighbour.kill()


def test_it_dies_with_its_parent_even_within_a_long_call() -> None:
    code = f"""
import asyncio
from lingoloop_common.child import Child
async def main():
    child = Child({MODULE!r}, {{}}, name="child")
    await child.start()
    async for answer in child.call({{"do": "sleep"}}):
        print(child.pid, flush=True)
asyncio.run(main())
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={**os.environ, **ENVIRONMENT}
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
    wait_until(lambda: not is_alive(pid), "the child to end", seconds=10)


def test_it_dies_when_its_parent_went_in_the_middle_of_a_message() -> None:
    ours, theirs = socket.socketpair()
    with subprocess.Popen(
        [sys.executable, "-m", MODULE, str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        env={**os.environ, **ENVIRONMENT},
        stderr=subprocess.DEVNULL,
    ) as process:
        theirs.close()
        ours.sendall(struct.pack(">II", 2, 0) + b"{}" + struct.pack(">II", 100, 0) + b'{"do": ')
        ours.close()
        process.wait(10)
