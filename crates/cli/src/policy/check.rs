//! `firewarden policy check`: what a server would refuse or doubt about policies.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::builder::PathBufValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};
use firewarden_access::lint;

use super::files::{self, PolicyInFile};

const EXAMPLES: &str = "\
Examples:
  firewarden policy check policies.yaml
  firewarden policy check --deny-warnings policies/*.yaml

A file holds one AccessPolicy, a list of them, or a Bundle, in JSON or YAML. The exit code is 1 when
a server would refuse one of them, or, with --deny-warnings, doubt one. Whether an issuer that a
policy names is trusted is told by the server when the policy is saved.";

pub(crate) fn command() -> Command {
    let files = Arg::new("FILE").required(true).num_args(1..).help("Files with policies");
    let files = files.value_parser(PathBufValueParser::new());
    let strict = Arg::new("DENY_WARNINGS").long("deny-warnings").action(ArgAction::SetTrue);
    let strict = strict.help("Fails on warnings as on errors");
    let command = Command::new("check").about("Tells what is wrong or doubtful about policies");
    command.after_help(EXAMPLES).arg(files).arg(strict)
}

/// How many there were of each.
#[derive(Default)]
struct Counted {
    policies: usize,
    errors: usize,
    warnings: usize,
}

pub(crate) fn run(arguments: &ArgMatches) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let mut counted = Counted::default();
    for path in arguments.get_many::<PathBuf>("FILE").into_iter().flatten() {
        match files::read(path) {
            Ok(policies) => {
                for policy in policies {
                    tell(path, &policy, &mut counted, &mut out)?;
                }
            }
            Err(error) => {
                counted.errors += 1;
                writeln!(out, "error: {error:#}")?;
            }
        }
    }
    let Counted { policies, errors, warnings } = counted;
    writeln!(out, "{policies} policies, {errors} errors, {warnings} warnings")?;
    if errors > 0 {
        bail!("a server would refuse what is told above");
    }
    if warnings > 0 && arguments.get_flag("DENY_WARNINGS") {
        bail!("there are warnings, which --deny-warnings does not let pass");
    }
    Ok(())
}

fn tell(
    path: &Path,
    policy: &PolicyInFile,
    counted: &mut Counted,
    out: &mut impl Write,
) -> std::io::Result<()> {
    counted.policies += 1;
    let place = format!("{}: {}", path.display(), policy.name);
    match lint(&policy.content) {
        Ok(findings) => {
            counted.warnings += findings.len();
            for finding in findings {
                let rule = finding.rule.name();
                writeln!(out, "{place}: warning[{rule}] at {}", finding.place)?;
                writeln!(out, "  {}", finding.told)?;
                for (word, part) in [("example", finding.example), ("remedy", finding.remedy)] {
                    if let Some(part) = part {
                        writeln!(out, "  {word}: {part}")?;
                    }
                }
            }
        }
        Err(issues) => {
            counted.errors += issues.len();
            for issue in issues {
                let at = issue.expression.as_deref().unwrap_or("AccessPolicy");
                writeln!(out, "{place}: error[{}] at {at}", issue.code)?;
                writeln!(out, "  {}", issue.diagnostics)?;
            }
        }
    }
    Ok(())
}
