"""Commands: flags from dataclasses, help with examples, one JSON object on stdout, and exit codes."""

from __future__ import annotations

import contextlib
import errno
import inspect
import io
import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Protocol, Union, get_args, get_origin, get_type_hints

from lsdc.runtime.console import configure_logging, logger
from lsdc.runtime.engine_choice import EngineName
from lsdc.runtime.errors import LsdcError
from lsdc.runtime.plain import plain
from lsdc.runtime.safe_text import printable

DONE, OUR_ERROR, USERS_MISTAKE, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143
EXIT_CODES = (
    "exit codes: 0 done, 1 our error or a full disk, 2 wrong usage, input or output, 130 Ctrl-C, 143 SIGTERM"
)
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Reporting:
    """How the command reports."""

    json: bool = False
    """print the result, or the error, as one JSON object on stdout"""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """the least level of messages on stderr; from warning on there are no progress bars and tables either"""
    log_file: Path | None = None
    """append all messages with time stamps to this file too"""


@dataclass(frozen=True)
class Workers:
    """How many processes work."""

    workers: int | None = None
    """processes; one per core by default"""


@dataclass(frozen=True)
class Compute:
    """Where it runs."""

    device: str = "auto"
    """where networks run: auto, cpu, cuda, cuda:1 or mps; auto takes the best there is"""
    workers: int | None = None
    """processes; one per core by default"""


@dataclass(frozen=True)
class Cluster:
    """What works: this machine, or the workers of a Dask scheduler."""

    engine: EngineName = "local"
    """local: processes of this machine; dask: the workers of --scheduler, which see the same files"""
    scheduler: str | None = None
    """address of the Dask scheduler, such as tcp://host:8786"""


class Command(Protocol):
    """What a command must offer: it is a frozen dataclass of its flags whose `run` does the work."""

    def run(self) -> Any:
        """Do the work.

        Returns
        -------
        object
            The result, which `plain` can turn into JSON.
        """
        ...


class _Terminated(BaseException):
    """SIGTERM: work ends as on Ctrl-C, with files whole."""


def run_command(
    commands: Mapping[str, type], program: str, description: str, args: Sequence[str] | None = None
) -> int:
    """Run one of several commands.

    Parameters
    ----------
    commands : mapping of str to dataclass type
        Commands by name; each has flags as fields and a `run` method.
    program, description : str
        For the help.
    args : sequence of str, optional
        Arguments; by default those of the process.

    Returns
    -------
    int
        0 when done, 1 for an error of lsdc and for a full disk, 2 for the user's mistakes, 130 after Ctrl-C, 143 after
        SIGTERM.
    """
    words = list(sys.argv[1:] if args is None else args)
    if "--version" in words[:2]:
        return print_version(program)
    if not words or words[0] in ("-h", "--help"):
        return print_page(overview(commands, program, description), program, asked=bool(words))
    if words[0] not in commands:
        return _failed(program, f"unknown command {words[0]!r}{suggestion(words[0], commands)}", words)
    code = run_program(commands[words[0]], f"{program} {words[0]}", words[1:])
    return code if args is not None else end_at_once_if_stopped(code)


def run_program(command: type, program: str, args: Sequence[str] | None = None) -> int:
    """Run a single command: parse its flags, do the work, and print the result or the error.

    Parameters
    ----------
    command : dataclass type
        Its fields are the flags; a field `reporting` holds `Reporting`.
    program : str
        Its name, for help and errors.
    args : sequence of str, optional
        Arguments; by default those of the process.

    Returns
    -------
    int
        The exit code, as for `run_command`.
    """
    words = list(sys.argv[1:] if args is None else args)
    wants_json = "--json" in words
    if empty := _empty_one(words):
        return _failed(
            program, f"{empty} is empty, as an unset variable of the shell is; give a value", words
        )
    try:
        with _sigterm_raises():
            parsed = _parse(command, program, words)
            if isinstance(parsed, int):
                return parsed
            reporting = getattr(parsed, "reporting", Reporting())
            configure_logging(reporting.log_level, reporting.log_file)
            result = parsed.run()
            if wants_json:
                print(json.dumps(plain(result)), flush=True)
            return DONE
    except LsdcError as error:
        if logger.isEnabledFor(logging.DEBUG):
            traceback.print_exc()
        return _failed(program, str(error), words, type(error).__name__)
    except (KeyboardInterrupt, _Terminated) as error:
        stopped = INTERRUPTED if isinstance(error, KeyboardInterrupt) else TERMINATED
        return _failed(
            program, "stopped; the same command resumes where it stopped", words, "Stopped", stopped
        )
    except BrokenPipeError:
        _give_up_stdout()
        return DONE
    except OSError as error:
        return _failed(program, _words_of(error), words, type(error).__name__, _code_of(error))
    except Exception as error:  # noqa: BLE001 - what is left is our error: it is shown whole, and has its own code
        traceback.print_exc()
        text = f"an error of lsdc ({type(error).__name__}: {error}); please report it with the lines above"
        return _failed(program, text, words, type(error).__name__, OUR_ERROR)


def _empty_one(words: Sequence[str]) -> str:
    """Name the first argument that is empty: as a path it would be the working directory."""
    for before, word in zip(("", *words), words):
        if not word:
            return before if before.startswith("--") else "an argument"
        if word.startswith("--") and word.endswith("="):
            return word[:-1]
    return ""


def end_at_once_if_stopped(code: int) -> int:
    """End the process after Ctrl-C or SIGTERM: to take down an interpreter that has loaded torch takes seconds.

    Only for a process whose own arguments were parsed; a program that calls a command with others goes on.

    Parameters
    ----------
    code : int
        The exit code of a command, whose files are whole and whose workers have ended.

    Returns
    -------
    int
        The same, where nobody has stopped it.
    """
    if code in (INTERRUPTED, TERMINATED):
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    return code


def print_page(text: str, program: str, asked: bool = True) -> int:
    """Print a help page or a version.

    Parameters
    ----------
    text : str
        The page.
    program : str
        For the error where it cannot be printed.
    asked : bool
        Whether the user asked for it; a page that stands for missing arguments goes to stderr.

    Returns
    -------
    int
        The exit code.
    """
    try:
        print(text, file=sys.stdout if asked else sys.stderr, flush=True)
    except BrokenPipeError:
        _give_up_stdout()
    except OSError as error:
        _give_up_stdout()
        return _failed(program, _words_of(error), (), type(error).__name__, _code_of(error))
    return DONE if asked else USERS_MISTAKE


def print_version(program: str) -> int:
    """Print a program's name and the version of the toolkit.

    Parameters
    ----------
    program : str
        Its name.

    Returns
    -------
    int
        The exit code.
    """
    from importlib.metadata import version

    return print_page(f"{program} {version('lsdc-toolkit')}", program)


def overview(commands: Mapping[str, type], program: str, description: str) -> str:
    """List commands with the first line of what they say of themselves.

    Parameters
    ----------
    commands : mapping of str to dataclass type
        Commands by name.
    program, description : str
        What to say above.

    Returns
    -------
    str
        The text of `--help`.
    """
    width = max(map(len, commands)) + 2
    lines = [f"  {name:{width}}{summary(command)}" for name, command in commands.items()]
    usage = f"usage: {program} [-h] [--version] COMMAND ..."
    more = f"`{program} COMMAND --help` shows a command's examples and flags."
    return "\n".join([usage, "", description, "", "commands:", *lines, "", more, EXIT_CODES])


def summary(command: type) -> str:
    """Take the first line of a command's docstring.

    Parameters
    ----------
    command : type
        A command.

    Returns
    -------
    str
        A sentence.
    """
    return (inspect.getdoc(command) or "").partition("\n")[0]


def suggestion(word: str, known: Sequence[str] | Mapping[str, object]) -> str:
    """Find words that help somebody who has misspelled a name.

    Parameters
    ----------
    word : str
        What was given.
    known : sequence or mapping of str
        What could have been given.

    Returns
    -------
    str
        To be put behind "unknown ...": the likely name, or all of them.
    """
    import difflib

    close = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else f"; expected {', '.join(known)}"


def _parse(command: type, program: str, words: Sequence[str]) -> Any:
    """Return the command with its flags, or an exit code where help or an error has been printed."""
    import tyro

    config = (
        tyro.conf.FlagCreatePairsOff,
        tyro.conf.OmitArgPrefixes,
        tyro.conf.PositionalMetavarFromFieldName,
    )
    _spell_unions(command)
    description = f"{inspect.getdoc(command) or ''}\n\n{EXIT_CODES}"
    caught = io.StringIO()
    try:
        with contextlib.redirect_stderr(caught) if "--json" in words else contextlib.nullcontext():
            return tyro.cli(command, prog=program, description=description, args=list(words), config=config)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else USERS_MISTAKE
        if code and "--json" in words:
            lines = [line.strip("│╭╮╰╯─ ") for line in caught.getvalue().splitlines()]
            return _failed(program, "; ".join(line for line in lines if line), words, "UsageError", code)
        return code


def _spell_unions(kind: type) -> None:
    """Spell the types `X | None` of a dataclass and of those in it as `Union[X, None]`, which means the same.

    tyro knows that form itself; about the other one it asks typeguard, which loads asyncio: a third of a help page.
    """
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if isinstance(hint, type) and is_dataclass(hint):
            _spell_unions(hint)
        marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        inner = get_args(hint)[0] if marks else hint
        if isinstance(inner, UnionType):
            spelled: Any = Union[get_args(inner)]  # noqa: UP007
            kind.__annotations__[name] = Annotated[(spelled, *marks)] if marks else spelled


def _failed(
    program: str, text: str, words: Sequence[str], kind: str = "UsageError", code: int = USERS_MISTAKE
) -> int:
    """Print an error, as one line for people and, with `--json`, as one object for programs."""
    text = printable(text)
    with contextlib.suppress(OSError):
        print(f"{program.partition(' ')[0]}: {text}", file=sys.stderr, flush=True)
    if "--json" in words:
        with contextlib.suppress(OSError):
            content = {"error": {"type": kind, "message": text, "exit_code": code}}
            print(json.dumps(content), flush=True)
    return code


def _words_of(error: OSError) -> str:
    reason = error.strerror or str(error) or type(error).__name__
    place = f"{error.filename}: " if error.filename else ""
    if error.errno in _FULL:
        place = f"{error.filename2}: " if error.filename2 else place  # what is copied is named first
        place = place or "output "
        return f"{place}cannot be written ({reason}); make room or choose another output, then run the same command"
    return f"{place}{reason}"


def _code_of(error: OSError) -> int:
    """Blame the user for refusals that name a file, but not for a full disk."""
    return USERS_MISTAKE if error.filename and error.errno not in _FULL else OUR_ERROR


def _give_up_stdout() -> None:
    """Let nothing more be written to a pipe that nobody reads."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Make SIGTERM an exception in the main thread while a command runs."""

    def handler(number: int, frame: object) -> None:
        raise _Terminated

    try:
        before = signal.signal(signal.SIGTERM, handler)
    except ValueError:  # not in the main thread: somebody else's process, and their signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
