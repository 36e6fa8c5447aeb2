//! What a training says while it runs: scalars a step, in files that other programs read.

use crate::{Error, Result};
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
        for (i, (name, _)) in scalars.iter().enumerate() {
            let plain = |c: char| !c.is_control() && !",\"\\".contains(c);
            let twice = *name == "step" || scalars[..i].iter().any(|(before, _)| before == name);
            let missing = self.columns.as_ref().is_some_and(|columns| !columns.iter().any(|c| c == name));
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
        let text = if self.json {
            let number = |x: f64| if x.is_finite() { format!("{x:?}") } else { "null".into() };
            let fields = scalars.iter().map(|(name, x)| format!(",\"{name}\":{}", number(*x)));
            format!("{{\"step\":{step}{}}}\n", fields.collect::<String>())
        } else {
            let mut header = String::new();
            let names = scalars.iter().map(|(name, _)| (*name).to_string());
            let columns = self.columns.get_or_insert_with(|| {
                let columns: Vec<_> = std::iter::once("step".to_string()).chain(names).collect();
                header = columns.join(",") + "\n";
                columns
            });
            let find = |column: &String| scalars.iter().find(|(name, _)| name == column);
            let cell = |column| find(column).map_or(",".into(), |(_, x)| format!(",{x:?}"));
            format!("{header}{step}{}\n", columns.iter().skip(1).map(cell).collect::<String>())
        };
        self.file.write_all(text.as_bytes()).map_err(|error| failed(&self.path, &error))
    }
}

#[inline]
fn failed(path: &Path, error: &io::Error) -> Error {
    Error::File { op: OP, path: path.into(), kind: error.kind(), message: error.to_string() }
}
