//! That no server outlives the tests it was started for.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use super::durable;

const HOLDER: &str = "postgres::endings::postgres_is_held_until_standard_input_closes";

#[test]
fn a_cluster_ends_when_it_and_its_standbys_are_dropped() {
    let Some(primary) = durable() else { return };
    let standby = primary.standby();
    let (folder, addresses) = (primary.folder().to_owned(), [primary.address(), standby.address()]);
    assert!(folder.is_dir());
    drop(primary);
    assert!(TcpStream::connect(addresses[0]).is_ok());
    drop(standby);
    assert!(addresses.iter().all(|address| TcpStream::connect(address).is_err()));
    assert!(!folder.exists());
}

#[test]
#[ignore = "run by the test below, in a process of its own"]
fn postgres_is_held_until_standard_input_closes() {
    let Some(cluster) = durable() else { return };
    println!("held {} {}", cluster.address(), cluster.folder().display());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    // As a test that fails where nothing is dropped.
    std::process::exit(3);
}

#[test]
fn a_cluster_ends_with_its_program_however_that_ends() {
    if durable().is_none() {
        return;
    }
    for is_killed in [false, true] {
        let mut holder = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", HOLDER, "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(holder.stdout.take().unwrap());
        let held = said.lines().map(Result::unwrap).find_map(|line| {
            let (address, folder) = line.split_once("held ")?.1.split_once(' ')?;
            Some((address.parse::<SocketAddr>().unwrap(), folder.to_owned()))
        });
        let (address, folder) = held.unwrap();
        assert!(TcpStream::connect(address).is_ok());
        assert!(Path::new(&folder).is_dir());

        if is_killed {
            holder.kill().unwrap();
        }
        drop(holder.stdin.take());
        // The supervisor holds it until it is done.
        holder.stderr.take().unwrap().read_to_end(&mut Vec::new()).unwrap();
        assert!(TcpStream::connect(address).is_err());
        assert!(!Path::new(&folder).exists());
        assert_eq!(holder.wait().unwrap().code(), (!is_killed).then_some(3));
    }
}
