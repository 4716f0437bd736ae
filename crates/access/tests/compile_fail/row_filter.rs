//! Nobody but a permit and the server's own tasks makes a row filter.

use firewarden_access::{Reach, RowFilter};

fn main() {
    let _ = RowFilter::everything();
    let _ = RowFilter::nothing();
    let _ = RowFilter::default();
    let _: RowFilter = Reach::Everything.into();
}
