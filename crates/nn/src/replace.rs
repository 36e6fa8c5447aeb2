//! Files that are written at once or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// A file that is removed unless it has taken another one's place.
struct Temporary(Option<PathBuf>);

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // There is an error on its way already.
            let _ = fs::remove_file(path);
        }
    }
}

/// Writes a file that takes the place of the one at `path` once all of it is on the disk.
pub(crate) fn replace<E: From<io::Error>>(
    path: &Path,
    write: &mut dyn FnMut(&mut File) -> Result<(), E>,
) -> Result<(), E> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(ErrorKind::InvalidInput, "this is no name of a file").into());
    };
    let mut beside = OsString::from(".");
    beside.push(name);
    // WebAssembly has no processes, and panics when asked.
    let process = if cfg!(target_family = "wasm") { 0 } else { process::id() };
    beside.push(format!(".{process}.{}.tmp", COUNT.fetch_add(1, Ordering::Relaxed)));
    let beside = path.with_file_name(beside);
    let mut file = File::options().write(true).create_new(true).open(&beside)?;
    let mut temporary = Temporary(Some(beside.clone()));
    if let Ok(old) = fs::metadata(path) {
        file.set_permissions(old.permissions())?;
    }
    write(&mut file)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&beside, path)?;
    temporary.0 = None;
    // The directory has the name. Not every system lets it be synchronised, and the file is whole without.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}
