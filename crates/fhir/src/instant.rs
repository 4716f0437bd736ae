//! FHIR's partial dates, and the stretch of time that each of them names.

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan};

/// A stretch of time, half open, in microseconds since 1970-01-01T00:00:00Z: what a date of
/// some precision names (<https://hl7.org/fhir/R4/search.html#date>). `2013` is the whole year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimeRange {
    /// The first microsecond of it.
    pub low_us: i64,
    /// The first microsecond after it.
    pub high_us: i64,
}

impl TimeRange {
    /// The earliest beginning: of a Period without `start`.
    pub const LOW_US_MIN: i64 = i64::MIN;
    /// The latest end: of a Period without `end`.
    pub const HIGH_US_MAX: i64 = i64::MAX;

    /// The stretch that a `date`, `dateTime` or `instant` names: `2013`, `2013-01`,
    /// `2013-01-14`, `2013-01-14T10:00Z`, with seconds and a fraction. A time without a zone,
    /// which only searches may carry, is UTC, and so is a date. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once('T') {
            None => Self::of_date(text),
            Some((date, time)) => Self::of_time(date, time),
        }
    }

    fn of_date(text: &str) -> Option<Self> {
        let date = |y: &str, m: &str, d: &str| {
            Date::new(digits(y, 4)?.try_into().ok()?, short(m)?, short(d)?).ok()
        };
        let mut parts = text.split('-');
        let (first, next) = match (parts.next()?, parts.next(), parts.next(), parts.next()) {
            (y, None, None, None) => {
                let first = date(y, "01", "01")?;
                (first, first.checked_add(1.year()))
            }
            (y, Some(m), None, None) => {
                let first = date(y, m, "01")?;
                (first, first.checked_add(1.month()))
            }
            (y, Some(m), Some(d), None) => {
                let first = date(y, m, d)?;
                (first, first.checked_add(1.day()))
            }
            _ => return None,
        };
        let high_us = next.ok().and_then(midnight_us).unwrap_or(Self::HIGH_US_MAX);
        Some(Self { low_us: midnight_us(first)?, high_us })
    }

    fn of_time(date: &str, time: &str) -> Option<Self> {
        let day = Self::of_date(date).filter(|_| date.len() == 10)?;
        let zone_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
        let (clock, zone) = time.split_at_checked(zone_at)?;
        let (clock, fraction) = match clock.split_once('.') {
            Some((clock, fraction)) => (clock, Some(fraction)),
            None => (clock, None),
        };
        let mut parts = clock.split(':');
        let hour = digits(parts.next()?, 2).filter(|h| *h < 24)?;
        let minute = digits(parts.next()?, 2).filter(|m| *m < 60)?;
        // A leap second is a time that FHIR allows; it reads as the last second of its minute.
        let second = parts
            .next()
            .map(|s| digits(s, 2).filter(|s| *s <= 60))
            .map_or(Some(None), |s| s.map(Some))?;
        if parts.next().is_some() || (fraction.is_some() && second.is_none()) {
            return None;
        }
        let (fraction_us, precision_us) = match (second, fraction) {
            (None, _) => (0, 60_000_000),
            (Some(_), None) => (0, 1_000_000),
            (Some(_), Some(fraction)) => fraction_us(fraction)?,
        };
        let second_of_day = hour * 3600 + minute * 60 + second.unwrap_or(0).min(59);
        let low_us =
            day.low_us + second_of_day * 1_000_000 + fraction_us - zone_offset_s(zone)? * 1_000_000;
        Some(Self { low_us, high_us: low_us + precision_us })
    }

    /// The stretch of one instant as this server writes it, of a millisecond.
    pub fn of_instant(at: Timestamp) -> Self {
        let low_us = at.as_millisecond() * 1_000;
        Self { low_us, high_us: low_us + 1_000 }
    }
}

/// An instant as this server writes it: UTC, with milliseconds.
pub fn instant_text(at: Timestamp) -> String {
    let utc = Offset::UTC.to_datetime(at);
    let (date, time) = (utc.date(), utc.time());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        date.year(),
        date.month(),
        date.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.millisecond(),
    )
}

fn midnight_us(date: Date) -> Option<i64> {
    Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok().map(Timestamp::as_microsecond)
}

fn digits(text: &str, count: usize) -> Option<i64> {
    let plain = text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

fn short(text: &str) -> Option<i8> {
    digits(text, 2)?.try_into().ok()
}

/// A fraction of a second, cut at microseconds, and what its last digit stands for.
fn fraction_us(text: &str) -> Option<(i64, i64)> {
    if text.is_empty() || text.len() > 9 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let kept: String = text.chars().chain("000000".chars()).take(6).collect();
    let precision = (0..6usize.saturating_sub(text.len())).fold(1, |us, _| us * 10);
    Some((kept.parse().ok()?, precision))
}

fn zone_offset_s(zone: &str) -> Option<i64> {
    if zone.is_empty() || zone == "Z" {
        return Some(0);
    }
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let hours = digits(hours, 2).filter(|h| *h <= 14)?;
    let minutes = digits(minutes, 2).filter(|m| *m < 60)?;
    Some(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str) -> Option<(String, i64)> {
        let range = TimeRange::parse(text)?;
        let low = Timestamp::from_microsecond(range.low_us).unwrap();
        Some((instant_text(low), (range.high_us - range.low_us) / 1_000))
    }

    #[test]
    fn each_precision_names_its_stretch() {
        for (text, low, length_ms) in [
            ("2013", "2013-01-01T00:00:00.000Z", 365 * 86_400_000),
            ("2012-02", "2012-02-01T00:00:00.000Z", 29 * 86_400_000),
            ("2013-01-14", "2013-01-14T00:00:00.000Z", 86_400_000),
            ("2013-01-14T10:00", "2013-01-14T10:00:00.000Z", 60_000),
            ("2013-01-14T10:00:05+02:00", "2013-01-14T08:00:05.000Z", 1_000),
            ("2013-01-14T10:00:05.5-05:30", "2013-01-14T15:30:05.500Z", 100),
            ("2013-01-14T10:00:05.123Z", "2013-01-14T10:00:05.123Z", 1),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.000Z", 1_000),
        ] {
            assert_eq!(span(text), Some((low.to_owned(), length_ms)), "{text}");
        }
    }

    #[test]
    fn other_texts_name_none() {
        for text in [
            "",
            "13",
            "2013-1",
            "2013-13",
            "2013-02-30",
            "2013-01-14T",
            "2013-01T10:00",
            "20130114",
            "2013-01-14T24:00",
            "2013-01-14T10",
            "2013-01-14T10:00:00.Z",
            "2013-01-14 10:00",
            "2013-01-14T10:00Zjunk",
            "２０１３",
            "-2013",
            "2013-01-14T10:00+15:00",
        ] {
            assert_eq!(TimeRange::parse(text), None, "{text}");
        }
    }
}
