//! The checks of a token's claims (RFC 7519 section 4.1), with strict types.

use firewarden_fhir::Timestamp;
use serde_json::{Map, Value};

use crate::unauthenticated::{Check, Unauthenticated};

/// The last second of the year 9999, the greatest date we know.
const DATE_S_MAX: f64 = 253_402_300_799.0;

/// What an introspector demands of a token's type and claims.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Demands {
    /// `typ`, as [`media_type`] has it; otherwise that of any access token.
    pub(crate) typ: Option<String>,
    /// Our names: one of them must be in `aud`. Empty: `aud` is not compared.
    pub(crate) audiences: Vec<String>,
    /// By how many seconds clocks may differ.
    pub(crate) leeway_s: u32,
    /// How many seconds after `iat` a token ends, whatever its `exp`.
    pub(crate) age_s_max: Option<u32>,
    /// Claims that must be there and not be null.
    pub(crate) required: Vec<String>,
    /// The claim that names the user, instead of `box_user` and `sub`.
    pub(crate) user_claim: Option<String>,
}

impl Demands {
    /// Checks everything but the signature and the clock.
    pub(crate) fn check(
        &self,
        typ: Option<&str>,
        claims: &Map<String, Value>,
    ) -> Result<Times, Check> {
        self.check_type(typ)?;
        self.check_audience(claims)?;
        self.check_subjects(claims)?;
        self.check_required(claims)?;
        Times::read(claims, self.age_s_max.is_some())
    }

    /// Checks the answer of an introspection endpoint, but for the clock. What stands in it is
    /// held to what a token would be; what does not stand in it was for the endpoint to know.
    pub(crate) fn check_answer(
        &self,
        issuer: Option<&str>,
        answer: &Map<String, Value>,
    ) -> Result<Times, Check> {
        check_issuer(issuer, answer)?;
        self.check_audience(answer)?;
        self.check_subjects(answer)?;
        self.check_required(answer)?;
        Times::read_any(answer, self.age_s_max.is_some())
    }

    /// Checks the claims that name somebody, as far as they are there.
    pub(crate) fn check_subjects(&self, claims: &Map<String, Value>) -> Result<(), Check> {
        let named = ["sub", "box_user"].into_iter().chain(self.user_claim.as_deref());
        for name in named {
            subject(claims, name)?;
        }
        Ok(())
    }

    pub(crate) fn check_required(&self, claims: &Map<String, Value>) -> Result<(), Check> {
        let present = |name: &String| claims.get(name).is_some_and(|value| !value.is_null());
        if self.required.iter().all(present) { Ok(()) } else { Err(Check::RequiredClaims) }
    }

    pub(crate) fn check_type(&self, typ: Option<&str>) -> Result<(), Check> {
        let typ = typ.map(media_type);
        let fits = match (&self.typ, &typ) {
            (Some(demanded), Some(typ)) => demanded == typ,
            (Some(_), None) => false,
            (None, Some(typ)) => typ == "jwt" || typ == "at+jwt",
            (None, None) => true,
        };
        if fits { Ok(()) } else { Err(Check::Type) }
    }

    pub(crate) fn check_audience(&self, claims: &Map<String, Value>) -> Result<(), Check> {
        let held = match claims.get("aud") {
            None => &[],
            Some(one @ Value::String(_)) => std::slice::from_ref(one),
            Some(Value::Array(many)) if many.iter().all(Value::is_string) => many.as_slice(),
            Some(_) => return Err(Check::Audience),
        };
        let ours = |name: &Value| self.audiences.iter().any(|audience| name == audience);
        if self.audiences.is_empty() || held.iter().any(ours) {
            Ok(())
        } else {
            Err(Check::Audience)
        }
    }

    /// Checks a token's dates against the clock. Made again whenever a remembered token is used.
    pub(crate) fn check_times(&self, times: &Times, now: Timestamp) -> Result<(), Unauthenticated> {
        let refused = |check| Err(Unauthenticated::TokenRefused(check));
        for check in [Check::Expiry, Check::NotBefore, Check::IssuedAt, Check::Age] {
            match (check, self.date_holds(check, times, now)) {
                (_, true) => {}
                (Check::Expiry, false) => {
                    let at = times.expires_at().unwrap_or(now);
                    return Err(Unauthenticated::Expired { at });
                }
                (check, false) => return refused(check),
            }
        }
        Ok(())
    }

    /// Whether one check of a token's dates holds; there are four.
    pub(crate) fn date_holds(&self, check: Check, times: &Times, now: Timestamp) -> bool {
        let now_s = seconds(now);
        let leeway_s = f64::from(self.leeway_s);
        let passed = |date_s: f64| date_s <= now_s + leeway_s;
        if check == Check::Expiry {
            return times.expires_s.is_none_or(|expires_s| now_s < expires_s + leeway_s);
        }
        if check == Check::NotBefore {
            return times.not_before_s.is_none_or(passed);
        }
        if check == Check::IssuedAt {
            return times.issued_s.is_none_or(passed);
        }
        match (self.age_s_max, times.issued_s) {
            (Some(age_s_max), Some(issued_s)) => {
                now_s - issued_s <= f64::from(age_s_max) + leeway_s
            }
            (Some(_), None) => false,
            (None, _) => true,
        }
    }
}

/// A token's dates, in seconds since 1970.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    expires_s: Option<f64>,
    not_before_s: Option<f64>,
    issued_s: Option<f64>,
}

impl Times {
    pub(crate) fn read(claims: &Map<String, Value>, needs_age: bool) -> Result<Self, Check> {
        let times = Self::read_any(claims, needs_age)?;
        if times.expires_s.is_none() { Err(Check::Expiry) } else { Ok(times) }
    }

    /// Reads the dates of an endpoint's answer, of which none must be there.
    pub(crate) fn read_any(claims: &Map<String, Value>, needs_age: bool) -> Result<Self, Check> {
        let expires_s = date(claims, "exp", Check::Expiry)?;
        let not_before_s = date(claims, "nbf", Check::NotBefore)?;
        let issued_s = date(claims, "iat", Check::IssuedAt)?;
        if needs_age && issued_s.is_none() {
            return Err(Check::Age);
        }
        Ok(Self { expires_s, not_before_s, issued_s })
    }

    pub(crate) fn expires_at(&self) -> Option<Timestamp> {
        // A date is within the years 1970 to 9999 and has at most 12 digits before the point.
        #[expect(clippy::cast_possible_truncation, reason = "bounded by `DATE_S_MAX`")]
        let milliseconds = (self.expires_s? * 1_000.0) as i64;
        Timestamp::from_millisecond(milliseconds).ok()
    }
}

/// Checks that an endpoint's answer is of the issuer it is trusted for, if it says of which it is.
pub(crate) fn check_issuer(issuer: Option<&str>, answer: &Map<String, Value>) -> Result<(), Check> {
    match (answer.get("iss"), issuer) {
        (None, _) => Ok(()),
        (Some(Value::String(said)), Some(expected)) if said == expected => Ok(()),
        (Some(Value::String(_)), None) => Ok(()),
        (Some(_), _) => Err(Check::Issuer),
    }
}

fn seconds(at: Timestamp) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact until the year 2255")]
    let microseconds = at.as_microsecond() as f64;
    microseconds / 1e6
}

/// A `NumericDate`: a number of seconds, with a fraction or without.
fn date(claims: &Map<String, Value>, name: &str, check: Check) -> Result<Option<f64>, Check> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => number
            .as_f64()
            .filter(|seconds| (0.0..=DATE_S_MAX).contains(seconds))
            .map(Some)
            .ok_or(check),
        Some(_) => Err(check),
    }
}

/// A claim that names somebody: absent, or a text that is not blank and has no control character.
pub(crate) fn subject<'c>(
    claims: &'c Map<String, Value>,
    name: &str,
) -> Result<Option<&'c str>, Check> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text))
            if !text.trim().is_empty() && !text.contains(char::is_control) =>
        {
            Ok(Some(text))
        }
        Some(_) => Err(Check::Subject),
    }
}

/// `typ` as it is compared: without case and without `application/` (RFC 7515 section 4.1.9).
pub(crate) fn media_type(typ: &str) -> String {
    let lower = typ.to_ascii_lowercase();
    match lower.strip_prefix("application/") {
        Some(short) if !short.contains('/') => short.to_owned(),
        _ => lower,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_date_is_a_number_of_seconds() {
        for (text, expected) in [
            ("1700000000", Some(1_700_000_000.0)),
            ("1700000000.5", Some(1_700_000_000.5)),
            ("0", Some(0.0)),
            ("1.7e9", Some(1_700_000_000.0)),
            ("-1", None),
            ("1e300", None),
            ("1e400", None),
            ("253402300800", None),
            ("\"1700000000\"", None),
            ("null", None),
            ("true", None),
            ("[1]", None),
            ("{}", None),
        ] {
            let value = firewarden_fhir::json::parse(text.as_bytes()).unwrap();
            let read = date(&claims(json!({"exp": value})), "exp", Check::Expiry);
            assert_eq!(read.ok().flatten(), expected, "{text}");
        }
    }

    #[test]
    fn a_type_is_compared_as_a_media_type() {
        for (typ, expected) in [
            ("JWT", "jwt"),
            ("at+jwt", "at+jwt"),
            ("application/at+jwt", "at+jwt"),
            ("Application/AT+JWT", "at+jwt"),
            ("application/a/b", "application/a/b"),
            ("text/at+jwt", "text/at+jwt"),
        ] {
            assert_eq!(media_type(typ), expected);
        }
    }

    #[test]
    fn a_remembered_token_ends_on_time() {
        let demands = Demands { leeway_s: 5, ..Demands::default() };
        let times = demands.check(None, &claims(json!({"exp": 100.5}))).unwrap();
        let at = |milliseconds| Timestamp::from_millisecond(milliseconds).unwrap();
        assert!(demands.check_times(&times, at(105_499)).is_ok());
        assert_eq!(
            demands.check_times(&times, at(105_500)),
            Err(Unauthenticated::Expired { at: at(100_500) })
        );
    }
}
