"""What people see in the terminal while work runs: on stderr, so that stdout holds results only."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn

stderr = Console(stderr=True, highlight=False)


def clock(seconds: float) -> str:
    """Return a position in a recording as h:mm:ss.t."""
    tenths = round(seconds * 10)
    hours, rest = divmod(tenths, 36_000)
    minutes, rest = divmod(rest, 600)
    return f"{hours}:{minutes:02}:{rest // 10:02}.{rest % 10}"


def line(segment: dict[str, Any]) -> str:
    """Return a segment as one line with its times."""
    return f"[{clock(segment['start'])} - {clock(segment['end'])}] {segment['text']}"


@contextmanager
def uploading(total: int) -> Iterator[Callable[[int], None]]:
    """Show how much of an upload is gone; call what is given with the bytes that are."""
    with Progress(
        TextColumn("uploading"), BarColumn(), DownloadColumn(), console=stderr, transient=True
    ) as bar:
        task = bar.add_task("upload", total=total)
        yield lambda offset: bar.update(task, completed=offset)


class RunView:
    """A run's progress bar with its live words above it."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[left]}"),
            console=stderr,
            transient=True,
        )
        self._task = self._bar.add_task("queued", total=100, left="")

    def __enter__(self) -> "RunView":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, frame: dict[str, Any]) -> None:
        """Show one event of the run's stream."""
        for segment in frame.get("segments") or ():
            stderr.print(f"[dim]{escape(line(segment))}[/dim]")
        place, left = frame.get("queuePosition"), frame.get("estimatedTimeRemaining")
        description = frame["status"] if place is None else f"{frame['status']}, number {place}"
        self._bar.update(self._task, completed=frame["progress"], description=description)
        if (
            "estimatedTimeRemaining" in frame
        ):  # an event says nothing of it, only the progress in between does
            text = f"about {clock(left).partition('.')[0]} left" if left else ""
            self._bar.update(self._task, left=text)
