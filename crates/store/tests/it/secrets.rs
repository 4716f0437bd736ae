//! Secrets: sealed, kept apart, replaced and removed with their resource.

use firewarden_fhir::IfMatch;
use firewarden_store::{SecretChange, Store, Write, WriteError};
use zeroize::Zeroizing;

use crate::opened::*;

fn set(pointer: &str, secret: &str) -> (String, SecretChange) {
    (pointer.to_owned(), SecretChange::Set(Zeroizing::new(secret.as_bytes().to_vec())))
}

fn keep(pointer: &str) -> (String, SecretChange) {
    (pointer.to_owned(), SecretChange::Keep)
}

fn client(secrets: Vec<(String, SecretChange)>) -> Write {
    put_with("Client/c", r#"{"secret":"***"}"#, IfMatch::Any, secrets)
}

async fn unsealed(store: &Store) -> Vec<String> {
    let secrets = store.secrets(&target("Client/c"), &everything()).await.unwrap();
    let text = |secret: &[u8]| String::from_utf8(secret.to_vec()).unwrap();
    secrets.iter().map(|(pointer, secret)| format!("{pointer}={}", text(secret))).collect()
}

#[tokio::test]
async fn secrets_are_set_kept_replaced_and_removed() {
    let Opened { store, .. } = &open();
    for (secrets, then) in [
        (vec![set("/secret", "one"), set("/k", "two")], vec!["/k=two", "/secret=one"]),
        (vec![keep("/secret"), keep("/k")], vec!["/k=two", "/secret=one"]),
        (vec![keep("/secret"), set("/k", "three")], vec!["/k=three", "/secret=one"]),
        (vec![keep("/k")], vec!["/k=three"]),
    ] {
        write(store, vec![client(secrets)]).await.unwrap();
        assert_eq!(unsealed(store).await, then);
    }
    let missing = write(store, vec![client(vec![keep("/secret")])]).await.unwrap_err();
    assert!(
        matches!(&missing, WriteError::NoSuchSecret { index: 0, pointer } if pointer == "/secret")
    );
    assert_eq!(unsealed(store).await, ["/k=three"]);
    assert!(store.secrets(&target("Client/c"), &nothing()).await.unwrap().is_empty());
    write(store, vec![delete("Client/c")]).await.unwrap();
    assert_eq!(unsealed(store).await, [""; 0]);
    assert!(write(store, vec![client(vec![keep("/k")])]).await.is_err());
}

#[tokio::test]
async fn no_file_holds_a_secret_in_the_clear() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_in(folder.path()).unwrap();
    let canary = "a-canary-that-must-not-be-found";
    write(&store, vec![client(vec![set("/secret", canary)])]).await.unwrap();
    write(&store, vec![client(vec![keep("/secret")])]).await.unwrap();
    for file in std::fs::read_dir(folder.path().join("data")).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(canary.len()).any(|part| part == canary.as_bytes()));
    }
}
