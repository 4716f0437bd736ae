//! What cannot be written outside this crate.

#[test]
fn neither_permit_nor_row_filter_is_made_outside() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
