//! The store on PostgreSQL: the rules of `sql` policies.

#[cfg_attr(not(test), expect(dead_code, reason = "the store is opened on SQLite alone so far"))]
pub(crate) mod policies;
