//! Tables of comma-separated values.

use crate::source::plain;
use crate::{Error, Result};
use csv::{ErrorKind, ReaderBuilder, StringRecord, Trim};
use downhill_tensor::{DType, Tensor};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What a column of a [`Table`] holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Numbers.
    Number,
    /// Texts, which become classes: in order of their names, or of their values if all of them are numbers.
    Category,
    /// Texts of these classes, in this order: those of another file, for instance. Others are refused.
    Classes(Vec<String>),
    /// Nothing of interest.
    Skip,
}

/// How a [`Table`] is read.
///
/// ```
/// use downhill::data::{CsvOptions, Kind, Table};
/// let options = CsvOptions {
///     delimiter: b';',
///     kinds: vec![("class".into(), Kind::Category), ("id".into(), Kind::Skip)],
///     ..Default::default()
/// };
/// let table = Table::read(&b"id;age;class\na;31;1\nb;?;2\n"[..], &options)?;
/// assert_eq!(table.names(), ["age", "class"]);
/// # Ok::<(), downhill::data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CsvOptions {
    /// What stands between cells, `,` by default.
    pub delimiter: u8,
    /// Whether the first line has the columns' names, as by default; otherwise they are called 0, 1, …
    pub header: bool,
    /// What stands for a missing value: by default nothing, `?`, `NA`, `N/A`, `null`, and `nan` in any case.
    pub missing: Vec<String>,
    /// What columns of these names hold. Of the others, those are numbers whose cells all are, or are missing; the rest are categories.
    pub kinds: Vec<(String, Kind)>,
}

impl Default for CsvOptions {
    #[inline]
    fn default() -> Self {
        let missing = ["", "?", "NA", "N/A", "null", "nan", "NaN", "NAN"].map(String::from).into();
        Self { delimiter: b',', header: true, missing, kinds: Vec::new() }
    }
}

#[derive(Clone, Debug)]
enum Values {
    /// NaN where one is missing.
    Numbers(Vec<f64>),
    /// Indices of classes, −1 where one is missing.
    Classes { indices: Vec<i64>, classes: Vec<String> },
}

#[derive(Clone, Debug)]
struct Column {
    name: String,
    /// In the file, counted from 1.
    number: usize,
    values: Values,
    /// The line of the first missing value.
    missing: Option<u64>,
}

/// The columns of a file of comma-separated values: numbers, and categories as classes.
///
/// The file is UTF-8, plain, or compressed by gzip with the feature `gzip`. Cells may be quoted as in
/// [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180); white space around them does not count.
///
/// # Examples
/// ```
/// use downhill::Tensor;
/// use downhill::data::{CsvOptions, Table};
///
/// let file = "length,color,species\n1.5,red,setosa\n,blue,virginica\n2.5,red,setosa\n";
/// let table = Table::read(file.as_bytes(), &CsvOptions::default())?;
/// let (x, y) = table.split_target("species")?;
/// // A number, which is missing once, and a color as one of two.
/// assert_eq!(x.slice((.., 1..))?, Tensor::from([[0.0_f32, 1.0], [1.0, 0.0], [0.0, 1.0]]));
/// assert!(x.slice((1, 0))?.item::<f32>()?.is_nan());
/// assert_eq!(y, Tensor::from([0, 1, 0]));
/// assert_eq!(table.classes("species")?, ["setosa", "virginica"]);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// It has none; this has the place of [`pandas.read_csv`](https://pandas.pydata.org/docs/reference/api/pandas.read_csv.html) and scikit-learn's
/// `OneHotEncoder`.
#[doc(alias = "read_csv")]
#[derive(Clone, Debug)]
pub struct Table {
    path: Option<PathBuf>,
    columns: Vec<Column>,
    names: Vec<String>,
    /// The columns by name.
    places: HashMap<String, usize>,
    rows: usize,
}

impl Table {
    /// Of a file.
    ///
    /// # Errors
    /// As [`read`](Self::read), with the file's path.
    #[inline]
    pub fn open(path: impl AsRef<Path>, options: &CsvOptions) -> Result<Self> {
        let path = path.as_ref();
        let open = || Self::decode(Box::new(File::open(path)?), options);
        open().map(|table| Self { path: Some(path.into()), ..table }).map_err(|error| error.at(path))
    }

    /// Of what a reader gives.
    ///
    /// # Errors
    /// [`Error::Cell`], with line and column, for a cell that is not of the kind given, for a line that has more or fewer cells than the first,
    /// and for one that is not UTF-8; [`Error::Format`] for a file without a header, or with one name twice;
    /// [`downhill::Error::Argument`](downhill_tensor::Error::Argument) for a kind of a column that there is not; [`Error::Io`].
    #[inline]
    pub fn read(reader: impl Read, options: &CsvOptions) -> Result<Self> {
        Self::decode(Box::new(reader), options)
    }

    #[inline]
    fn decode(reader: Box<dyn Read + '_>, options: &CsvOptions) -> Result<Self> {
        let mut bytes = Vec::new();
        plain(reader)?.read_to_end(&mut bytes)?;
        let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
        let mut lines = Lines { text, at: 0, line: 1 };
        if let Err(error) = str::from_utf8(text) {
            return Err(refused(lines.of(error.valid_up_to()), error.to_string()));
        }
        let mut reader = ReaderBuilder::new();
        let mut reader =
            reader.delimiter(options.delimiter).has_headers(false).trim(Trim::All).from_reader(text);
        let records = reader.records().map(|record| match record {
            Ok(record) => Ok((lines.of(start(record.position())), record)),
            Err(error) => Err(unlike(&mut lines, &error)),
        });
        let mut records = records.collect::<Result<Vec<_>>>()?;
        let header = match options.header {
            true if records.is_empty() => return Err(Error::format("a table without a header")),
            true => Some(records.remove(0).1),
            false => None,
        };
        let width = records.first().map_or(0, |(_, record)| record.len());
        let names: Vec<_> = match header {
            Some(header) => header.iter().map(String::from).collect(),
            None => (0..width).map(|i| i.to_string()).collect(),
        };
        let mut numbers = HashMap::new();
        if let Some(twice) = names.iter().zip(1..).find_map(|(name, i)| numbers.insert(name, i).map(|_| name))
        {
            return Err(Error::format(format!("two columns have the name {twice:?}")));
        }
        if let Some((name, _)) = options.kinds.iter().find(|(name, _)| !numbers.contains_key(name)) {
            return Err(Error::argument(
                "Table",
                format!("a kind for {name:?}, but the columns are {names:?}"),
            ));
        }
        // The first of two kinds for one name counts.
        let kinds: HashMap<_, _> = options.kinds.iter().rev().map(|(name, kind)| (name, kind)).collect();
        let mut columns = Vec::new();
        for (i, name) in names.iter().enumerate() {
            let kind = kinds.get(name).copied();
            if kind != Some(&Kind::Skip) {
                let cells = Cells { records: &records, missing: &options.missing, i, name };
                columns.push(cells.column(kind)?);
            }
        }
        let names: Vec<_> = columns.iter().map(|column| column.name.clone()).collect();
        let places = names.iter().cloned().zip(0..).collect();
        Ok(Self { path: None, columns, names, places, rows: records.len() })
    }

    /// How many rows it has, without the header.
    #[inline]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether it has none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The columns' names, without those that were skipped.
    #[inline]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    #[inline]
    fn column(&self, name: &str) -> Result<&Column> {
        self.places.get(name).map(|&i| &self.columns[i]).ok_or_else(|| {
            Error::argument("Table", format!("no column {name:?}; there are {:?}", self.names))
        })
    }

    /// The names of a category's classes, in the order of their indices.
    ///
    /// # Errors
    /// [`downhill::Error::Argument`](downhill_tensor::Error::Argument) for a column that there is not, or that holds numbers.
    #[inline]
    pub fn classes(&self, name: &str) -> Result<&[String]> {
        match &self.column(name)?.values {
            Values::Classes { classes, .. } => Ok(classes),
            Values::Numbers(_) => Err(Error::argument(
                "Table",
                format!("column {name:?} holds numbers (`Kind::Category` makes classes of them)"),
            )),
        }
    }

    /// One column, `[rows]`: numbers as `f64`, NaN where one is missing; categories as class indices, `i64`, −1 where one is missing.
    ///
    /// # Errors
    /// [`downhill::Error::Argument`](downhill_tensor::Error::Argument) for a column that there is not;
    /// [`downhill::Error::Memory`](downhill_tensor::Error::Memory).
    #[inline]
    pub fn values(&self, name: &str) -> Result<Tensor> {
        Ok(match &self.column(name)?.values {
            Values::Numbers(numbers) => Tensor::from_slice(numbers, self.rows)?,
            Values::Classes { indices, .. } => Tensor::from_slice(indices, self.rows)?,
        })
    }

    /// Columns beside each other as `f32`, `[rows, features]`: of numbers one feature each, NaN where one is missing (and infinite beyond
    /// `f32`); of a category one for each class, a 1 in that of the row's and 0 in the others, in all of them where it is missing.
    ///
    /// # Errors
    /// As [`values`](Self::values).
    #[inline]
    pub fn features(&self, names: &[impl AsRef<str>]) -> Result<Tensor> {
        let columns = names.iter().map(|name| self.column(name.as_ref())).collect::<Result<Vec<_>>>()?;
        let features = |column: &Column| match &column.values {
            Values::Numbers(_) => 1,
            Values::Classes { classes, .. } => classes.len(),
        };
        let width = columns.iter().map(|column| features(column)).sum();
        let x = Tensor::build([self.rows, width], |out: &mut [f32]| {
            out.fill(0.0);
            let mut first = 0;
            for column in columns {
                for (i, row) in out.chunks_exact_mut(width.max(1)).enumerate() {
                    match &column.values {
                        Values::Numbers(numbers) => row[first] = numbers[i] as f32,
                        Values::Classes { indices, .. } if indices[i] >= 0 => {
                            row[first + indices[i] as usize] = 1.0;
                        }
                        Values::Classes { .. } => {}
                    }
                }
                first += features(column);
            }
        });
        Ok(x?)
    }

    /// The [`features`](Self::features) of all columns but one, and that one, `[rows]`: class indices of a category, numbers as `f32`.
    ///
    /// # Errors
    /// As [`values`](Self::values); [`Error::Cell`] if the target is missing somewhere.
    #[inline]
    pub fn split_target(&self, target: &str) -> Result<(Tensor, Tensor)> {
        let column = self.column(target)?;
        if let Some(line) = column.missing {
            let at = Some((column.number, column.name.clone()));
            let message = "the target is missing".into();
            return Err(Error::Cell { path: self.path.clone(), line, column: at, message });
        }
        let y = self.values(target)?;
        let y = if y.dtype() == DType::F64 { y.try_to_dtype(DType::F32)? } else { y };
        let names: Vec<_> = self.names.iter().filter(|name| *name != target).collect();
        Ok((self.features(&names)?, y))
    }
}

/// Lines by the bytes where they are, in ascending order.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line, counted from 1, of this byte, or of the first one behind it that does not end a line: empty lines are no rows.
    #[inline]
    fn of(&mut self, byte: usize) -> u64 {
        let ends = |byte: &usize| matches!(self.text.get(*byte), Some(b'\n' | b'\r'));
        let byte = (byte..self.text.len()).find(|byte| !ends(byte)).unwrap_or(byte);
        let passed = self.at..byte.max(self.at);
        let end = |&i: &usize| {
            self.text[i] == b'\n' || self.text[i] == b'\r' && self.text.get(i + 1) != Some(&b'\n')
        };
        self.line += passed.clone().filter(|i| ends(i) && end(i)).count() as u64;
        self.at = passed.end;
        self.line
    }
}

#[inline]
fn start(position: Option<&csv::Position>) -> usize {
    position.map_or(0, |position| position.byte() as usize)
}

#[inline]
fn refused(line: u64, message: String) -> Error {
    Error::Cell { path: None, line, column: None, message }
}

/// The error of a line that has more or fewer cells than others.
#[inline]
fn unlike(lines: &mut Lines<'_>, error: &csv::Error) -> Error {
    let line = lines.of(start(error.position()));
    match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            refused(line, format!("{len} cells, but the first line has {expected_len}"))
        }
        kind => refused(line, format!("{kind:?}")),
    }
}

/// The cells of a column.
struct Cells<'a> {
    records: &'a [(u64, StringRecord)],
    missing: &'a [String],
    i: usize,
    name: &'a str,
}

impl<'a> Cells<'a> {
    /// The texts with their lines; none where a value is missing.
    #[inline]
    fn iter(&self) -> impl Iterator<Item = (u64, Option<&'a str>)> {
        self.records.iter().map(|(line, record)| {
            (*line, record.get(self.i).filter(|text| !self.missing.iter().any(|missing| missing == text)))
        })
    }

    #[inline]
    fn error(&self, line: u64, message: String) -> Error {
        Error::Cell { path: None, line, column: Some((self.i + 1, self.name.into())), message }
    }

    #[inline]
    fn column(&self, kind: Option<&Kind>) -> Result<Column> {
        let values = match kind {
            Some(Kind::Number) => Values::Numbers(self.numbers()?),
            Some(Kind::Category) => self.classes(self.found(), false)?,
            Some(Kind::Classes(classes)) => self.classes(classes.clone(), true)?,
            Some(Kind::Skip) | None => match self.numbers() {
                Ok(numbers) => Values::Numbers(numbers),
                Err(_) => self.classes(self.found(), false)?,
            },
        };
        let missing = self.iter().find(|(_, text)| text.is_none()).map(|(line, _)| line);
        Ok(Column { name: self.name.into(), number: self.i + 1, values, missing })
    }

    #[inline]
    fn numbers(&self) -> Result<Vec<f64>> {
        let number = |(line, text): (u64, Option<&str>)| {
            let Some(text) = text else { return Ok(f64::NAN) };
            text.parse().map_err(|_| self.error(line, format!("{text:?} is no number")))
        };
        self.iter().map(number).collect()
    }

    /// The classes that occur, in order.
    #[inline]
    fn found(&self) -> Vec<String> {
        let mut classes: Vec<_> = self.iter().filter_map(|(_, text)| text).collect();
        classes.sort_unstable();
        classes.dedup();
        let number = |text: &str| text.parse::<f64>();
        if classes.iter().all(|text| number(text).is_ok()) {
            // Every NaN has a place, as sorting wants it.
            classes.sort_by(|a, b| {
                number(a).ok().zip(number(b).ok()).map_or(Ordering::Equal, |(a, b)| a.total_cmp(&b))
            });
        }
        classes.into_iter().map(String::from).collect()
    }

    #[inline]
    fn classes(&self, classes: Vec<String>, given: bool) -> Result<Values> {
        let index: HashMap<_, _> = classes.iter().map(String::as_str).zip(0_i64..).collect();
        if given && index.len() < classes.len() {
            return Err(Error::argument(
                "Table",
                format!("one class of column {:?} twice: {classes:?}", self.name),
            ));
        }
        let class = |(line, text): (u64, Option<&str>)| match text.map(|text| index.get(text).ok_or(text)) {
            None => Ok(-1),
            Some(Ok(&class)) => Ok(class),
            Some(Err(text)) => Err(self.error(line, format!("{text:?} is none of the classes {classes:?}"))),
        };
        let indices = self.iter().map(class).collect::<Result<_>>()?;
        Ok(Values::Classes { indices, classes })
    }
}
