//! Files that are written at once or not at all.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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

/// What the name of a temporary file for `name` begins with, and what it ends with; between them stand a process and a number.
fn around(name: &OsStr) -> (OsString, &'static str) {
    let mut start = OsString::from(".");
    start.push(name);
    start.push(".");
    (start, ".tmp")
}

/// Removes the temporary files for `path` that killed processes have left: nobody holds their lock, and they are older than the moment
/// between a file's creation and its lock.
fn clear(folder: &Path, name: &OsStr) {
    const MOMENT: Duration = Duration::from_secs(60);
    let (start, end) = around(name);
    let left = |entry: &fs::DirEntry| {
        let name = entry.file_name();
        let middle = name
            .as_encoded_bytes()
            .strip_prefix(start.as_encoded_bytes())
            .and_then(|rest| rest.strip_suffix(end.as_bytes()));
        let numbers = |middle: &[u8]| middle.iter().all(|b| b.is_ascii_digit() || *b == b'.');
        let age = |file: &File| file.metadata()?.modified()?.elapsed().map_err(io::Error::other);
        // Opening what is no file may wait for ever.
        middle.is_some_and(numbers)
            && entry.file_type().is_ok_and(|kind| kind.is_file())
            && File::open(entry.path())
                .is_ok_and(|file| age(&file).is_ok_and(|age| age > MOMENT) && file.try_lock().is_ok())
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten().filter(left) {
        // What cannot be removed stays, as it would without looking.
        let _ = fs::remove_file(entry.path());
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
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    clear(folder, name);
    let (mut beside, end) = around(name);
    // WebAssembly has no processes, and panics when asked.
    let process = if cfg!(target_family = "wasm") { 0 } else { process::id() };
    beside.push(format!("{process}.{}{end}", COUNT.fetch_add(1, Ordering::Relaxed)));
    let beside = path.with_file_name(beside);
    let mut file = File::options().write(true).create_new(true).open(&beside)?;
    // Not every system has locks; where there are none, nothing is cleared.
    let _ = file.try_lock();
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
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}
