"""The commands `rule` and `rules`."""

from __future__ import annotations

import click

from ..completion import one_rule
from ..rules import all_rules, rule_by_code

_HELP = {"help_option_names": ["-h", "--help"]}


@click.command(context_settings=_HELP)
@click.argument("code", metavar="CODE", shell_complete=one_rule)
def rule(code: str) -> None:
    """Explain the rule with this CODE or name: why it matters, examples, the fix."""
    from ..reference import print_rule

    print_rule(rule_by_code(code))


@click.command(context_settings=_HELP)
@click.option(
    "--output-format",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    show_default=True,
    help="The format of the list.",
)
@click.option("--markdown", is_flag=True, help="Same as --output-format markdown.")
def rules(output_format: str, markdown: bool) -> None:
    """List all rules: code, name, severity, and what each one reports."""
    from .. import reference

    output_format = "markdown" if markdown else output_format
    write = {
        "text": reference.print_index,
        "markdown": reference.print_table,
        "json": reference.print_json,
    }
    write[output_format](all_rules())
