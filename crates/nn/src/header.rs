//! The header of a file of the safetensors format, and what may stand there.

use downhill_tensor::MAX_RANK;
use safetensors::Dtype as Stored;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::{BTreeMap, HashSet};
use std::fmt;

/// The name in the header that is no tensor's.
pub(crate) const METADATA: &str = "__metadata__";

/// Names and texts of a header; of the tensors, the crate's [`Metadata`](safetensors::tensor::Metadata) checks offsets, sizes and dtypes.
#[derive(Default)]
pub(crate) struct Header {
    /// Of the tensors, in order.
    pub(crate) names: Vec<String>,
    pub(crate) metadata: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Header;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with an entry for each tensor")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let (mut header, mut seen) = (Header::default(), HashSet::new());
                while let Some(name) = map.next_key::<String>()? {
                    if !seen.insert(name.clone()) {
                        return Err(de::Error::custom(format_args!("there are two entries named {name:?}")));
                    }
                    if name == METADATA {
                        header.metadata = map.next_value()?;
                    } else {
                        let Entry { dtype, shape: Sizes(shape), data_offsets: (from, to) } =
                            map.next_value()?;
                        let bits =
                            shape.iter().try_fold(dtype.bitsize(), |bits, size| bits.checked_mul(*size));
                        if bits.is_none_or(|bits| {
                            Some(bits) != to.checked_sub(from).and_then(|n| n.checked_mul(8))
                        }) {
                            let text = format_args!(
                                "{name:?} of {dtype} and shape {shape:?} does not fill bytes {from} to {to}"
                            );
                            return Err(de::Error::custom(text));
                        }
                        header.names.push(name);
                    }
                }
                Ok(header)
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// What may stand in a tensor's entry.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    dtype: Stored,
    shape: Sizes,
    data_offsets: (usize, usize),
}

/// As many sizes as a shape may have.
struct Sizes(Vec<usize>);

impl<'de> Deserialize<'de> for Sizes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Few;
        impl<'de> Visitor<'de> for Few {
            type Value = Sizes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an array of at most {MAX_RANK} sizes")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut sizes: A) -> Result<Sizes, A::Error> {
                let mut shape = Vec::with_capacity(MAX_RANK);
                while let Some(size) = sizes.next_element()? {
                    if shape.len() == MAX_RANK {
                        return Err(de::Error::invalid_length(MAX_RANK + 1, &self));
                    }
                    shape.push(size);
                }
                Ok(Sizes(shape))
            }
        }
        deserializer.deserialize_seq(Few)
    }
}
