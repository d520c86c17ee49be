"""`lingoloop`: the command line."""

import os
from collections.abc import Callable

import typer

from lingoloop.commands import access, database, dead_letters, doctor, retention, runs, serve, transcribe
from lingoloop_common.log import configure_logging

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Transcribe long recordings, and see the words while they come.",
)

RECORDINGS, SERVER, SERVICES = "Recordings", "A server on this machine", "One service of a fleet"

COMMANDS: tuple[tuple[str, Callable[..., None]], ...] = (
    (RECORDINGS, transcribe.transcribe),
    (RECORDINGS, transcribe.watch),
    (RECORDINGS, runs.runs),
    (RECORDINGS, runs.export),
    (RECORDINGS, runs.cancel),
    (RECORDINGS, runs.retry),
    (SERVER, serve.up),
    (SERVER, access.token),
    (SERVER, doctor.doctor),
    (SERVICES, serve.migrate),
    (SERVICES, serve.gateway),
    (SERVICES, serve.transcriber),
    (SERVICES, serve.notifier),
)
for panel, command in COMMANDS:
    app.command(rich_help_panel=panel)(command)
app.add_typer(access.keys, name="keys", rich_help_panel=SERVER)
app.add_typer(database.db, name="db", rich_help_panel=SERVER)
app.add_typer(retention.retention, name="retention", rich_help_panel=SERVER)
app.add_typer(dead_letters.dead_letters, name="dead-letters", rich_help_panel=SERVER)
app.command("worker", help="The same as transcriber.", rich_help_panel=SERVICES)(serve.transcriber)


def main() -> None:
    """Run the command line."""
    configure_logging(level=os.environ.get("LOG_LEVEL") or "WARNING")
    app()


if __name__ == "__main__":
    main()
