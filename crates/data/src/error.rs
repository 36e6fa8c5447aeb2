//! What can go wrong with data.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why data could not be had. `?` makes an [`Error`](downhill_tensor::Error) of `downhill` of it, with the same text.
///
/// ```
/// use downhill::data::Idx;
/// let error = Idx::open("there/is/none").unwrap_err();
/// assert!(error.to_string().starts_with("there/is/none: "));
/// ```
#[non_exhaustive]
#[derive(thiserror::Error)]
pub enum Error {
    /// What an operation on tensors refused.
    #[error(transparent)]
    Tensor(#[from] downhill_tensor::Error),
    /// What could not be read.
    #[error("{}{source}", prefix(path.as_ref()))]
    Io {
        /// The file, unless it was a reader.
        path: Option<PathBuf>,
        /// What the system says.
        source: io::Error,
    },
    /// Contents that are not of the format.
    #[error("{}{message}", prefix(path.as_ref()))]
    Format {
        /// The file, unless it was a reader.
        path: Option<PathBuf>,
        /// What is wrong, with the numbers.
        message: String,
    },
    /// A cell of a table, or a whole line.
    #[error("{}line {line}{}: {message}", prefix(path.as_ref()), .column.as_ref().map_or(String::new(), |(i, name)| format!(", column {i} ({name:?})")))]
    Cell {
        /// The file, unless it was a reader.
        path: Option<PathBuf>,
        /// The line, counted from 1.
        line: u64,
        /// The column, counted from 1, and its name.
        column: Option<(usize, String)>,
        /// What is wrong, with the text.
        message: String,
    },
    /// An entry that its dataset could not give.
    #[error("entry {index}: {source}")]
    Entry {
        /// The entry's number.
        index: usize,
        /// Why.
        source: Box<Error>,
    },
    /// An error of a dataset's or sampler's own, see [`Error::other`].
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
    /// A dataset that panicked on one of the loader's threads.
    #[error("DataLoader: a worker panicked: {message}")]
    Panic {
        /// The panic's text.
        message: String,
    },
}

/// As [`Display`](fmt::Display): it is what people see of an error that `main` returns.
impl fmt::Debug for Error {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[inline]
fn prefix(path: Option<&PathBuf>) -> String {
    path.map_or(String::new(), |path| format!("{}: ", path.display()))
}

impl Error {
    /// An error of a dataset of your own, from any error or text.
    ///
    /// ```
    /// use downhill::data::Error;
    /// assert_eq!(Error::other("no such picture").to_string(), "no such picture");
    /// ```
    #[inline]
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Other(error.into())
    }

    /// An option or argument outside of its range.
    #[inline]
    pub(crate) fn argument(op: &'static str, message: impl Into<String>) -> Self {
        Self::Tensor(downhill_tensor::Error::argument(op, message))
    }

    /// Contents of a reader that are not of the format.
    #[inline]
    pub(crate) fn format(message: impl Into<String>) -> Self {
        Self::Format { path: None, message: message.into() }
    }

    /// With the file that it came of.
    #[inline]
    pub(crate) fn at(mut self, file: &Path) -> Self {
        if let Self::Io { path, .. } | Self::Format { path, .. } | Self::Cell { path, .. } = &mut self {
            *path = Some(file.into());
        }
        self
    }
}

impl From<io::Error> for Error {
    #[inline]
    fn from(source: io::Error) -> Self {
        Self::Io { path: None, source }
    }
}

/// For `?` in functions that return the workspace's error.
impl From<Error> for downhill_tensor::Error {
    #[inline]
    fn from(error: Error) -> Self {
        match error {
            Error::Tensor(error) => error,
            error => Self::argument("data", error.to_string()),
        }
    }
}
