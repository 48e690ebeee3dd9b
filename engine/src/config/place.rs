//! Where files lie: paths as typed, and the folders they are relative to.
//!
//! A relative path is relative to the folder of the configuration file, never to where the command was called. A path may begin
//! with `~/` or with an environment variable (`$XDG_STATE_HOME/sealpost/journal`). Where systemd hands folders over
//! (`StateDirectory=`, `RuntimeDirectory=`), the defaults lie in them.

use std::path::{Path, PathBuf};

/// Reads an environment variable. A parameter, so that tests and the simulator decide what is set.
pub(super) type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Resolves paths.
pub(super) struct Resolver<'a> {
    folder: PathBuf,
    variables: Variables<'a>,
}

impl<'a> Resolver<'a> {
    /// For a configuration file.
    pub(super) fn new(file: &Path, variables: Variables<'a>) -> Self {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self { folder: folder.to_owned(), variables }
    }

    /// The path that is meant.
    pub(super) fn resolve(&self, typed: &str) -> Result<PathBuf, String> {
        if typed.is_empty() {
            return Err("expected a path; found an empty text".to_owned());
        }
        let expanded = match (typed.strip_prefix("~/"), typed.strip_prefix('$')) {
            (Some(rest), _) => self.variable("HOME")?.join(rest),
            (None, Some(rest)) => {
                let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
                self.variable(name)?.join(rest)
            }
            (None, None) => PathBuf::from(typed),
        };
        Ok(self.folder.join(expanded))
    }

    /// The folder of everything durable: systemd's where it gives one, else `state` beside the configuration file.
    pub(super) fn state_folder(&self) -> PathBuf {
        self.handed_over("STATE_DIRECTORY").unwrap_or_else(|| self.folder.join("state"))
    }

    /// The folder of sockets: systemd's where it gives one, else `run` in the state folder.
    pub(super) fn socket_folder(&self) -> PathBuf {
        self.handed_over("RUNTIME_DIRECTORY").unwrap_or_else(|| self.state_folder().join("run"))
    }

    /// The folder of the configuration file.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// systemd.exec(5): several directories are separated by colons; the first one is ours.
    fn handed_over(&self, name: &str) -> Option<PathBuf> {
        let value = (self.variables)(name)?;
        value.split(':').next().filter(|first| !first.is_empty()).map(PathBuf::from)
    }

    fn variable(&self, name: &str) -> Result<PathBuf, String> {
        let value = (self.variables)(name).filter(|value| !value.is_empty());
        value.map(PathBuf::from).ok_or_else(|| format!("the environment variable {name} is not set; set it or write the path in full"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_means_relative_to_the_configuration_file() {
        let variables = |name: &str| (name == "XDG_STATE_HOME").then(|| "/home/ops/.local/state".to_owned());
        let resolver = Resolver::new(Path::new("/etc/sealpost/sealpost.toml"), &variables);
        assert_eq!(resolver.resolve("keys/a.key").unwrap(), Path::new("/etc/sealpost/keys/a.key"));
        assert_eq!(resolver.resolve("/var/a").unwrap(), Path::new("/var/a"));
        assert_eq!(resolver.resolve("$XDG_STATE_HOME/a").unwrap(), Path::new("/home/ops/.local/state/a"));
        assert_eq!(resolver.state_folder(), Path::new("/etc/sealpost/state"));
        assert!(resolver.resolve("$MISSING/a").unwrap_err().contains("MISSING"));
        assert!(resolver.resolve("~/a").unwrap_err().contains("HOME"));
        assert!(resolver.resolve("").is_err());
    }

    #[test]
    fn folders_that_systemd_hands_over_are_used() {
        let variables = |name: &str| match name {
            "STATE_DIRECTORY" => Some("/var/lib/sealpost:/var/lib/other".to_owned()),
            "RUNTIME_DIRECTORY" => Some("/run/sealpost".to_owned()),
            _ => None,
        };
        let resolver = Resolver::new(Path::new("sealpost.toml"), &variables);
        assert_eq!(resolver.state_folder(), Path::new("/var/lib/sealpost"));
        assert_eq!(resolver.socket_folder(), Path::new("/run/sealpost"));
        assert_eq!(resolver.folder(), Path::new("."));
    }
}
