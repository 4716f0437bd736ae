//! Media types: what a body is written in, and what an answer is to be written in.

use firewarden_fhir::request::Body;
use firewarden_fhir::{Issue, json, request, yaml};
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};
use serde_json::Value;

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `application/fhir+json`.
    FhirJson,
    /// `application/json`.
    Json,
    /// `text/yaml`.
    Yaml,
}

impl Form {
    /// The `Content-Type` of the answer.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::FhirJson => "application/fhir+json",
            Self::Json => "application/json",
            Self::Yaml => "text/yaml",
        }
    }

    /// The answer in this form. `text` is JSON.
    pub(crate) fn render(self, text: String) -> String {
        match self {
            Self::FhirJson | Self::Json => text,
            Self::Yaml => match json::parse(text.as_bytes()) {
                Ok(value) => yaml::to_text(&value),
                // Deeper than a client may send, a Bundle's wrapping included: JSON is YAML too.
                Err(_) => text,
            },
        }
    }
}

/// The form asked for: `_format` wins over `Accept`. `None` when none of those named is served.
pub(crate) fn asked_for(headers: &HeaderMap, query: &str) -> Option<Form> {
    let parameters = request::parse_query(query).unwrap_or_default();
    if let Some((_, format)) = parameters.iter().find(|(name, _)| name == "_format") {
        // A `+` in a query is a blank: `application/fhir+json` arrives so from many clients.
        return form(&format.replace(' ', "+"));
    }
    let mut named = false;
    for range in headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()) {
        for range in range.split(',') {
            if let Some(form) = form(range) {
                return Some(form);
            }
            named |= !range.trim().is_empty();
        }
    }
    if named { None } else { Some(Form::FhirJson) }
}

fn form(range: &str) -> Option<Form> {
    match essence(range).as_str() {
        "application/fhir+json" | "json" | "*/*" | "application/*" => Some(Form::FhirJson),
        "application/json" | "text/json" => Some(Form::Json),
        "text/yaml" | "application/yaml" | "yaml" | "application/x-yaml" | "text/*" => {
            Some(Form::Yaml)
        }
        _ => None,
    }
}

/// The type without its parameters, in lower case.
fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// What a body is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Json,
    Yaml,
    Form,
}

/// Why a body's media type is not read.
pub(crate) struct UnknownMediaType;

/// Reads a body by its `Content-Type`. One that cannot be read is a defect, told to those who may
/// do what they ask.
pub(crate) fn read_body(headers: &HeaderMap, bytes: &[u8]) -> Result<Body, UnknownMediaType> {
    let sent = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    if bytes.is_empty() {
        return Ok(Body::Empty);
    }
    Ok(match written_in(sent)? {
        Written::Json => defective_or(json::parse(bytes).map_err(|e| e.to_string())),
        Written::Yaml => defective_or(yaml::parse(bytes).map_err(|e| e.to_string())),
        Written::Form => {
            let text = str::from_utf8(bytes).unwrap_or("%");
            match request::parse_query(text) {
                Ok(parameters) => Body::Form(parameters),
                Err(defect) => Body::Defective(defect),
            }
        }
    })
}

fn written_in(sent: Option<&str>) -> Result<Written, UnknownMediaType> {
    let Some(sent) = sent else {
        return Ok(Written::Json);
    };
    let charset = sent.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"').to_ascii_lowercase();
        name.trim().eq_ignore_ascii_case("charset").then_some(value)
    });
    if !charset.is_none_or(|charset| charset == "utf-8" || charset == "us-ascii") {
        return Err(UnknownMediaType);
    }
    match essence(sent).as_str() {
        "application/fhir+json" | "application/json" | "text/json" => Ok(Written::Json),
        "text/yaml" | "application/yaml" | "application/x-yaml" => Ok(Written::Yaml),
        "application/x-www-form-urlencoded" => Ok(Written::Form),
        _ => Err(UnknownMediaType),
    }
}

fn defective_or(read: Result<Value, String>) -> Body {
    match read {
        Ok(value) => Body::Json(value),
        Err(what) => Body::Defective(Issue::error("structure", what)),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_form_asked_for_is_answered() {
        for (accept, query, expected) in [
            (None, "", Some(Form::FhirJson)),
            (Some("*/*"), "", Some(Form::FhirJson)),
            (Some("application/json"), "", Some(Form::Json)),
            (Some("text/yaml"), "", Some(Form::Yaml)),
            (Some("application/fhir+xml, application/fhir+json;q=0.9"), "", Some(Form::FhirJson)),
            (Some("application/fhir+xml"), "", None),
            (Some("application/fhir+xml"), "_format=json", Some(Form::FhirJson)),
            (None, "_format=application/fhir+json", Some(Form::FhirJson)),
            (None, "_format=yaml", Some(Form::Yaml)),
            (None, "_format=html", None),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(ACCEPT, HeaderValue::from_static(accept));
            }
            assert_eq!(asked_for(&headers, query), expected, "{accept:?} {query}");
        }
    }

    #[test]
    fn only_known_media_types_are_read() {
        let read = |content_type: &'static str, body: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            read_body(&headers, body.as_bytes()).ok()
        };
        assert!(matches!(read("application/fhir+json; charset=UTF-8", "{}"), Some(Body::Json(_))));
        assert!(matches!(read("text/yaml", "a: 1"), Some(Body::Json(_))));
        assert!(matches!(read("application/x-www-form-urlencoded", "a=b"), Some(Body::Form(_))));
        assert!(matches!(read("application/json", "{"), Some(Body::Defective(_))));
        assert!(read("multipart/form-data", "{}").is_none());
        assert!(read("application/json; charset=utf-16", "{}").is_none());
    }
}
