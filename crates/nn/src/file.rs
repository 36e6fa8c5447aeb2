//! States in files: the safetensors format, written at once or not at all, and read with nothing taken on trust.

use crate::header::{Header, METADATA};
use crate::replace::replace;
use crate::{Error, Result, StateDict};
use downhill_tensor::{DType, Element, IntoElement, Tensor, full, memory};
use safetensors::Dtype as Stored;
use safetensors::tensor::{Metadata, TensorInfo};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

/// What a file of the safetensors format holds: a state, texts about it, and what was converted to read it.
///
/// Elements of dtypes that tensors have (F64, F32, I64, BOOL) are read as they are. F16, BF16, `F8_E5M2` and `F8_E4M3` become `f32`; I32, I16,
/// I8, U64, U32, U16 and U8 become `i64`: without rounding, and up to eight times as long as in the file. What does not fit (a U64
/// beyond `i64`, another dtype) is refused. Nothing is allocated by the numbers in a header before the file is known to be as long.
///
/// # Examples
/// ```
/// use downhill::nn::{StateDict, StateFile};
/// use downhill::{DType, Tensor};
///
/// // One F16 of 1.5, as another program may write it.
/// let header = r#"{"x":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}  "#;
/// let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
/// bytes.extend(header.as_bytes());
/// bytes.extend([0x00, 0x3e]);
///
/// let file = StateFile::from_bytes(&bytes)?;
/// assert_eq!(file.state.get("x"), Some(&Tensor::from([1.5_f32])));
/// assert_eq!(file.converted[0].to_string(), "x: F16 to float32");
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`safetensors.torch`](https://huggingface.co/docs/safetensors/api/torch)
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct StateFile {
    /// The tensors, in the order of the header.
    pub state: StateDict,
    /// What the header says besides, by name.
    pub metadata: BTreeMap<String, String>,
    /// The tensors whose elements are of another dtype in the file.
    pub converted: Vec<Converted>,
}

/// A tensor of a [`StateFile`] whose elements are of another dtype in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Converted {
    /// The tensor's name.
    pub name: String,
    /// The dtype in the file, by the format's name.
    pub from: String,
    /// The dtype here.
    pub to: DType,
}

impl fmt::Display for Converted {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} to {}", self.name, self.from, self.to)
    }
}

impl StateFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::File`] for one that cannot be read, is damaged, or holds what no tensor can; [`Error::Memory`].
    #[inline]
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let read = || {
            let mut file = File::open(path)?;
            let length = file.metadata()?.len();
            read(&mut file, length)
        };
        read().map_err(|fault| fault.of("load", Some(path)))
    }

    /// Reads what a file of these bytes holds.
    ///
    /// # Errors
    /// [`Error::Argument`] for bytes that are damaged, or hold what no tensor can; [`Error::Memory`].
    #[inline]
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Self> {
        let length = bytes.len() as u64;
        read(&mut bytes, length).map_err(|fault| fault.of("from_bytes", None))
    }
}

/// Files of the safetensors format, with the feature `safetensors`.
impl StateDict {
    /// Writes the tensors to a file, in the safetensors format. A crash leaves the old file or the new one: a temporary file beside it
    /// (`.NAME.….tmp`) takes its place, with its permissions, once it is on the disk. A symbolic link is replaced by a file.
    ///
    /// # Errors
    /// [`Error::File`] for a file that cannot be written, which leaves the old one; [`Error::Memory`].
    ///
    /// # Examples
    /// ```
    /// use downhill::nn::{Linear, Module, StateDict};
    ///
    /// let path = std::env::temp_dir().join(format!("downhill-doc-{}.safetensors", std::process::id()));
    /// let fc = Linear::new(2, 3)?;
    /// fc.state_dict().save(&path)?;
    /// assert_eq!(StateDict::load(&path)?, fc.state_dict());
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), downhill::Error>(())
    /// ```
    ///
    /// # PyTorch
    /// `safetensors.torch.save_file`
    #[inline]
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.save_with(path, &BTreeMap::new())
    }

    /// [`save`](Self::save), with texts by name in the header.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    ///
    /// # Examples
    /// ```
    /// use downhill::nn::{Linear, Module, StateFile};
    ///
    /// let path = std::env::temp_dir().join(format!("downhill-doc-with-{}.safetensors", std::process::id()));
    /// let metadata = [("format".to_string(), "pt".to_string())].into();
    /// Linear::new(2, 3)?.state_dict().save_with(&path, &metadata)?;
    /// assert_eq!(StateFile::load(&path)?.metadata["format"], "pt");
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn save_with(&self, path: impl AsRef<Path>, metadata: &BTreeMap<String, String>) -> Result<()> {
        let path = path.as_ref();
        replace(path, &mut |file| write(file, self, metadata)).map_err(|fault| fault.of("save", Some(path)))
    }

    /// The tensors of a file, those of other dtypes converted: see [`StateFile`], which tells of which.
    ///
    /// # Errors
    /// As [`StateFile::load`].
    #[inline]
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Ok(StateFile::load(path)?.state)
    }

    /// The bytes of a file with these tensors.
    ///
    /// # Errors
    /// [`Error::Argument`] for a tensor called `__metadata__`, [`Error::Memory`].
    ///
    /// # Examples
    /// ```
    /// use downhill::nn::{Linear, Module, StateDict};
    ///
    /// let state = Linear::new(2, 3)?.state_dict();
    /// assert_eq!(StateDict::from_bytes(&state.to_bytes()?)?, state);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let data = self.iter().map(|(_, tensor)| width(tensor) * tensor.numel()).sum();
        let mut bytes = room("to_bytes", data)?;
        write(&mut bytes, self, &BTreeMap::new()).map_err(|fault| fault.of("to_bytes", None))?;
        Ok(bytes)
    }

    /// The tensors of a file with these bytes.
    ///
    /// # Errors
    /// As [`StateFile::from_bytes`].
    #[inline]
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Ok(StateFile::from_bytes(bytes)?.state)
    }
}

/// What is wrong, until the operation and the path are known.
enum Fault {
    Io(io::Error),
    /// What a file holds, or is to hold.
    Content(String),
    Other(Error),
}

impl Fault {
    #[inline]
    fn of(self, op: &'static str, path: Option<&Path>) -> Error {
        let (kind, message) = match self {
            Self::Other(error @ Error::Memory { .. }) => return error,
            Self::Other(error) => (ErrorKind::InvalidData, error.to_string()),
            Self::Content(message) => (ErrorKind::InvalidData, message),
            Self::Io(error) => (error.kind(), error.to_string()),
        };
        match path {
            Some(path) => Error::File { op, path: path.into(), kind, message },
            None => Error::argument(op, message),
        }
    }
}

impl From<io::Error> for Fault {
    #[inline]
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Error> for Fault {
    #[inline]
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// The error for what a file holds and something refuses.
#[inline]
pub(crate) fn misfit(op: &'static str, path: &Path, error: impl Into<Error>) -> Error {
    Fault::Other(error.into()).of(op, Some(path))
}

#[inline]
fn content<T>(message: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Content(message.into()))
}

/// The format's limit for a header.
const HEADER_BYTES: u64 = 100_000_000;

/// How much is read or written at a time.
const BLOCK_BYTES: usize = 1 << 16;

/// Reads a file of `length` bytes, in the order of the bytes.
#[inline]
fn read(file: &mut dyn Read, length: u64) -> Result<StateFile, Fault> {
    if length < 8 {
        return content(format!("{length} bytes are too few for the length of a header"));
    }
    let mut bytes = [0; 8];
    file.read_exact(&mut bytes)?;
    let size = u64::from_le_bytes(bytes);
    if bytes.starts_with(b"PK\x03\x04") {
        return content(
            "this is a zip file, as torch.save writes; safetensors.torch.save_file writes what can be read here",
        );
    }
    if size > HEADER_BYTES || size > length - 8 {
        let most = HEADER_BYTES.min(length - 8);
        return content(format!("the header is to have {size} bytes, and there can be {most}"));
    }
    let mut header = room("load", size as usize)?;
    header.resize(size as usize, 0);
    file.read_exact(&mut header)?;
    if header.first() != Some(&b'{') {
        return content("the header does not begin with {");
    }
    let header =
        str::from_utf8(&header).map_err(|error| Fault::Content(format!("the header is no text: {error}")))?;
    let wrong = |error: &dyn fmt::Display| Fault::Content(format!("the header cannot be read: {error}"));
    let Header { names, metadata } = serde_json::from_str(header).map_err(|error| wrong(&error))?;
    let places: Metadata = serde_json::from_str(header).map_err(|error| wrong(&error))?;
    let data = length - 8 - size;
    if places.data_len() as u64 != data {
        return content(format!(
            "the header tells of {} bytes of data, and there are {data}",
            places.data_len()
        ));
    }
    let (mut tensors, mut converted) = (BTreeMap::new(), Vec::new());
    for name in places.offset_keys() {
        let Some(info) = places.info(&name) else { continue };
        let tensor = read_tensor(file, &name, info)?;
        if is_converted(info.dtype) {
            converted.push(Converted {
                name: name.clone(),
                from: info.dtype.to_string(),
                to: tensor.dtype(),
            });
        }
        tensors.insert(name, tensor);
    }
    let state = names.into_iter().filter_map(|name| tensors.remove_entry(&name)).collect();
    Ok(StateFile { state, metadata, converted })
}

#[inline]
fn is_converted(dtype: Stored) -> bool {
    !matches!(dtype, Stored::F64 | Stored::F32 | Stored::I64 | Stored::BOOL)
}

/// A tensor from the next bytes.
#[inline]
fn read_tensor(file: &mut dyn Read, name: &str, info: &TensorInfo) -> Result<Tensor, Fault> {
    let shape = &info.shape;
    let tensor = match info.dtype {
        Stored::F64 => elements(file, shape, |x| Some(f64::from_le_bytes(x))),
        Stored::F32 => elements(file, shape, |x| Some(f32::from_le_bytes(x))),
        Stored::I64 => elements(file, shape, |x| Some(i64::from_le_bytes(x))),
        Stored::BOOL => elements(file, shape, |[x]| (x <= 1).then_some(x == 1)),
        Stored::F16 => elements(file, shape, |x| Some(half(u16::from_le_bytes(x)))),
        Stored::BF16 => {
            elements(file, shape, |x| Some(f32::from_bits(u32::from(u16::from_le_bytes(x)) << 16)))
        }
        // The upper half of an F16.
        Stored::F8_E5M2 => elements(file, shape, |[x]| Some(half(u16::from(x) << 8))),
        Stored::F8_E4M3 => elements(file, shape, |[x]| Some(quarter(x))),
        Stored::I32 => elements(file, shape, |x| Some(i64::from(i32::from_le_bytes(x)))),
        Stored::I16 => elements(file, shape, |x| Some(i64::from(i16::from_le_bytes(x)))),
        Stored::I8 => elements(file, shape, |x| Some(i64::from(i8::from_le_bytes(x)))),
        Stored::U64 => elements(file, shape, |x| i64::try_from(u64::from_le_bytes(x)).ok()),
        Stored::U32 => elements(file, shape, |x| Some(i64::from(u32::from_le_bytes(x)))),
        Stored::U16 => elements(file, shape, |x| Some(i64::from(u16::from_le_bytes(x)))),
        Stored::U8 => elements(file, shape, |[x]| Some(i64::from(x))),
        other => return content(format!("{name} is of dtype {other}, which no tensor here can hold")),
    };
    match tensor {
        Ok(Some(tensor)) => Ok(tensor),
        Ok(None) if info.dtype == Stored::BOOL => {
            content(format!("{name} has a boolean that is neither 0 nor 1"))
        }
        Ok(None) => content(format!("{name} has a number that int64 cannot hold")),
        Err(Fault::Other(error)) if !matches!(error, Error::Memory { .. }) => {
            content(format!("{name}: {error}"))
        }
        Err(fault) => Err(fault),
    }
}

/// A tensor of elements of `N` bytes; `None` if one has no value here.
#[inline]
fn elements<T: Element + IntoElement, const N: usize>(
    file: &mut dyn Read,
    shape: &[usize],
    value: impl Fn([u8; N]) -> Option<T>,
) -> Result<Option<Tensor>, Fault> {
    let mut tensor = full(shape, T::default())?;
    let mut block = vec![0; BLOCK_BYTES.min(tensor.numel() * N)];
    for places in tensor.make_mut::<T>()?.chunks_mut(BLOCK_BYTES / N) {
        let bytes = &mut block[..places.len() * N];
        file.read_exact(bytes)?;
        for (place, bytes) in places.iter_mut().zip(bytes.as_chunks::<N>().0) {
            let Some(value) = value(*bytes) else { return Ok(None) };
            *place = value;
        }
    }
    Ok(Some(tensor))
}

/// The value of an F16: its exponent is 112 less than that of an `f32`, and a product with a power of 2 also brings numbers below the
/// normal ones there.
#[inline]
fn half(bits: u16) -> f32 {
    let (sign, rest) = (u32::from(bits & 0x8000) << 16, u32::from(bits & 0x7fff));
    let value = if rest < 0x7c00 {
        (f32::from_bits(rest << 13) * 2_f32.powi(112)).to_bits()
    } else {
        0x7f80_0000 | (rest & 0x3ff) << 13
    };
    f32::from_bits(sign | value)
}

/// The value of an `F8_E4M3`, which has no infinities.
#[inline]
fn quarter(bits: u8) -> f32 {
    let (sign, rest) = (u32::from(bits & 0x80) << 24, u32::from(bits & 0x7f));
    let value = if rest == 0x7f { f32::NAN } else { f32::from_bits(rest << 20) * 2_f32.powi(120) };
    f32::from_bits(sign | value.to_bits())
}

/// Memory for so many bytes.
#[inline]
fn room(op: &'static str, bytes: usize) -> Result<Vec<u8>> {
    let mut room = Vec::new();
    // What the pool keeps is free, too.
    memory::check::<u8>(op, bytes)?;
    room.try_reserve_exact(bytes).map_err(|_| Error::Memory { op, bytes, shape: None })?;
    Ok(room)
}

/// The bytes of an element.
#[inline]
fn width(tensor: &Tensor) -> usize {
    match tensor.dtype() {
        DType::F64 | DType::I64 => 8,
        DType::F32 => 4,
        DType::Bool => 1,
    }
}

/// Writes a file: the header in the state's order, the data by the elements' width, so that all of it is aligned.
#[inline]
fn write(file: &mut dyn Write, state: &StateDict, metadata: &BTreeMap<String, String>) -> Result<(), Fault> {
    let mut by_width: Vec<_> = state.iter().collect();
    by_width.sort_by_key(|(_, tensor)| std::cmp::Reverse(width(tensor)));
    let (mut at, mut places) = (0, BTreeMap::new());
    for (name, tensor) in &by_width {
        let end = at + width(tensor) * tensor.numel();
        places.insert(*name, (at, end));
        at = end;
    }
    let text = |error: serde_json::Error| Fault::Content(error.to_string());
    let mut entries = Vec::new();
    if !metadata.is_empty() {
        entries.push(format!("\"{METADATA}\":{}", serde_json::to_string(metadata).map_err(text)?));
    }
    for (name, tensor) in state.iter() {
        if name == METADATA {
            return content(format!("a tensor cannot be called {METADATA}"));
        }
        let dtype = match tensor.dtype() {
            DType::F64 => Stored::F64,
            DType::F32 => Stored::F32,
            DType::I64 => Stored::I64,
            DType::Bool => Stored::BOOL,
        };
        let info = TensorInfo { dtype, shape: tensor.shape().to_vec(), data_offsets: places[name] };
        let (name, info) =
            (serde_json::to_string(name).map_err(text)?, serde_json::to_string(&info).map_err(text)?);
        entries.push(format!("{name}:{info}"));
    }
    let mut header = format!("{{{}}}", entries.join(",")).into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    if header.len() as u64 > HEADER_BYTES {
        return content(format!("the header would have {} bytes, and may have {HEADER_BYTES}", header.len()));
    }
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    for (_, tensor) in by_width {
        let tensor = tensor.detach().try_contiguous()?;
        match tensor.dtype() {
            DType::F64 => put(file, tensor.as_slice()?, f64::to_le_bytes)?,
            DType::F32 => put(file, tensor.as_slice()?, f32::to_le_bytes)?,
            DType::I64 => put(file, tensor.as_slice()?, i64::to_le_bytes)?,
            DType::Bool => put(file, tensor.as_slice()?, |x: bool| [u8::from(x)])?,
        }
    }
    Ok(())
}

#[inline]
fn put<T: Copy, const N: usize>(
    file: &mut dyn Write,
    values: &[T],
    bytes: impl Fn(T) -> [u8; N],
) -> io::Result<()> {
    let mut block = Vec::with_capacity(BLOCK_BYTES.min(values.len() * N));
    for values in values.chunks(BLOCK_BYTES / N) {
        block.clear();
        for value in values {
            block.extend(bytes(*value));
        }
        file.write_all(&block)?;
    }
    Ok(())
}
