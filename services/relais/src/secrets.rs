//! Where the passwords of the broker's users are kept: a folder of files, or one file of
//! Kubernetes secrets. Made once, never overwritten, never printed, readable by their owner only.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, Permissions},
    io::Write,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use bus::topology;
use kernel::Secret;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::{cli::ManifesteArgs, topologie::TopologieError};

/// A place of passwords.
#[derive(Debug)]
pub(crate) enum Coffre {
    /// `<folder>/<user>`: the password, and nothing else.
    Dossier(PathBuf),
    /// A `List` of `Secret`, for `kubectl apply -f`.
    Kubernetes(PathBuf),
}

impl Coffre {
    /// The place asked for, if one is.
    pub(crate) fn choisir(args: &ManifesteArgs) -> Result<Option<Self>, TopologieError> {
        Self::ouvrir(args.secrets.as_deref(), args.kubernetes.as_deref())
    }

    /// The same, refused when others may read it.
    pub(crate) fn ouvrir(
        dossier: Option<&Path>,
        kubernetes: Option<&Path>,
    ) -> Result<Option<Self>, TopologieError> {
        let coffre = match (dossier, kubernetes) {
            (Some(path), _) => Self::Dossier(path.to_owned()),
            (None, Some(path)) => Self::Kubernetes(path.to_owned()),
            (None, None) => return Ok(None),
        };
        reserve(coffre.chemin())?;
        Ok(Some(coffre))
    }

    /// The folder or the file.
    pub(crate) fn chemin(&self) -> &Path {
        match self {
            Self::Dossier(path) | Self::Kubernetes(path) => path,
        }
    }

    /// Every password kept, by user.
    pub(crate) fn lire(&self) -> Result<BTreeMap<String, Secret>, TopologieError> {
        match self {
            Self::Dossier(path) => lire_dossier(path),
            Self::Kubernetes(path) => {
                lire_secrets(path)?.iter().map(|secret| lire_secret(path, secret)).collect()
            }
        }
    }

    /// Makes the passwords that are missing; returns how many.
    pub(crate) fn completer<'a>(
        &self,
        users: impl Iterator<Item = &'a String>,
    ) -> Result<usize, TopologieError> {
        let known = self.lire()?;
        let mut made = Vec::new();
        for user in users.filter(|user| !known.contains_key(*user)) {
            made.push((user.clone(), topology::generated()?));
        }
        if !made.is_empty() {
            match self {
                Self::Dossier(path) => ecrire_dossier(path, &made)?,
                Self::Kubernetes(path) => ecrire_secrets(path, &made)?,
            }
        }
        Ok(made.len())
    }
}

/// Writes a file that only its owner reads, in one go.
pub(crate) fn remplacer(path: &Path, text: &str) -> Result<(), TopologieError> {
    let file = brouillon(path, text)?;
    file.persist(path).map(drop).map_err(|e| faux(path, &e.error))
}

fn lire_dossier(folder: &Path) -> Result<BTreeMap<String, Secret>, TopologieError> {
    let mut found = BTreeMap::new();
    if !folder.exists() {
        return Ok(found);
    }
    for entry in fs::read_dir(folder).map_err(|e| faux(folder, &e))? {
        let path = entry.map_err(|e| faux(folder, &e))?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
        // Half-written files and those of editors begin with a dot.
        if name.starts_with('.') || !path.is_file() {
            continue;
        }
        reserve(&path)?;
        let text = fs::read_to_string(&path).map_err(|e| faux(&path, &e))?;
        let password = text.trim_end_matches(['\r', '\n']);
        if password.is_empty() {
            return Err(faux(&path, &"le fichier est vide : supprimez-le"));
        }
        found.insert(name.to_owned(), Secret::new(password));
    }
    Ok(found)
}

fn ecrire_dossier(folder: &Path, made: &[(String, Secret)]) -> Result<(), TopologieError> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|e| faux(folder, &e))?;
    for (user, password) in made {
        let path = folder.join(user);
        let file = brouillon(&path, password.expose())?;
        // Somebody else may have made it meanwhile: theirs stays.
        file.persist_noclobber(&path).map_err(|e| faux(&path, &e.error))?;
    }
    Ok(())
}

fn lire_secrets(path: &Path) -> Result<Vec<Value>, TopologieError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(path).map_err(|e| faux(path, &e))?;
    let wrong = || faux(path, &"ce n'est pas une liste de Secret écrite par relais");
    let file: Value = serde_json::from_str(&text).map_err(|_| wrong())?;
    file.get("items").and_then(Value::as_array).cloned().ok_or_else(wrong)
}

fn lire_secret(path: &Path, secret: &Value) -> Result<(String, Secret), TopologieError> {
    let text = |name: &str| secret.pointer(&format!("/stringData/{name}")).and_then(Value::as_str);
    match (text("username"), text("password")) {
        (Some(user), Some(password)) if !password.is_empty() => {
            Ok((user.to_owned(), Secret::new(password)))
        }
        _ => Err(faux(path, &"un Secret n'a pas username et password")),
    }
}

/// What is there stays as it is, whatever was added to it by hand.
fn ecrire_secrets(path: &Path, made: &[(String, Secret)]) -> Result<(), TopologieError> {
    let mut items = lire_secrets(path)?;
    items.extend(made.iter().map(|(user, password)| {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                // Lower case: cdom-2A.
                "name": format!("relais-amqp-{}", user.to_lowercase()),
                "labels": { "app.kubernetes.io/part-of": "relais" },
            },
            "type": "kubernetes.io/basic-auth",
            "stringData": { "username": user, "password": password.expose() },
        })
    }));
    let file = json!({ "apiVersion": "v1", "kind": "List", "items": items });
    let text = serde_json::to_string_pretty(&file).expect("JSON encodes") + "\n";
    remplacer(path, &text)
}

/// A file beside its place, 0600 from the start, on disk before it gets its name.
fn brouillon(path: &Path, text: &str) -> Result<NamedTempFile, TopologieError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        let owner = Permissions::from_mode(0o600);
        let mut file =
            tempfile::Builder::new().prefix(".relais-").permissions(owner).tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    write().map_err(|e: std::io::Error| faux(path, &e))
}

/// Refuses what others than its owner may read.
fn reserve(path: &Path) -> Result<(), TopologieError> {
    let Ok(metadata) = fs::metadata(path) else { return Ok(()) };
    let mode = metadata.permissions().mode() & 0o777;
    let others = mode & 0o077;
    if others == 0 {
        return Ok(());
    }
    let wanted = if metadata.is_dir() { "700" } else { "600" };
    let text = format!("d'autres que son propriétaire y ont accès ({mode:o}) : chmod {wanted}");
    Err(faux(path, &text))
}

fn faux(path: &Path, why: &dyn std::fmt::Display) -> TopologieError {
    TopologieError::Usage(format!("{} : {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it exists").permissions().mode() & 0o777
    }

    fn names() -> Vec<String> {
        ["cpam-631", "cdom-2A"].map(str::to_owned).to_vec()
    }

    #[test]
    fn a_folder_keeps_what_it_has() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("secrets");
        let coffre = Coffre::ouvrir(Some(&folder), None).expect("fine").expect("a place");
        assert_eq!(coffre.completer(names()[..1].iter()).expect("made"), 1);
        let first = coffre.lire().expect("read");
        assert_eq!(coffre.completer(names().iter()).expect("made"), 1);
        let second = coffre.lire().expect("read");
        assert_eq!(first["cpam-631"], second["cpam-631"]);
        assert_ne!(second["cpam-631"], second["cdom-2A"]);
        assert_eq!((mode(&folder), mode(&folder.join("cdom-2A"))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 2);
    }

    #[test]
    fn kubernetes_secrets_keep_what_they_have() {
        let parent = tempfile::tempdir().expect("a folder");
        let file = parent.path().join("secrets.json");
        let coffre = Coffre::ouvrir(None, Some(&file)).expect("fine").expect("a place");
        assert_eq!(coffre.completer(names()[..1].iter()).expect("made"), 1);
        let first = coffre.lire().expect("read");
        assert_eq!(coffre.completer(names().iter()).expect("made"), 1);
        let second = coffre.lire().expect("read");
        assert_eq!(first["cpam-631"], second["cpam-631"]);
        assert_eq!(mode(&file), 0o600);
        let text = fs::read_to_string(&file).expect("text");
        assert!(text.contains("\"relais-amqp-cdom-2a\""), "the name of a Secret is in lower case");
        assert_eq!(coffre.completer(names().iter()).expect("nothing"), 0);
    }

    #[test]
    fn what_others_may_read_is_refused() {
        let parent = tempfile::tempdir().expect("a folder");
        fs::set_permissions(parent.path(), Permissions::from_mode(0o750)).expect("mode");
        let refused = Coffre::ouvrir(Some(parent.path()), None).expect_err("refused");
        assert!(refused.to_string().contains("chmod 700"), "{refused}");
        fs::set_permissions(parent.path(), Permissions::from_mode(0o700)).expect("mode");
        let path = parent.path().join("cpam-631");
        fs::write(&path, "x").expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("mode");
        let coffre = Coffre::ouvrir(Some(parent.path()), None).expect("fine").expect("a place");
        let refused = coffre.lire().expect_err("refused").to_string();
        assert!(refused.contains("chmod 600"), "{refused}");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("mode");
        fs::write(&path, "").expect("written");
        assert!(coffre.lire().is_err(), "an empty file is no password");
    }
}
