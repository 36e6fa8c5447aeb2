use downhill::Tensor;
use downhill::data::Idx;
use flate2::{Compression, read::GzEncoder};
use proptest::prelude::*;
use std::io::{self, Read};

/// Sizes and elements of an array in the format.
fn file(kind: u8, sizes: &[u32], elements: &[u8]) -> Vec<u8> {
    let sizes: Vec<_> = sizes.iter().flat_map(|size| size.to_be_bytes()).collect();
    [&[0, 0, kind, (sizes.len() / 4) as u8], &sizes[..], elements].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    GzEncoder::new(bytes, Compression::fast()).read_to_end(&mut out).unwrap();
    out
}

/// A reader that gives a byte at a time.
struct Slowly<'a>(&'a [u8]);

impl Read for Slowly<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = out.len().min(1);
        self.0.read(&mut out[..n])
    }
}

#[test]
fn pictures_and_labels_are_read_plain_and_compressed() {
    let pictures = file(8, &[2, 1, 2], &[0, 51, 255, 102]);
    let wanted = Tensor::from([[[0.0_f32, 0.2]], [[1.0, 0.4]]]);
    for bytes in [pictures.clone(), gzip(&pictures), [gzip(&pictures[..9]), gzip(&pictures[9..])].concat()] {
        assert_eq!(Idx::read(&bytes[..]).unwrap().images().unwrap(), wanted);
        assert_eq!(Idx::read(Slowly(&bytes)).unwrap().images().unwrap(), wanted);
    }
    let labels = Idx::read(&file(8, &[3], &[7, 0, 255])[..]).unwrap();
    assert_eq!(labels.labels().unwrap(), Tensor::from([7, 0, 255]));
}

#[test]
fn elements_of_every_type_are_read() {
    let read =
        |kind, size: u32, bytes: &[u8]| Idx::read(&file(kind, &[size], bytes)[..]).unwrap().tensor().unwrap();
    assert_eq!(read(9, 2, &[1, 255]), Tensor::from([1, -1]));
    assert_eq!(read(11, 2, &[1, 0, 255, 254]), Tensor::from([256, -2]));
    assert_eq!(read(12, 1, &[0xff, 0xff, 0xff, 0xfe]), Tensor::from([-2]));
    assert_eq!(read(13, 1, &1.5_f32.to_be_bytes()), Tensor::from([1.5_f32]));
    assert_eq!(read(14, 1, &(-0.1_f64).to_be_bytes()), Tensor::from([-0.1]));
    assert_eq!(read(8, 0, &[]).shape(), &[0]);
}

#[test]
fn what_is_no_array_is_refused() {
    let cases = [
        (vec![], "the IDX file ends 0 bytes into its header"),
        (vec![0, 0, 8], "the IDX file ends 3 bytes into its header"),
        (file(8, &[1], &[])[..6].to_vec(), "the IDX file ends 2 bytes into its header"),
        (b"PNG\n".to_vec(), "not an IDX file: it begins with the bytes [50, 4e, 47, 0a], not with two zeros"),
        (file(10, &[1], &[0]), "an IDX file of the unknown type 0x0a"),
        (file(8, &[2, 2], &[1, 2, 3]), "shape [2, 2] needs 4 bytes, but there are 3"),
        (
            file(8, &[u32::MAX, 256], &[1]),
            "shape [4294967295, 256] needs 1099511627520 bytes, but there are 1",
        ),
        (file(8, &[2], &[1, 2, 3]), "bytes follow after the 2 of shape [2]"),
    ];
    for (bytes, message) in cases {
        assert_eq!(Idx::read(&bytes[..]).unwrap_err().to_string(), message);
    }
    for sizes in [&[u32::MAX; 3][..], &[1; 9], &[1; 63]] {
        let error = Idx::read(&file(14, sizes, &[1])[..]).unwrap_err();
        assert!(matches!(error, downhill::data::Error::Format { .. }), "{error}");
    }
}

#[test]
fn arrays_of_another_kind_are_neither_pictures_nor_labels() {
    let idx = Idx::read(&file(13, &[1], &[0; 4])[..]).unwrap();
    let message = "expected pictures (unsigned bytes in 3 dimensions), but the file has F32 of shape [1]";
    assert_eq!(idx.images().unwrap_err().to_string(), message);
    let message = "expected labels (integers in 1 dimension), but the file has F32 of shape [1]";
    assert_eq!(idx.labels().unwrap_err().to_string(), message);
}

#[test]
fn errors_name_the_file() {
    let path = std::env::temp_dir().join(format!("downhill-idx-{}", std::process::id()));
    std::fs::write(&path, gzip(&file(8, &[2], &[1]))).unwrap();
    let error = Idx::open(&path).unwrap_err().to_string();
    std::fs::write(&path, file(8, &[2], &[1, 2])).unwrap();
    let unlike = Idx::open(&path).unwrap().images().unwrap_err().to_string();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(error, format!("{}: shape [2] needs 2 bytes, but there are 1", path.display()));
    assert!(unlike.starts_with(&format!("{}: expected pictures", path.display())), "{unlike}");
}

#[test]
fn errors_of_compression_are_errors_of_reading() {
    let mut bytes = gzip(&file(8, &[100], &[7; 100]));
    bytes.truncate(bytes.len() - 12);
    assert!(matches!(Idx::read(&bytes[..]), Err(downhill::data::Error::Io { .. })));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), kind in 0_u8..16, rank in 0_u8..12) {
        let _ = Idx::read(&bytes[..]);
        let magic = [&[0, 0, kind, rank][..], &bytes].concat();
        if let Ok(idx) = Idx::read(&magic[..]) {
            let _ = (idx.tensor(), idx.images(), idx.labels());
        }
        let _ = Idx::read(&[&[0x1f, 0x8b][..], &bytes].concat()[..]);
        let _ = Idx::read(&gzip(&magic)[..]);
    }
}
