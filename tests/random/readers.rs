//! The readers of data: any bytes at all, and those of a file, changed.

use super::Draw;
use downhill::data::{CsvOptions, Error, Idx, Kind, Result, Table};

fn message<T>(name: &str, result: Result<T>) -> Option<T> {
    result.inspect_err(|error| assert!(error.to_string().len() > 5, "{name}: {error:?}")).ok()
}

/// What is read holds no more elements than there are bytes.
fn idx(bytes: &[u8]) {
    let Some(idx) = message("idx", Idx::read(bytes)) else { return };
    let n = idx.shape().numel();
    // Gzip makes a thousandth of zeros.
    assert!(n <= 2000 * bytes.len());
    for (name, x) in [("tensor", idx.tensor()), ("images", idx.images()), ("labels", idx.labels())] {
        if let Some(x) = message(name, x) {
            assert_eq!((x.shape(), x.numel()), (idx.shape(), n), "{name}");
        }
    }
}

fn csv(bytes: &[u8], options: &CsvOptions) -> Result<()> {
    let table = Table::read(bytes, options)?;
    let names = table.names();
    for name in names {
        let columns = [message(name, table.values(name)), message(name, table.features(&[name]))];
        for x in columns.into_iter().flatten() {
            assert_eq!(x.shape()[0], table.len(), "{name}");
        }
        if let Some(classes) = message(name, table.classes(name)) {
            assert!(classes.len() <= table.len() + options.kinds.len() * 2, "{name}");
        }
        if let Some((x, y)) = message(name, table.split_target(name)) {
            assert_eq!((x.shape()[0], y.shape()[0]), (table.len(), table.len()), "{name}");
        }
    }
    Ok(())
}

/// Files with these bytes: the first one says how tables are read.
pub(crate) fn run(bytes: &[u8]) {
    idx(bytes);
    let Some((&how, bytes)) = bytes.split_first() else { return };
    let kind = match how >> 5 {
        0 => Some(Kind::Number),
        1 => Some(Kind::Category),
        2 => Some(Kind::Classes(vec!["a".into(), "b".into()])),
        3 => Some(Kind::Skip),
        _ => None,
    };
    let options = CsvOptions {
        delimiter: [b',', b';', b'\t', b'"', b'\n', how][usize::from(how >> 2) % 6],
        header: how & 1 == 0,
        missing: if how & 2 == 0 { CsvOptions::default().missing } else { Vec::new() },
        kinds: kind.map(|kind| ("0".to_string(), kind)).into_iter().collect(),
    };
    let result: Result<(), Error> = csv(bytes, &options);
    message("csv", result);
}

/// Files that are sound, changed as these bytes say.
pub(crate) fn damage(bytes: &[u8]) {
    const PICTURES: &[u8] = &[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 51, 255, 0, 1];
    const TABLE: &[u8] = b"\x80a,\"b\",0\n1.5,red,3\n,\"bl\"\"ue\",nan\r\n-2e3,red,7\n";
    let d = &mut Draw(bytes);
    let mut file = if d.flag() { PICTURES } else { TABLE }.to_vec();
    for _ in 0..=d.below(4) {
        let at = d.below(file.len().max(1));
        match d.byte() % 4 {
            0 => file.insert(at.min(file.len()), d.byte()),
            1 => drop((at < file.len()).then(|| file.remove(at))),
            2 => file.truncate(at),
            _ => {
                let byte = d.byte();
                file.get_mut(at).into_iter().for_each(|old| *old = byte);
            }
        }
    }
    run(&file);
}
