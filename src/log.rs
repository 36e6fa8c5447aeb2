//! What a training says while it runs: scalars a step, in files that other programs read; as a picture, with the feature `plot`; a line that
//! shows how far it is, with the feature `progress`.

#[cfg(feature = "plot")]
mod plot;
#[cfg(feature = "progress")]
mod progress;

#[cfg(feature = "plot")]
pub use plot::Plot;
#[cfg(feature = "progress")]
pub use progress::Progress;

use crate::{Error, Result};
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

const OP: &str = "curves";

/// Scalars a step, such as losses and metrics, written to a file while training: comma-separated values for a name that ends in `.csv`,
/// JSON lines for one in `.jsonl`.
///
/// A line is in the file when [`add`](Self::add) returns: the curves of a training that is stopped, or that fails, are kept. In CSV the first
/// line has the columns `step` and the names of the first scalars; later steps may leave some out, which stay empty, and have no
/// others. Lines of JSON have what they are given. Numbers have the digits that `f64` needs; NaN and infinity are `NaN` and `inf` in CSV,
/// `null` in JSON.
///
/// # Errors
/// [`Error::File`] for what cannot be written; [`Error::Argument`] for another ending of the name, for a scalar whose name is twice there, is
/// `step`, is empty or has a comma, a quote, a backslash or a control character, and for one that the CSV has no column for. Then nothing has been written.
///
/// # Examples
/// ```
/// use downhill::log::Curves;
///
/// let path = std::env::temp_dir().join("downhill-curves").join("a.csv");
/// let mut curves = Curves::create(&path)?; // and its folder
/// curves.add(0, &[("loss", 0.5), ("accuracy", 0.25)])?;
/// curves.add(1, &[("loss", 0.125)])?;
/// // Resumed.
/// Curves::append(&path)?.add(2, &[("accuracy", 0.75)])?;
/// assert_eq!(std::fs::read_to_string(&path).unwrap(), "step,loss,accuracy\n0,0.5,0.25\n1,0.125,\n2,,0.75\n");
///
/// let path = path.with_extension("jsonl");
/// Curves::create(&path)?.add(0, &[("loss", 0.5), ("accuracy", 0.25)])?;
/// assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"step\":0,\"loss\":0.5,\"accuracy\":0.25}\n");
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// It has the place of [`SummaryWriter`](https://docs.pytorch.org/docs/stable/tensorboard.html), and writes no files of `TensorBoard`.
#[doc(alias = "SummaryWriter")]
#[derive(Debug)]
pub struct Curves {
    path: PathBuf,
    file: File,
    /// The columns of a file that has some, `step` first.
    columns: Option<Vec<String>>,
    json: bool,
}

impl Curves {
    /// A new file, in place of one that is there; its folder is made if there is none.
    ///
    /// # Errors
    /// See [`Curves`].
    #[inline]
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        Self::open(path.as_ref(), true)
    }

    /// Goes on at the end of a file, for a training that is resumed; a new file if there is none.
    ///
    /// # Errors
    /// See [`Curves`].
    #[inline]
    pub fn append(path: impl AsRef<Path>) -> Result<Self> {
        Self::open(path.as_ref(), false)
    }

    #[inline]
    fn open(path: &Path, new: bool) -> Result<Self> {
        let json = match path.extension().and_then(|e| e.to_str()) {
            Some("csv") => false,
            Some("jsonl") => true,
            _ => {
                let message = format!("expected a file .csv or .jsonl, but got {}", path.display());
                return Err(Error::argument(OP, message));
            }
        };
        let open = || {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            if new {
                File::create(path)?;
            }
            let (mut text, mut file) =
                (String::new(), File::options().read(true).append(true).create(true).open(path)?);
            file.read_to_string(&mut text)?;
            if !text.is_empty() && !text.ends_with('\n') {
                file.write_all(b"\n")?;
            }
            let header = text.lines().next().filter(|_| !json);
            let columns = header.map(|line| line.split(',').map(String::from).collect::<Vec<_>>());
            if columns.as_ref().is_some_and(|columns| columns[0] != "step") {
                return Err(io::Error::new(ErrorKind::InvalidData, "the first column is not \"step\""));
            }
            Ok((file, columns))
        };
        let (file, columns) = open().map_err(|error| failed(path, &error))?;
        Ok(Self { path: path.into(), file, columns, json })
    }

    /// Writes a line: a step, or an epoch, and the scalars that there are of it, by name.
    ///
    /// # Errors
    /// See [`Curves`].
    #[inline]
    pub fn add(&mut self, step: usize, scalars: &[(&str, f64)]) -> Result<()> {
        let mut values = HashMap::from([("step", 0.0)]);
        let known =
            self.columns.as_ref().map(|columns| columns.iter().map(|c| &c[..]).collect::<HashSet<_>>());
        for (name, x) in scalars {
            let plain = |c: char| !c.is_control() && !",\"\\".contains(c);
            let twice = values.insert(name, *x).is_some();
            let missing = known.as_ref().is_some_and(|known| !known.contains(name));
            if name.is_empty() || !name.chars().all(plain) || twice || missing {
                let why = match (twice, missing) {
                    (true, _) => "is there twice".into(),
                    (_, true) => {
                        format!("is none of the columns {:?}", self.columns.as_deref().unwrap_or(&[]))
                    }
                    _ => "is no name of a column".into(),
                };
                return Err(Error::argument(OP, format!("{name:?} {why}")));
            }
        }
        if self.json {
            let number = |x: f64| if x.is_finite() { format!("{x:?}") } else { "null".into() };
            let fields = scalars.iter().map(|(name, x)| format!(",\"{name}\":{}", number(*x)));
            return self.write(&format!("{{\"step\":{step}{}}}\n", fields.collect::<String>()));
        }
        let names = || ["step"].into_iter().chain(scalars.iter().map(|(name, _)| *name));
        let first = || names().map(String::from).collect::<Vec<_>>();
        let columns = self.columns.clone().unwrap_or_else(first);
        let header = if self.columns.is_none() { columns.join(",") + "\n" } else { String::new() };
        let cell = |column: &String| values.get(&column[..]).map_or(",".into(), |x| format!(",{x:?}"));
        self.write(&format!("{header}{step}{}\n", columns.iter().skip(1).map(cell).collect::<String>()))?;
        // Only now: a header that could not be written is tried again.
        self.columns = Some(columns);
        Ok(())
    }

    /// Writes all of a text, or takes back what there is of it.
    #[inline]
    fn write(&mut self, text: &str) -> Result<()> {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(failed(&self.path, &ErrorKind::WriteZero.into())),
                Ok(n) => rest = &rest[n..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    let written = (text.len() - rest.len()) as u64;
                    let length = self.file.metadata().map(|file| file.len().saturating_sub(written));
                    // There is an error on its way already.
                    let _ = length.and_then(|length| self.file.set_len(length));
                    return Err(failed(&self.path, &error));
                }
            }
        }
        Ok(())
    }
}

/// The points of one scalar in a file of [`Curves`]: the step and its value, in the file's order. Steps without it are left out; what is `null`
/// in JSON is NaN.
///
/// # Errors
/// [`Error::File`] for what cannot be read, and for a line that [`Curves`] does not write, with its number; [`Error::Argument`] for a
/// scalar that the file does not have.
///
/// # Examples
/// ```
/// use downhill::log::{self, Curves};
///
/// let path = std::env::temp_dir().join(format!("downhill-curves-read-{}.csv", std::process::id()));
/// let mut curves = Curves::create(&path)?;
/// curves.add(0, &[("loss", 0.5), ("accuracy", 0.25)])?;
/// curves.add(1, &[("loss", 0.125)])?;
/// assert_eq!(log::read(&path, "loss")?, [(0.0, 0.5), (1.0, 0.125)]);
/// assert_eq!(log::read(&path, "accuracy")?, [(0.0, 0.25)]);
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), downhill::Error>(())
/// ```
#[inline]
pub fn read(path: impl AsRef<Path>, scalar: &str) -> Result<Vec<(f64, f64)>> {
    let path = path.as_ref();
    let text = fs::read_to_string(path).map_err(|error| failed(path, &error))?;
    let json = path.extension().is_some_and(|e| e == "jsonl");
    let mut lines = (1..).zip(text.lines());
    let header = if json { None } else { lines.next().map(|(_, line)| line) };
    let (mut points, mut known) =
        (Vec::new(), header.is_some_and(|line| line.split(',').any(|c| c == scalar)));
    for (number, line) in lines {
        let cells = match header {
            Some(header) => row(header, line),
            None => object(line),
        };
        let Some((step, cells)) = cells else {
            let message = format!("line {number} is none of scalars a step");
            return Err(failed(path, &io::Error::new(ErrorKind::InvalidData, message)));
        };
        let value = cells.iter().find(|(name, _)| *name == scalar);
        known |= value.is_some();
        points.extend(value.map(|&(_, value)| (step, value)));
    }
    if known { Ok(points) } else { Err(Error::argument(OP, format!("{} has no {scalar:?}", path.display()))) }
}

/// A step, and the scalars of a line by name.
type Line<'a> = Option<(f64, Vec<(&'a str, f64)>)>;

/// Of comma-separated values; empty cells are left out.
#[inline]
fn row<'a>(header: &'a str, line: &str) -> Line<'a> {
    let (mut names, mut cells) = (header.split(',').skip(1), line.split(','));
    let step = cells.next()?.parse().ok()?;
    let mut found = Vec::new();
    for cell in cells {
        let name = names.next()?;
        if !cell.is_empty() {
            found.push((name, cell.parse().ok()?));
        }
    }
    names.next().is_none().then_some((step, found))
}

/// Of an object of JSON whose names have neither commas, quotes nor backslashes.
#[inline]
fn object(line: &str) -> Line<'_> {
    let fields = line.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut found = Vec::new();
    for field in fields.split(',') {
        let (name, value) = field.rsplit_once(':')?;
        let value = if value.trim() == "null" { f64::NAN } else { value.trim().parse().ok()? };
        found.push((name.trim().strip_prefix('"')?.strip_suffix('"')?, value));
    }
    let place = found.iter().position(|(name, _)| *name == "step")?;
    Some((found.remove(place).1, found))
}

#[inline]
fn failed(path: &Path, error: &io::Error) -> Error {
    Error::File { op: OP, path: path.into(), kind: error.kind(), message: error.to_string() }
}
