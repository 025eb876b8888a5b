//! What the verbs of the leaderboard flow share: the choice of a profile and of its points.

use std::path::PathBuf;

use clap::Args;

use crate::Result;
use crate::e2e::plan::Selection;
use crate::e2e::profile::DEFAULT_PROTOCOL;
use crate::e2e::{Profile, Profiles};

/// Which profile.
#[derive(Debug, Args)]
pub(super) struct ProfileArguments {
    /// The leaderboard's protocol
    #[arg(long, value_name = "NAME", default_value = DEFAULT_PROTOCOL)]
    protocol: String,
    /// The model's track of the protocol [default: its first]
    #[arg(long, value_name = "NAME")]
    track: Option<String>,
    /// The server [default: the track's first]
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// Read profiles from this folder, laid out as profiles/, instead of the built-in ones
    #[arg(long, value_name = "DIR")]
    profiles: Option<PathBuf>,
}

/// Which of its points.
#[derive(Debug, Args)]
pub(super) struct PointArguments {
    /// Input tokens
    #[arg(long, value_name = "N")]
    isl: Option<usize>,
    /// Output tokens
    #[arg(long, value_name = "N")]
    osl: Option<usize>,
    /// Requests under way; several with commas [default: all of the protocol's]
    #[arg(long, value_name = "N", value_delimiter = ',')]
    conc: Vec<usize>,
    /// Prompts of every point [default: as the protocol has it]
    #[arg(long, value_name = "N")]
    num_prompts: Option<usize>,
    /// Shortest length as a share of the longest [default: as the protocol has it]
    #[arg(long, value_name = "R")]
    range_ratio: Option<f64>,
}

impl ProfileArguments {
    pub(super) fn load(&self) -> Result<Profiles> {
        Ok(match &self.profiles {
            Some(folder) => Profiles::open(folder)?,
            None => Profiles::built_in(),
        })
    }

    pub(super) fn choose<'a>(&self, profiles: &'a Profiles) -> Result<Profile<'a>> {
        Ok(profiles.choose(&self.protocol, self.track.as_deref(), self.server.as_deref())?)
    }
}

impl PointArguments {
    pub(super) fn selection(&self) -> Selection {
        Selection {
            isl: self.isl,
            osl: self.osl,
            concurrency: self.conc.clone(),
            prompts: self.num_prompts,
            range_ratio: self.range_ratio,
        }
    }
}
