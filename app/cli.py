"""The command line: nouns, then verbs. Heavy libraries are imported inside the commands."""

from __future__ import annotations

import os
import signal
import sys

import typer

from annotation.secrets import guard, redact, redacted_traceback
from app.commands import (
    annotation,
    dashboard,
    data,
    demo,
    evaluation,
    experiment,
    report,
    student,
    teacher,
)
from relevance.errors import GradewiseError

app = typer.Typer(
    name="gradewise",
    help="Turns human grades into decisions about search.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.add_typer(data.app, name="data")
app.add_typer(annotation.app, name="annotation")
app.add_typer(teacher.app, name="teacher")
app.add_typer(student.app, name="student")
app.add_typer(evaluation.app, name="evaluation")
app.add_typer(experiment.app, name="experiment")
app.add_typer(report.app, name="report")
app.command("dashboard")(dashboard.dashboard)


def main() -> None:
    """Runs the command line.

    Exit codes: 0 ok · 1 user error · 2 usage · 3 a gate said no · 130 interrupted.
    """
    guard()
    # As Ctrl-C: what was started (a server, threads, temporary files) is ended, not left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except GradewiseError as error:
        if os.environ.get("GRADEWISE_TRACEBACK"):
            print(redacted_traceback(error), end="", file=sys.stderr)
        else:
            print(f"gradewise: {redact(str(error))}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("gradewise: interrupted; run the same command again to resume", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except Exception as error:  # noqa: BLE001 - typer's own hook would print it as it is
        print(redacted_traceback(error), end="", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
