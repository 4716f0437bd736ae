//! The checks of a token's claims, each with what was expected and what is said.

use firewarden_fhir::Timestamp;
use serde_json::{Map, Value};

use super::{Checks, shown};
use crate::claims::{Demands, Times, check_issuer};
use crate::unauthenticated::Check;
use crate::unverified::Unverified;

/// Checks a JWT's `typ` and claims.
pub(super) fn of_jwt(
    demands: &Demands,
    token: &Unverified<'_>,
    now: Timestamp,
    checks: &mut Checks,
) {
    let typ = token.header.typ.as_deref();
    let expected = demands.typ.as_deref().map_or("absent, `JWT` or `at+jwt`".to_owned(), quoted);
    let said = typ.map_or("nothing".to_owned(), quoted);
    let told = format!("`typ` is {expected}; the token says {said}");
    checks.add_result(Check::Type, demands.check_type(typ), told);
    claims(demands, &token.claims, checks);
    let times = Times::read(&token.claims, demands.age_s_max.is_some());
    dates(demands, &token.claims, times, now, checks);
}

/// Checks whose token an endpoint says it is.
pub(super) fn issuer_of_answer(
    expected: Option<&str>,
    is_anothers: bool,
    answer: &Map<String, Value>,
    checks: &mut Checks,
) {
    let said = shown(answer.get("iss"));
    let told = match expected {
        Some(expected) => format!("`iss` is {} or absent; it is {said}", quoted(expected)),
        None if is_anothers => format!(
            "`jwt.iss` is not set; the answer says {said}, which another introspector has: `session.iss` is left out"
        ),
        None => format!("`jwt.iss` is not set: any `iss` is accepted; it is {said}"),
    };
    checks.add_result(Check::Issuer, check_issuer(expected, answer), told);
}

/// Checks the claims of an endpoint's answer.
pub(super) fn of_answer(
    demands: &Demands,
    answer: &Map<String, Value>,
    now: Timestamp,
    checks: &mut Checks,
) {
    claims(demands, answer, checks);
    let times = Times::read_any(answer, demands.age_s_max.is_some());
    dates(demands, answer, times, now, checks);
}

/// Checks what is not a date.
fn claims(demands: &Demands, claims: &Map<String, Value>, checks: &mut Checks) {
    let told = match demands.audiences.as_slice() {
        [] => "`jwt.aud` is not set: any `aud` is accepted".to_owned(),
        ours => {
            let ours: Vec<String> = ours.iter().map(|name| quoted(name)).collect();
            let said = shown(claims.get("aud"));
            format!("`aud` holds {}; the token says {said}", ours.join(" or "))
        }
    };
    checks.add_result(Check::Audience, demands.check_audience(claims), told);
    let names = ["sub", "box_user"].into_iter().chain(demands.user_claim.as_deref());
    let names = names.filter(|name| claims.contains_key(*name));
    let said: Vec<String> =
        names.map(|name| format!("`{name}` {}", shown(claims.get(name)))).collect();
    let said = if said.is_empty() { "nothing".to_owned() } else { said.join(", ") };
    let told = format!("who is named is a text that is not blank; the token says {said}");
    checks.add_result(Check::Subject, demands.check_subjects(claims), told);
    if !demands.required.is_empty() {
        let absent = |name: &&String| claims.get(*name).is_none_or(Value::is_null);
        let absent: Vec<String> =
            demands.required.iter().filter(absent).map(|name| quoted(name)).collect();
        let told = format!("`jwt.required_claims`: {} of them missing", absent.len());
        let told = if absent.is_empty() { told } else { format!("{told}: {}", absent.join(", ")) };
        checks.add_result(Check::RequiredClaims, demands.check_required(claims), told);
    }
}

fn dates(
    demands: &Demands,
    claims: &Map<String, Value>,
    times: Result<Times, Check>,
    now: Timestamp,
    checks: &mut Checks,
) {
    let times = match times {
        Ok(times) => times,
        Err(check) => {
            let name = if check == Check::Age { "iat" } else { check.label() };
            let said = shown(claims.get(name));
            let told = format!("`{name}` is a number of seconds since 1970; the token says {said}");
            checks.add_result(check, Err(check), told);
            return;
        }
    };
    for (check, name) in [
        (Check::Expiry, "exp"),
        (Check::NotBefore, "nbf"),
        (Check::IssuedAt, "iat"),
        (Check::Age, "iat"),
    ] {
        let Some(date_s) = claims.get(name).and_then(Value::as_f64) else {
            continue;
        };
        let limit = match (check == Check::Age, demands.age_s_max) {
            (true, None) => continue,
            (true, Some(most)) => format!("; `jwt.max_age` is {most} s"),
            (false, _) => String::new(),
        };
        let holds = demands.date_holds(check, &times, now);
        let told = format!(
            "`{name}` is {}, {}{limit}; `jwt.leeway` is {} s",
            written(date_s),
            distance(date_s, now),
            demands.leeway_s
        );
        checks.add(check.label(), holds, told);
    }
}

fn quoted(text: &str) -> String {
    shown(Some(&Value::from(text)))
}

fn written(date_s: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "a date that was read is bounded")]
    let at = Timestamp::from_second(date_s as i64);
    at.map_or_else(|_| date_s.to_string(), |at| at.to_string())
}

/// How far a date is from now.
fn distance(date_s: f64, now: Timestamp) -> String {
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact in it")]
    let ahead_s = date_s - now.as_second() as f64;
    if ahead_s < 0.0 {
        format!("{:.0} s ago", -ahead_s)
    } else {
        format!("{ahead_s:.0} s from now")
    }
}
