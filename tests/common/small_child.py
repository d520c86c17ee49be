"""A child process for tests: does what it is told."""

import os
import sys
import time
from collections.abc import Callable
from typing import Any

from lingoloop_common.child import Answer, Message, serve_child


def make(config: dict[str, Any]) -> Callable[[Message, Answer], None]:
    """Return the handler of requests."""

    def handle(message: Message, answer: Answer) -> None:
        fields = message.fields
        match fields["do"]:
            case "echo":
                answer(
                    {"end": True, "said": fields["say"], "config": config, "pid": os.getpid()}, message.raw
                )
            case "count":
                for number in range(fields["to"]):
                    answer({"number": number}, bytes([number]))
                answer({"end": True}, b"")
            case "print":
                print("noise on stdout")
                answer({"end": True}, b"")
            case "exit":
                sys.exit(fields["code"])
            case "sleep":
                answer({"asleep": True}, b"")
                time.sleep(600)

    return handle


if __name__ == "__main__":
    serve_child(make)
