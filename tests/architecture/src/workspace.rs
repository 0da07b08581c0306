//! What there is to check: the packages, as cargo sees them, and their source files.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;

/// The workspace.
#[derive(Debug)]
pub struct Workspace {
    /// Its folder.
    pub root: PathBuf,
    /// Its members.
    pub packages: Vec<Package>,
}

/// One member, as `cargo metadata` describes it.
#[derive(Clone, Debug, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Where its `Cargo.toml` is.
    pub manifest_path: PathBuf,
    /// What it declares to depend on, whatever the kind and the features.
    pub dependencies: Vec<Dependency>,
}

/// One declared dependency.
#[derive(Clone, Debug, Deserialize)]
pub struct Dependency {
    /// Its name in the registry or in the workspace.
    pub name: String,
}

/// One Rust file.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its path under the folder that was asked for, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Why the workspace could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// cargo could not be run.
    #[error("cargo metadata cannot be run")]
    Run(#[source] io::Error),
    /// cargo refused.
    #[error("cargo metadata failed: {0}")]
    Cargo(String),
    /// What cargo wrote is not understood.
    #[error("cargo metadata is not understood")]
    Metadata(#[source] serde_json::Error),
    /// A file or folder cannot be read.
    #[error("{path} cannot be read")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Workspace {
    /// Reads the workspace that this crate belongs to, without network.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn load() -> Result<Self, ReadError> {
        #[derive(Deserialize)]
        struct Metadata {
            packages: Vec<Package>,
            workspace_root: PathBuf,
        }
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--offline", "--no-deps", "--format-version", "1"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .map_err(ReadError::Run)?;
        if !output.status.success() {
            return Err(ReadError::Cargo(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        let Metadata { packages, workspace_root } =
            serde_json::from_slice(&output.stdout).map_err(ReadError::Metadata)?;
        Ok(Self { root: workspace_root, packages })
    }

    /// The members under a folder of the workspace, e.g. `services`.
    pub fn under<'a>(&'a self, folder: &str) -> impl Iterator<Item = &'a Package> {
        let folder = self.root.join(folder);
        self.packages.iter().filter(move |p| p.folder().starts_with(&folder))
    }

    /// The agency services: everything under `services` but the binary.
    pub fn services(&self) -> impl Iterator<Item = &Package> {
        self.under("services").filter(|package| package.name != "relais")
    }
}

impl Package {
    /// The folder of the package.
    pub fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }

    /// Every Rust file of the package.
    ///
    /// # Errors
    /// [`ReadError::File`].
    pub fn sources(&self) -> Result<Vec<Source>, ReadError> {
        let mut found = Vec::new();
        collect(self.folder(), self.folder(), &mut found)?;
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// The text of the package's README; empty without one.
    pub fn readme(&self) -> String {
        fs::read_to_string(self.folder().join("README.md")).unwrap_or_default()
    }
}

fn collect(base: &Path, folder: &Path, found: &mut Vec<Source>) -> Result<(), ReadError> {
    let error = |path: &Path| {
        let path = path.to_owned();
        move |source| ReadError::File { path, source }
    };
    for entry in fs::read_dir(folder).map_err(error(folder))? {
        let path = entry.map_err(error(folder))?.path();
        if path.is_dir() {
            // The build folder of a package that was built alone.
            if path.file_name().is_some_and(|name| name != "target") {
                collect(base, &path, found)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).map_err(error(&path))?;
            let under = path.strip_prefix(base).unwrap_or(&path);
            let path = under.to_string_lossy().replace('\\', "/");
            found.push(Source { path, text });
        }
    }
    Ok(())
}
