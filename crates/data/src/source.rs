//! Bytes from a reader, decompressed if need be.

use std::io::{self, Cursor, Read};

/// The first bytes of what gzip writes.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What a reader gives, without its compression.
#[inline]
pub(crate) fn plain<'a>(mut reader: Box<dyn Read + 'a>) -> io::Result<Box<dyn Read + 'a>> {
    let mut first = Vec::new();
    (&mut reader).take(GZIP.len() as u64).read_to_end(&mut first)?;
    let compressed = first == GZIP;
    let all = Cursor::new(first).chain(reader);
    if compressed { decompressed(all) } else { Ok(Box::new(all)) }
}

#[cfg(feature = "gzip")]
#[allow(clippy::unnecessary_wraps, reason = "it is an error without the feature")]
#[inline]
fn decompressed<'a>(reader: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    Ok(Box::new(flate2::read::MultiGzDecoder::new(reader)))
}

#[cfg(not(feature = "gzip"))]
#[inline]
fn decompressed<'a>(_: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "compressed by gzip, which the feature `gzip` reads"))
}
