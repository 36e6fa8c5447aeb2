//! The files of MNIST.

use crate::source::plain;
use crate::{Error, Result};
use downhill_tensor::{Shape, Tensor};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// What elements a file has, by the number in its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    U8,
    I8,
    I16,
    I32,
    F32,
    F64,
}

impl Kind {
    #[inline]
    fn of(byte: u8) -> Option<Self> {
        let kinds = [
            (8, Self::U8),
            (9, Self::I8),
            (11, Self::I16),
            (12, Self::I32),
            (13, Self::F32),
            (14, Self::F64),
        ];
        kinds.iter().find(|(code, _)| *code == byte).map(|&(_, kind)| kind)
    }

    #[inline]
    fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// An array in the IDX format, as MNIST and its kin are stored: plain, or compressed by gzip with the feature `gzip`.
///
/// # Format
/// Two zero bytes, one for the type of the elements, one for the number of dimensions; the sizes, of 32 bits each; the elements in
/// row-major order; all big-endian. See [the MNIST database](https://web.archive.org/web/20220331130319/https://yann.lecun.com/exdb/mnist/).
///
/// # Safety of what is read
/// No more memory is asked for than twice what the reader has given, whatever the sizes in the header are. A file that ends early or
/// goes on after its last element is refused.
///
/// # Examples
/// ```
/// use downhill::Tensor;
/// use downhill::data::Idx;
///
/// let file = [0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 51, 255];
/// let idx = Idx::read(&file[..])?;
/// assert_eq!(idx.images()?, Tensor::from([[[0.2_f32, 1.0]]]));
/// # Ok::<(), downhill::data::Error>(())
/// ```
/// Of a folder, into a dataset:
/// ```no_run
/// use downhill::data::{Idx, TensorDataset};
/// let x = Idx::open("mnist/train-images-idx3-ubyte.gz")?.images()?;
/// let y = Idx::open("mnist/train-labels-idx1-ubyte.gz")?.labels()?;
/// let train = TensorDataset::new((x, y))?;
/// # Ok::<(), downhill::data::Error>(())
/// ```
///
/// # PyTorch
/// [`torchvision.datasets.MNIST`](https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.MNIST.html) with `ToTensor`, whose pictures have
/// a dimension for colors in front: `unsqueeze(1)`.
#[doc(alias = "MNIST")]
#[derive(Clone, Debug)]
pub struct Idx {
    path: Option<PathBuf>,
    kind: Kind,
    shape: Shape,
    bytes: Vec<u8>,
}

impl Idx {
    /// Of a file.
    ///
    /// # Errors
    /// As [`read`](Self::read), with the file's path.
    #[inline]
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let open = || Self::decode(Box::new(BufReader::new(File::open(path)?)));
        open().map(|idx| Self { path: Some(path.into()), ..idx }).map_err(|error| error.at(path))
    }

    /// Of what a reader gives.
    ///
    /// # Errors
    /// [`Error::Format`] for a header that is none, more than 8 dimensions, and fewer or more elements than the header says;
    /// [`Error::Io`].
    #[inline]
    pub fn read(reader: impl Read) -> Result<Self> {
        Self::decode(Box::new(reader))
    }

    #[inline]
    fn decode(reader: Box<dyn Read + '_>) -> Result<Self> {
        let mut reader = plain(reader)?;
        let magic = header(&mut *reader)?;
        let [0, 0, code, rank] = magic else {
            let message =
                format!("not an IDX file: it begins with the bytes {magic:02x?}, not with two zeros");
            return Err(Error::format(message));
        };
        let Some(kind) = Kind::of(code) else {
            return Err(Error::format(format!("an IDX file of the unknown type {code:#04x}")));
        };
        let size = |_| Ok(u32::from_be_bytes(header(&mut *reader)?) as usize);
        let sizes = (0..rank).map(size).collect::<Result<Vec<_>>>()?;
        let shape = Shape::new("idx", &sizes).map_err(|error| Error::format(error.to_string()))?;
        let Some(wanted) = shape.numel().checked_mul(kind.size()) else {
            return Err(Error::format(format!(
                "an IDX file of shape {shape} has more bytes than there can be"
            )));
        };
        let mut bytes = Vec::new();
        (&mut reader).take(wanted as u64).read_to_end(&mut bytes)?;
        if bytes.len() < wanted {
            let message = format!("shape {shape} needs {wanted} bytes, but there are {}", bytes.len());
            return Err(Error::format(message));
        }
        if reader.take(1).read_to_end(&mut Vec::new())? > 0 {
            return Err(Error::format(format!("bytes follow after the {wanted} of shape {shape}")));
        }
        Ok(Self { path: None, kind, shape, bytes })
    }

    /// The sizes of its dimensions.
    #[inline]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The elements: integers as `i64`, floats as they are.
    ///
    /// # Errors
    /// [`downhill::Error::Memory`](downhill_tensor::Error::Memory).
    ///
    /// ```
    /// use downhill::{Tensor, data::Idx};
    /// let idx = Idx::read(&[0, 0, 11, 1, 0, 0, 0, 2, 0, 1, 255, 255][..])?;
    /// assert_eq!(idx.tensor()?, Tensor::from([1, -1]));
    /// # Ok::<(), downhill::data::Error>(())
    /// ```
    #[inline]
    pub fn tensor(&self) -> Result<Tensor> {
        let integers = |of: &dyn Fn(&[u8]) -> i64| {
            Tensor::build(self.shape, |out: &mut [i64]| self.fill(out, &|bytes| of(bytes)))
        };
        Ok(match self.kind {
            Kind::U8 => integers(&|b| b[0].into()),
            Kind::I8 => integers(&|b| (b[0] as i8).into()),
            Kind::I16 => integers(&|b| i16::from_be_bytes(array(b)).into()),
            Kind::I32 => integers(&|b| i32::from_be_bytes(array(b)).into()),
            Kind::F32 => Tensor::build(self.shape, |out| self.fill(out, &|b| f32::from_be_bytes(array(b)))),
            Kind::F64 => Tensor::build(self.shape, |out| self.fill(out, &|b| f64::from_be_bytes(array(b)))),
        }?)
    }

    #[inline]
    fn fill<T>(&self, out: &mut [T], of: &dyn Fn(&[u8]) -> T) {
        out.iter_mut().zip(self.bytes.chunks_exact(self.kind.size())).for_each(|(x, bytes)| *x = of(bytes));
    }

    /// Pictures of brightness 0 to 1, a 255th of the bytes: `f32` of shape `[pictures, rows, columns]`.
    ///
    /// # Errors
    /// [`Error::Format`] unless it has unsigned bytes in 3 dimensions; [`downhill::Error::Memory`](downhill_tensor::Error::Memory).
    #[inline]
    pub fn images(&self) -> Result<Tensor> {
        if self.kind != Kind::U8 || self.shape.rank() != 3 {
            return Err(self.unlike("pictures (unsigned bytes in 3 dimensions)"));
        }
        Ok(Tensor::build(self.shape, |out| self.fill(out, &|b| f32::from(b[0]) / 255.0))?)
    }

    /// Class indices: `i64`, one a picture.
    ///
    /// # Errors
    /// [`Error::Format`] unless it has integers in 1 dimension; [`downhill::Error::Memory`](downhill_tensor::Error::Memory).
    #[inline]
    pub fn labels(&self) -> Result<Tensor> {
        if matches!(self.kind, Kind::F32 | Kind::F64) || self.shape.rank() != 1 {
            return Err(self.unlike("labels (integers in 1 dimension)"));
        }
        self.tensor()
    }

    #[inline]
    fn unlike(&self, expected: &str) -> Error {
        let message =
            format!("expected {expected}, but the file has {:?} of shape {}", self.kind, self.shape);
        Error::Format { path: self.path.clone(), message }
    }
}

/// Four bytes of the header.
#[inline]
fn header(reader: &mut dyn Read) -> Result<[u8; 4]> {
    let mut bytes = Vec::new();
    reader.take(4).read_to_end(&mut bytes)?;
    let ended =
        |bytes: Vec<u8>| Error::format(format!("the IDX file ends {} bytes into its header", bytes.len()));
    bytes.try_into().map_err(ended)
}

/// Bytes whose number is known.
#[inline]
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    std::array::from_fn(|i| bytes[i])
}
