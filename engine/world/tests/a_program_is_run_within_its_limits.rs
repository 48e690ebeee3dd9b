//! A program gets no shell and no input, and neither its output nor its time is without end.

use std::io::ErrorKind;
use std::time::Duration;
use world::simulated::Simulation;
use world::{ProcessRequest, World};

fn request(arguments: &[String]) -> ProcessRequest<'_> {
    ProcessRequest { program: "sh", arguments, output_bytes_max: 256, errors_bytes_kept: 64, time_limit: Duration::from_secs(20) }
}

fn script(text: &str) -> [String; 2] {
    ["-c".to_owned(), text.to_owned()]
}

#[test]
fn it_gives_what_it_printed_and_how_it_ended() {
    let world = World::real();
    let end = world.run_process(&request(&script("cat; printf '%s' secret; echo oops >&2; exit 3"))).unwrap();
    assert_eq!((end.code, &end.output[..], &end.errors[..]), (Some(3), &b"secret"[..], &b"oops\n"[..]));
    assert!(!format!("{end:?}").contains("secret"));
    let end = world.run_process(&request(&script("kill -9 $$"))).unwrap();
    assert_eq!(end.code, None);
}

#[test]
fn arguments_are_not_read_by_a_shell() {
    let arguments = ["%s".to_owned(), "$HOME; *".to_owned()];
    let end = World::real().run_process(&ProcessRequest { program: "printf", ..request(&arguments) }).unwrap();
    assert_eq!(&end.output[..], b"$HOME; *");
}

#[test]
fn what_it_complains_beyond_the_limit_is_dropped_and_it_still_ends() {
    let end = World::real().run_process(&request(&script("yes complaint | head -c 300000 >&2; echo done"))).unwrap();
    assert_eq!((end.code, end.errors.len(), &end.output[..]), (Some(0), 64, &b"done\n"[..]));
}

#[test]
fn too_much_output_too_much_time_and_no_program_are_errors() {
    let world = World::real();
    let kind = |request: &ProcessRequest<'_>| world.run_process(request).unwrap_err().kind();
    assert_eq!(kind(&request(&script("yes"))), ErrorKind::FileTooLarge);
    let patience = Duration::from_millis(50);
    let began = world.monotonic();
    assert_eq!(kind(&ProcessRequest { time_limit: patience, ..request(&script("sleep 60 & sleep 60")) }), ErrorKind::TimedOut);
    assert!(world.monotonic() - began < Duration::from_secs(10), "it was killed");
    assert_eq!(kind(&ProcessRequest { program: "/nonexistent/program", ..request(&[]) }), ErrorKind::NotFound);
    assert_eq!(Simulation::new(1).world().run_process(&request(&[])).unwrap_err().kind(), ErrorKind::Unsupported);
}
