"""`doctor`: what is wrong with this set-up, and what to do."""

import logging
import warnings

from lingoloop.command import EXIT_DONE, EXIT_FAILED, Data, data_folder, run
from lingoloop.doctor import examine
from lingoloop.finding import Finding, Setup, State
from lingoloop.folder import DataFolder


def doctor(data: Data = None) -> None:
    """Check settings, database, its connections and clock, broker, workers, model, storage, disk and server; a line each, and what to do.

    Looks at what the environment names (DATABASE_URL, BROKER_URL, BLOB_DIR or BLOB_URL, ...), else at the one-process mode's folder.
    Changes nothing, but puts a packaged model into the cache. The exit code is 1 if something is wrong.

    Examples:
    lingoloop doctor

    lingoloop doctor | grep -A1 WRONG
    """
    # What a client's library has to say of a broker that is away is in the finding already.
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", category=RuntimeWarning, module="aio_pika")
    run(_doctor(data_folder(data)))


async def _doctor(folder: DataFolder) -> int:
    findings = await examine(Setup.here(folder))
    for name, finding in findings:
        print(text_of(name, finding))
    return EXIT_FAILED if any(finding.state is State.WRONG for _, finding in findings) else EXIT_DONE


def text_of(name: str, finding: Finding) -> str:
    """Return a finding as one line, and an indented one for each thing to do."""
    return "\n".join(
        (f"{finding.state:<9}{name:<13}{finding.says}", *(f"{'':9}{line}" for line in finding.do))
    )
