"""``pvl batch``: code a corpus of any size."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from extractor.cli.destination import check_folder
from extractor.cli.options import Patterns, ServiceDate, Sources, reads_sources, rule_book, service_day
from extractor.cli.outcome import FAILED, STOPPED, complain, reported
from extractor.files import BatchFormat
from extractor.terminal import printable

if TYPE_CHECKING:
    from datetime import date

    from extractor.batch import Job
    from extractor.readers import Options


class Engine(StrEnum):
    """What runs over a corpus."""

    local = "local"
    spark = "spark"


@reads_sources
def batch(
    sources: Sources,
    *,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", help="Folder for the results; made if it is not there."),
    ],
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            metavar="N",
            help="Processes that code notes; the results are the same for any number.",
            show_default="one for each processor",
        ),
    ] = None,
    form: Annotated[
        BatchFormat,
        typer.Option("--format", help="Form of the tables; the worklist and the errors are always csv."),
    ] = BatchFormat.parquet,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was stopped; the results are the same.")
    ] = False,
    time_limit: Annotated[
        float,
        typer.Option("--time-limit", min=0.1, metavar="SECONDS", help="Time that one note may take."),
    ] = 60.0,
    options: Options,
    service_date: ServiceDate = None,
    patterns: Patterns = None,
    engine: Annotated[
        Engine,
        typer.Option(
            "--engine",
            help="spark: tables by a cluster, from files with a note a row; needs the group spark.",
        ),
    ] = Engine.local,
    master: Annotated[
        str | None,
        typer.Option("--master", metavar="URL", help="For spark: the cluster, or local[N] for this machine."),
    ] = None,
) -> None:
    """Code a corpus of any size: tables, a worklist, errors and a report, in a folder.

    A run that was stopped goes on with --resume. A note that hangs or breaks a worker costs only itself.
    """
    from extractor.batch import Job

    day = service_day(service_date)
    check_folder(out, sources)
    if engine is Engine.spark:
        if resume or form is not BatchFormat.parquet or workers is not None:
            raise typer.BadParameter("--engine spark takes no --resume, --workers or --format but parquet")
        _run_spark(sources, out, master, options, patterns, time_limit, day)
        return
    if master is not None:
        raise typer.BadParameter("--master is for --engine spark")
    job = Job(tuple(sources), out, form, workers or os.cpu_count() or 1, time_limit, resume, options, day)
    _run_local(job, patterns)


def _run_local(job: Job, patterns: Path | None) -> None:
    from extractor.batch import run
    from extractor.output import summary
    from extractor.progress import Progress

    try:
        with reported(), Progress(job.sources, sys.stderr) as progress:
            report = run(job, rule_book(patterns), progress)
    except KeyboardInterrupt:
        complain("stopped; the same command with --resume goes on from here")
        raise typer.Exit(STOPPED) from None
    except OSError as error:
        problem = f"cannot be written ({error.strerror or type(error).__name__})"
        complain(f"{job.out}: {problem}; the same command with --resume goes on")
        raise typer.Exit(FAILED) from None
    told = summary(report.statuses, report.failed)
    typer.echo(f"{told}; see {printable(str(job.out / 'report.html'))}", err=True)
    if report.failed:
        raise typer.Exit(FAILED)


def _run_spark(
    sources: list[str],
    out: Path,
    master: str | None,
    options: Options,
    patterns: Path | None,
    time_limit: float,
    day: date | None,
) -> None:
    from importlib.util import find_spec
    from shutil import which

    from extractor.output import summary

    if out.exists() and any(out.iterdir()):
        raise typer.BadParameter(f"{printable(str(out))} is not empty: name another folder")
    if find_spec("pyspark") is None:
        raise typer.BadParameter(
            "--engine spark needs the group spark: in the folder of pvl, pip install '.[spark]'"
        )
    if which("java") is None and "JAVA_HOME" not in os.environ:
        raise typer.BadParameter(
            "--engine spark needs Java 17 or later: put java on the path, or set JAVA_HOME"
        )
    from extractor.spark import run

    rules = rule_book(patterns) if patterns else None
    with reported():
        statuses = run(sources, out, master or "local[*]", options, rules, time_limit, day)
    failed = statuses.pop("failed")
    typer.echo(f"{summary(statuses, failed)}; see {printable(str(out))}", err=True)
    if failed:
        raise typer.Exit(FAILED)
