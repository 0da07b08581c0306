//! Writes `contracts/schemas/<type>.json` for every message of the catalogue, and removes those of
//! types that exist no more: `cargo run -p contracts --example schemas`.

use std::{fs, io, path::Path};

use contracts::messages::catalogue;

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    for entry in catalogue() {
        fs::write(folder.join(format!("{}.json", entry.message_type)), entry.schema_text())?;
    }
    Ok(())
}
