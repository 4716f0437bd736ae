//! Nobody but `decide` and the server's own tasks makes a permit.

use firewarden_access::{Permitted, PermittedRows, SystemTask};
use firewarden_fhir::Interaction;

fn main() {
    let task = SystemTask::Bootstrap;
    let forged = Permitted { interaction: Interaction::UserInfo };
    let widened = PermittedRows { own_type: None };
    let _ = Permitted::of_task(Interaction::UserInfo, task);
    let _ = Permitted::default();
    let _: Option<Permitted> = Some(Interaction::UserInfo.into());
    let _ = (forged.clone(), widened.clone());
}
