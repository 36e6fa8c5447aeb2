//! A corpus file: tensors by name, and cases as JSON that refers to them.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use safetensors::{Dtype as Stored, SafeTensors};
use serde_json::Value as Json;

/// The dtypes that a corpus knows; those of the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dtype {
    F64,
    F32,
    I64,
    Bool,
}

/// The elements of a stored tensor in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Data {
    F64(Vec<f64>),
    F32(Vec<f32>),
    I64(Vec<i64>),
    Bool(Vec<bool>),
}

impl Data {
    pub(crate) fn dtype(&self) -> Dtype {
        match self {
            Data::F64(_) => Dtype::F64,
            Data::F32(_) => Dtype::F32,
            Data::I64(_) => Dtype::I64,
            Data::Bool(_) => Dtype::Bool,
        }
    }
}

/// Plain data: what a file stores, and what a result of the library is turned into to be compared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Data,
}

pub(crate) type Tensors = HashMap<String, Rc<Array>>;

/// One file of a corpus.
pub(crate) struct File {
    pub(crate) tensors: Tensors,
    pub(crate) cases: Vec<Json>,
}

/// The corpus files of a folder, by name.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "safetensors"))
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(format!("{}: no *.safetensors here", folder.display()));
    }
    Ok(files)
}

impl File {
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let bytes = fs::read(path).map_err(|e| e.to_string())?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| e.to_string())?;
        let notes = header.metadata().clone().unwrap_or_default();
        let note = |key: &str| notes.get(key).ok_or(format!("no `{key}` in the metadata"));
        let format = note("format")?;
        if format != "1" {
            return Err(format!("format {format}, where this program reads format 1"));
        }
        let cases = serde_json::from_str(note("cases")?).map_err(|e| e.to_string())?;
        let stored = SafeTensors::deserialize(&bytes).map_err(|e| e.to_string())?;
        let tensors = stored
            .iter()
            .map(|(name, view)| {
                let data = decode(view.dtype(), view.data())?;
                let shape = view.shape().to_vec();
                Ok((name.to_string(), Rc::new(Array { shape, data })))
            })
            .collect::<Result<_, String>>()?;
        Ok(File { tensors, cases })
    }
}

fn decode(dtype: Stored, bytes: &[u8]) -> Result<Data, String> {
    Ok(match dtype {
        Stored::F64 => Data::F64(words(bytes).map(f64::from_le_bytes).collect()),
        Stored::F32 => Data::F32(words(bytes).map(f32::from_le_bytes).collect()),
        Stored::I64 => Data::I64(words(bytes).map(i64::from_le_bytes).collect()),
        Stored::BOOL => Data::Bool(bytes.iter().map(|&byte| byte != 0).collect()),
        other => return Err(format!("dtype {other:?} is not one of a corpus")),
    })
}

fn words<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.as_chunks().0.iter().copied()
}
