//! The reach of a row filter is not written by hand.

use firewarden_access::{Reach, RowFilter};

fn main() {
    let _ = RowFilter { rows: Reach::Everything };
}
