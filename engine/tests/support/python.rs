//! Python of the system, with the modules a story needs.

use super::{Installation, Running, server, skip};
use std::process::Command;
use std::time::Duration;

const PYTHON: &str = "/usr/bin/python3";

/// Whether Python and these modules are there; says what is missing.
pub fn has(modules: &[(&str, &str)]) -> bool {
    if server(PYTHON, "python3").is_none() {
        return false;
    }
    for (module, package) in modules {
        let found = Command::new(PYTHON).args(["-c", &format!("import {module}")]).output().is_ok_and(|output| output.status.success());
        if !found {
            skip(&format!("Python has no module {module} (Debian package {package})"));
            return false;
        }
    }
    true
}

/// A script with its arguments, ready to be started. The script is written into the installation's folder.
pub fn script(installation: &Installation, name: &str, text: &str, arguments: &[&str]) -> Command {
    let path = installation.path(name);
    std::fs::write(&path, text).unwrap();
    let mut command = Command::new(PYTHON);
    command.arg(path).args(arguments).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Runs a script to its end.
pub fn run(installation: &Installation, name: &str, text: &str, arguments: &[&str]) -> super::Ended {
    Running::start(&mut script(installation, name, text, arguments), installation.folder()).wait(Duration::from_secs(60))
}
