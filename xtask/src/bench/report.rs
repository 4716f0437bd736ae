//! The one table, as Markdown.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::load::Sample;
use super::run::{Figures, Workload};

const START_MS_MAX: f64 = 300.0;
const IDLE_MB_MAX: f64 = 60.0;
const BINARY_MB_MAX: f64 = 40.0;
/// Around the table in a page.
const BEGIN: &str = "<!-- bench: begin -->\n";
const END: &str = "<!-- bench: end -->\n";

/// Server, bare handler, their ratio and our mark, line by line.
pub(super) fn table(figures: &Figures, machine: &str) -> String {
    let mut table = Table::default();
    for workload in &figures.workloads {
        table.workload(workload);
    }
    let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
    table.figure("load in transactions of 110, resources/s", figures.loaded_per_second, None);
    table.figure("start-up on a fresh database, ms", ms(figures.first_start), None);
    table.figure("start-up on the loaded database, ms", ms(figures.start), Some(START_MS_MAX));
    table.figure("idle memory, MB", figures.idle_mb, Some(IDLE_MB_MAX));
    table.figure("peak memory, MB", figures.peak_mb, None);
    table.figure("binary, MB", figures.binary_mb, Some(BINARY_MB_MAX));
    format!("{machine}\n\n{}", table.text)
}

/// Replaces the table in the page; a page without one gets it at its end.
pub(super) fn write(page: &Path, table: &str) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(page).unwrap_or_else(|_| "# Benchmarks\n\n".to_owned());
    std::fs::write(page, replaced(&text, table)).with_context(|| page.display().to_string())
}

fn replaced(text: &str, table: &str) -> String {
    let around = text.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    let (before, after) = around.unwrap_or((text, ""));
    format!("{before}{BEGIN}{table}{END}{after}")
}

struct Table {
    text: String,
}

impl Default for Table {
    fn default() -> Self {
        let text = "| | Firewarden | bare axum | ratio | mark |\n|---|---:|---:|---:|---|\n";
        Self { text: text.to_owned() }
    }
}

impl Table {
    fn workload(&mut self, workload: &Workload) {
        let name = format!("{}, {} connections", workload.name, workload.connections);
        let (server, bare) = (&workload.server, &workload.bare);
        let mark = workload.creates_per_second_min.map(Mark::AtLeast);
        self.pair(&format!("{name}: requests/s"), server.per_second(), bare.per_second(), mark);
        let latency = |sample: &Sample, per_cent| f64::from(sample.percentile_us(per_cent));
        self.pair("… p50, µs", latency(server, 50), latency(bare, 50), None);
        self.pair("… p99, µs", latency(server, 99), latency(bare, 99), None);
        self.pair(
            "… processor time of one request, µs",
            workload.server_processor_us,
            workload.bare_processor_us,
            None,
        );
    }

    fn pair(&mut self, name: &str, server: f64, bare: f64, mark: Option<Mark>) {
        let ratio = format!("{:.2}", server / bare.max(f64::EPSILON));
        self.row(name, server, &number(bare), &ratio, mark);
    }

    fn figure(&mut self, name: &str, value: f64, at_most: Option<f64>) {
        self.row(name, value, "", "", at_most.map(Mark::AtMost));
    }

    fn row(&mut self, name: &str, value: f64, bare: &str, ratio: &str, mark: Option<Mark>) {
        let mark = mark.map_or(String::new(), |mark| mark.judged(value));
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "| {name} | {} | {bare} | {ratio} | {mark} |", number(value));
    }
}

enum Mark {
    AtLeast(f64),
    AtMost(f64),
}

impl Mark {
    fn judged(&self, value: f64) -> String {
        let (sign, limit, met) = match self {
            Self::AtLeast(limit) => ("≥", limit, value >= *limit),
            Self::AtMost(limit) => ("≤", limit, value <= *limit),
        };
        format!("{sign} {}, {}", number(*limit), if met { "met" } else { "**missed**" })
    }
}

/// Whole numbers with thousands apart; one digit more below ten.
fn number(value: f64) -> String {
    if value < 10.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable_and_marks_are_judged() {
        for (value, text) in
            [(0.25, "0.2"), (9.96, "10.0"), (999.0, "999"), (1_234_567.0, "1,234,567")]
        {
            assert_eq!(number(value), text);
        }
        assert_eq!(Mark::AtLeast(2_000.0).judged(2_500.0), "≥ 2,000, met");
        assert_eq!(Mark::AtMost(60.0).judged(61.0), "≤ 60, **missed**");
    }

    #[test]
    fn the_table_in_a_page_is_replaced() {
        let page = replaced("# Benchmarks\n\n", "old\n");
        assert_eq!(page, format!("# Benchmarks\n\n{BEGIN}old\n{END}"));
        assert_eq!(replaced(&format!("{page}after\n"), "new\n").matches("old").count(), 0);
        assert!(replaced(&format!("{page}after\n"), "new\n").ends_with("after\n"));
    }
}
