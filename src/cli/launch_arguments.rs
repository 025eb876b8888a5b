//! What says how to launch a kernel of any code object; shared by the verbs that do.

use std::path::PathBuf;

use clap::Args;
use hip::{Dim3, LaunchConfig};

use crate::code::{CodeObject, Routine};
use crate::launch::{Argument, Launch, LaunchFile};
use crate::{Error, Result};

/// Kernel, geometry, arguments.
#[derive(Debug, Args)]
pub(super) struct LaunchArguments {
    /// The kernel; needed when the file has several
    #[arg(long, value_name = "NAME")]
    kernel: Option<String>,
    /// Workgroups
    #[arg(long, value_name = "X[,Y,Z]", value_parser = extent)]
    grid: Option<Dim3>,
    /// Work-items of a workgroup
    #[arg(long, value_name = "X[,Y,Z]", value_parser = extent)]
    block: Option<Dim3>,
    /// Bytes of LDS on top of what the kernel declares
    #[arg(long, value_name = "BYTES")]
    dynamic_lds: Option<u32>,
    /// The next argument: u32=7, f32x256=normal, f32x256,out:FILE (see below)
    #[arg(long = "arg", value_name = "ARGUMENT")]
    argument: Vec<Argument>,
    /// Read kernel, grid, block, dynamic_lds and args from this TOML file; options override it
    #[arg(long = "args", value_name = "FILE", conflicts_with = "argument")]
    file_of_arguments: Option<PathBuf>,
}

impl LaunchArguments {
    /// The kernel of the object that they name, and its launch.
    ///
    /// # Errors
    /// Those of [`CodeObject::kernel`], [`LaunchFile`] and [`Launch::new`].
    pub(super) fn prepare<'a>(&self, object: &'a CodeObject) -> Result<(&'a Routine, Launch<'a>)> {
        let from_file = match &self.file_of_arguments {
            Some(path) => LaunchFile::read(path)?,
            None => LaunchFile::default(),
        };
        let name = self.kernel.as_deref().or(from_file.kernel.as_deref());
        let (routine, note) = object.kernel(name)?;
        let config = config(self, &from_file)?;
        let values = match &self.file_of_arguments {
            Some(path) => from_file.arguments(path, note)?,
            None => self.argument.clone(),
        };
        Ok((routine, Launch::new(note, config, values)?))
    }
}

/// Geometry from the command line, else from the file.
fn config(arguments: &LaunchArguments, file: &LaunchFile) -> Result<LaunchConfig> {
    let dimension = |option, given: Option<Dim3>, written: &Option<Vec<u32>>| match (given, written) {
        (Some(given), _) => Ok(given),
        (None, Some(list)) => {
            from_list(list).map_err(|reason| Error::Option { option, value: format!("{list:?}"), reason })
        }
        (None, None) => {
            let reason = "neither the command line nor a file of arguments says it".to_owned();
            Err(Error::Option { option, value: "(none)".into(), reason })
        }
    };
    let grid = dimension("--grid", arguments.grid, &file.grid)?;
    let block = dimension("--block", arguments.block, &file.block)?;
    let lds = arguments.dynamic_lds.or(file.dynamic_lds).unwrap_or(0);
    Ok(LaunchConfig::new(grid, block).with_shared_bytes(lds))
}

fn extent(text: &str) -> Result<Dim3, String> {
    let list: Result<Vec<u32>, _> = text.split(',').map(str::parse).collect();
    from_list(&list.map_err(|error| format!("{error}; a number, or up to three with commas between"))?)
}

fn from_list(list: &[u32]) -> Result<Dim3, String> {
    match *list {
        _ if list.contains(&0) => Err("an empty dimension launches nothing".into()),
        [x] => Ok(x.into()),
        [x, y] => Ok((x, y).into()),
        [x, y, z] => Ok((x, y, z).into()),
        _ => Err("there are one to three dimensions".into()),
    }
}
