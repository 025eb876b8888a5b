//! All profiles, built in or from a folder, and the choice of one.

use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::era::{Era, Track};
use super::error::Error;
use super::rows::{RowsFile, Table};
use super::server::Server;

/// Version of the files' shape.
pub const VERSION: u32 = 1;

/// The protocol of commands that name none.
pub const DEFAULT_PROTOCOL: &str = "s1b";

/// Every profile.
#[derive(Clone, Debug)]
pub struct Profiles {
    /// Protocols, oldest first.
    pub eras: Vec<Era>,
    /// Servers.
    pub servers: Vec<Server>,
    /// Baselines and targets.
    pub tables: Vec<Table>,
}

/// A protocol, for one model on one server.
#[derive(Clone, Copy, Debug)]
pub struct Profile<'a> {
    /// The protocol.
    pub era: &'a Era,
    /// The model's part of it.
    pub track: &'a Track,
    /// The server.
    pub server: &'a Server,
    /// What results are compared with.
    pub table: &'a Table,
}

macro_rules! built_in {
    ($folder:literal: $($name:literal)*) => {
        [$((concat!($folder, $name, ".toml"), include_str!(concat!("../../profiles/", $folder, $name, ".toml")))),*]
    };
}

const ERAS: &[(&str, &str)] = &built_in!("eras/": "s1a" "s1b" "s1c" "s1d" "s2b" "s2c");
const SERVERS: &[(&str, &str)] = &built_in!("servers/":
    "sglang" "sglang-fp8-kv" "sglang-mtp" "atom-mtp" "atom-gpt-oss" "vllm-gpt-oss" "vllm-kimi");
const ROWS: &[(&str, &str)] = &built_in!("": "rows");

impl Profiles {
    /// The profiles that the program was built with.
    ///
    /// # Panics
    /// Never: a test reads them all.
    #[must_use]
    pub fn built_in() -> Self {
        let own = |files: &[(&str, &str)]| -> Vec<(String, String)> {
            files.iter().map(|&(name, text)| (name.into(), text.into())).collect()
        };
        Self::parse(&own(ERAS), &own(SERVERS), &own(ROWS)).expect("built-in profiles are tested")
    }

    /// Those of a folder laid out as `profiles/`.
    ///
    /// # Errors
    /// [`Error::Read`] and [`Error::Profile`].
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let read = |path: &Path| {
            let text =
                fs::read_to_string(path).map_err(|source| Error::Read { path: path.into(), source })?;
            Ok((path.display().to_string(), text))
        };
        let all = |name: &str| -> Result<Vec<_>, Error> {
            let path = folder.join(name);
            let failed = |source| Error::Read { path: path.clone(), source };
            let mut files = Vec::new();
            for entry in fs::read_dir(&path).map_err(failed)? {
                let path = entry.map_err(failed)?.path();
                if path.extension().is_some_and(|e| e == "toml") {
                    files.push(read(&path)?);
                }
            }
            files.sort();
            Ok(files)
        };
        Self::parse(&all("eras")?, &all("servers")?, &[read(&folder.join("rows.toml"))?])
    }

    fn parse(
        eras: &[(String, String)],
        servers: &[(String, String)],
        rows: &[(String, String)],
    ) -> Result<Self, Error> {
        let mut tables = Vec::new();
        for (name, text) in rows {
            let file: RowsFile = parse(name, text)?;
            check_version(name, file.version)?;
            tables.extend(file.tables);
        }
        let mut profiles = Self { eras: vec![], servers: vec![], tables };
        for (name, text) in servers {
            let server: Server = parse(name, text)?;
            check_version(name, server.version)?;
            profiles.servers.push(server);
        }
        for (name, text) in eras {
            let era: Era = parse(name, text)?;
            check_version(name, era.version)?;
            for track in &era.tracks {
                profiles.table(&track.rows).map_err(|e| broken(name, &e))?;
                for server in &track.servers {
                    profiles.server(server).map_err(|e| broken(name, &e))?;
                }
            }
            profiles.eras.push(era);
        }
        profiles.eras.sort_by(|a, b| a.since.cmp(&b.since));
        Ok(profiles)
    }

    /// The profile of a protocol; model and server default to its first.
    ///
    /// # Errors
    /// [`Error::Unknown`], with the names that there are.
    pub fn choose(
        &self,
        protocol: &str,
        model: Option<&str>,
        server: Option<&str>,
    ) -> Result<Profile<'_>, Error> {
        let era = find("protocol", protocol, &self.eras, |e| &e.name)?;
        let track = match model {
            Some(model) => find("model", model, &era.tracks, |t| &t.model)?,
            None => era.tracks.first().ok_or_else(|| broken(protocol, &"it has no tracks"))?,
        };
        let name = match server {
            Some(server) => find("server", server, &track.servers, |s| s)?,
            None => track.servers.first().ok_or_else(|| broken(protocol, &"a track has no servers"))?,
        };
        Ok(Profile { era, track, server: self.server(name)?, table: self.table(&track.rows)? })
    }

    fn server(&self, name: &str) -> Result<&Server, Error> {
        find("server", name, &self.servers, |s| &s.name)
    }

    fn table(&self, name: &str) -> Result<&Table, Error> {
        find("table of rows", name, &self.tables, |t| &t.name)
    }
}

fn find<'a, T>(
    what: &'static str,
    name: &str,
    all: &'a [T],
    of: impl Fn(&T) -> &String,
) -> Result<&'a T, Error> {
    all.iter().find(|item| of(item) == name).ok_or_else(|| Error::Unknown {
        what,
        name: name.into(),
        available: all.iter().map(|item| of(item).clone()).collect(),
    })
}

fn parse<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, Error> {
    toml::from_str(text).map_err(|e| broken(name, &e))
}

fn check_version(name: &str, version: u32) -> Result<(), Error> {
    let reason = format!("version {version} is not known, {VERSION} is");
    if version == VERSION { Ok(()) } else { Err(broken(name, &reason)) }
}

fn broken(name: &str, reason: &impl ToString) -> Error {
    Error::Profile { file: name.into(), reason: reason.to_string() }
}
