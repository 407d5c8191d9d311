"""The group of commands: one line per expected error, the contract's exit codes, quiet pipes."""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
from types import FrameType
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from trustydetox.errors import ConfigError, DetoxError, ResourceError, did_you_mean
from trustydetox.report import visible

# The root of a command line's usage errors; typer exports only this leaf of its tree.
_UsageError: type[Exception] = typer.BadParameter.__mro__[2]

_NO_CHOICE = re.compile(r"(?:Value error, )?'([^']*)' is not one of ('.+')\.\Z")

INTERRUPTED = 130
TERMINATED = 143
READER_LEFT = 141


class Commands(TyperGroup):
    """Runs a command and turns what it raises into a line and an exit code.

    Errors that nobody expected keep their traceback.
    """

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run and exit; never returns."""
        extra["standalone_mode"] = False
        before = signal.signal(signal.SIGTERM, _terminated)
        try:
            # Not asked to stand alone, typer returns an exit code where a command raised one.
            code = super().main(*args, **extra)
        except _UsageError as error:
            code = _said(_usage(error), ConfigError.exit_code)
        except typer.Abort:
            code = INTERRUPTED
        finally:
            signal.signal(signal.SIGTERM, before)
        if code == INTERRUPTED:
            _say("interrupted")
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that the line names."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except DetoxError as error:
            raise typer.Exit(_said(_line(error), error.exit_code)) from None
        except BrokenPipeError:
            # Whoever read us has left. Python would complain once more on its way out.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise typer.Exit(READER_LEFT) from None
        except MemoryError:
            raise typer.Exit(_said("out of memory", ResourceError.exit_code)) from None
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.ENOMEM}:
                raise
            raise typer.Exit(_said(_no_room(error), ResourceError.exit_code)) from None
        return result


def _terminated(signum: int, frame: FrameType | None) -> NoReturn:
    _say("terminated")
    raise SystemExit(TERMINATED)


def _usage(error: Exception) -> str:
    message: str = error.format_message()  # type: ignore[attr-defined]
    message = _NO_CHOICE.sub(_choice, message)
    # A bare `trustydetox` shows its help, which is no error message to shorten.
    return message if "\n" in message else f"error: {message}"


def _choice(found: re.Match[str]) -> str:
    """What a command line says of a wrong choice, with the nearest right one."""
    given, listed = found.groups()
    near = did_you_mean(given, listed[1:-1].split("', '"))
    return f"{given!r} is not one of {listed}" + ("." if near.startswith("; known") else near)


def _line(error: DetoxError) -> str:
    cause = error.__cause__
    said = " ".join(str(error).split())
    if isinstance(cause, OSError) and cause.strerror and cause.strerror not in said:
        said += f" ({cause.strerror})"
    return f"error: {said}"


def _no_room(error: OSError) -> str:
    where = f": {error.filename}" if error.filename else ""
    return f"error: {error.strerror}{where}"


def _said(message: str, code: int) -> int:
    _say(message)
    return code


def _say(message: str) -> None:
    print(visible(message), file=sys.stderr)
