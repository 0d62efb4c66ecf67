"""``pvl rules``: check the rules, try them on a sentence, see what a change of them changes."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from extractor.cli.destination import open_output
from extractor.cli.options import Patterns, Sources, Workers, reads_sources, rule_book
from extractor.cli.outcome import FAILED, Errors, reported, tell
from extractor.errors import InputError

if TYPE_CHECKING:
    from extractor.evaluate import Gold
    from extractor.readers import Note, Options

app = typer.Typer(no_args_is_help=True, help="Check the rules in patterns/, or try them on a sentence.")


class ImpactFormat(StrEnum):
    """Forms in which the impact of a change is written."""

    text = "text"
    jsonl = "jsonl"


@app.command("check")
@reads_sources
def check_rules(
    *,
    notes: Annotated[
        list[str] | None,
        typer.Option(
            "--notes", metavar="PATH", help="Report rules that no note here uses; may be given again."
        ),
    ] = None,
    patterns: Patterns = None,
    options: Options,
) -> None:
    """Run every rule's own examples, and report phrases that two rules claim."""
    from extractor.readers import read
    from extractor.workbench import check

    errors = Errors()
    report = check(rule_book(patterns), read(notes or [], errors, options))
    for failure in report.failures:
        tell(f"{failure.rule}: {failure.list} example does not hold: {failure.example}")
        tell(f"    {failure.problem}")
    for duplicate in report.duplicates:
        tell(f"phrase “{duplicate.phrase}” ({duplicate.kind}) is claimed by {', '.join(duplicate.rules)}")
    if report.unused:
        tell(f"used by none of {report.notes} notes ({len(report.unused)}): {', '.join(report.unused)}")
    failed, double = len(report.failures), len(report.duplicates)
    tell(f"{report.rules} rules, {report.examples} examples, {failed} failed, {double} double phrases")
    if failed or errors.count:
        raise typer.Exit(FAILED)


@app.command("try")
def try_rules(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Any sentence, in quotes.", show_default=False)],
    patterns: Patterns = None,
) -> None:
    """Show which rules match a sentence, where and why."""
    from extractor.workbench import try_text

    matches = try_text(text, rule_book(patterns))
    for match in matches:
        tell(f"{match.start}-{match.end}  {match.text}")
        tell(f"    {match.rule}" + (f"  ({match.means})" if match.means else ""))
        tell(f"    by {match.why}; source: {match.source}")
    if not matches:
        tell("no rule matches")


@app.command("impact")
@reads_sources
def show_impact(
    corpus: Sources,
    *,
    against: Annotated[
        str,
        typer.Option(
            "--against",
            metavar="REV|FILE",
            help="The old rules: a git revision, a folder or zip file of pattern files, or one pattern "
            "file that stands in for its namesake.",
        ),
    ] = "HEAD",
    patterns: Patterns = None,
    form: Annotated[
        ImpactFormat,
        typer.Option("--format", help="text for reading, jsonl for every change with its places."),
    ] = ImpactFormat.text,
    workers: Workers = 1,
    fail_on_loss: Annotated[
        bool, typer.Option("--fail-on-loss", help="Exit with status 1 when a labelled note got worse.")
    ] = False,
    options: Options,
) -> None:
    """Show which notes a change of the rules changes, from what to what and by which rule.

    Only rules are compared: the old ones and those of the pattern folder, both read by the code of today.
    Notes with gold labels also show whether they went from right to wrong or from wrong to right.
    """
    from extractor import impact
    from extractor.revisions import complete, other_rules
    from extractor.rules import patterns_dir
    from extractor.terminal import console

    errors = Errors()
    folder = patterns or patterns_dir()
    with reported():
        new = complete(rule_book(patterns), str(folder))
        old = other_rules(against, folder)
    totals = impact.total(impact.compare(_labelled(corpus, errors, options), old, new, workers))
    edited = impact.edited_rules(old, new)
    with open_output(None, exact=form is ImpactFormat.jsonl) as stream:
        if form is ImpactFormat.jsonl:
            stream.writelines(impact.jsonl(totals, edited, old, new))
        else:
            impact.print_impact(totals, edited, old, new, console(stream))
    if errors.count:
        typer.echo(f"{totals.notes} notes compared, {errors.count} inputs failed", err=True)
    if errors.count or (fail_on_loss and totals.worse):
        raise typer.Exit(FAILED)


def _labelled(paths: list[str], errors: Errors, options: Options) -> Iterator[tuple[Note, Gold | None]]:
    """Notes with their labels; one that is not usable is reported, and its note compared without."""
    from extractor.evaluate import notes_with_labels

    for note, gold in notes_with_labels(paths, errors, options):
        if isinstance(gold, InputError):
            errors(gold)
            gold = None
        yield note, gold
