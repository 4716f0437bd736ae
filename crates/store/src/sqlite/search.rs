//! Searches.

use firewarden_access::RowFilter;
use firewarden_fhir::search::SearchQuery;

use super::dictionary::Dictionary;
use super::pool::Reading;
use crate::{SearchPage, StoreError};

pub(crate) fn search(
    _reading: &Reading<'_>,
    _dictionary: &Dictionary,
    _query: &SearchQuery,
    _rows: &RowFilter,
) -> Result<SearchPage, StoreError> {
    Err(StoreError::Unavailable("searches come next".into()))
}
