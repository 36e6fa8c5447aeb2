//! States in files: those of PyTorch here, ours there (`../data/files.py`), damaged ones, and writes that fail.

use downhill_nn::{
    BatchNorm1d, Checkpoint, Forward, Linear, Module, ReLU, Sequential, StateDict, StateFile, Strict,
};
use downhill_tensor::random::Generator;
use downhill_tensor::{DType, Error, Tensor};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// A folder of this name that is removed afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("downhill-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Its bits: those of a NaN, too.
fn bits(tensor: &Tensor) -> Vec<u8> {
    let state: StateDict = [("x", tensor.clone())].into_iter().collect();
    state.to_bytes().unwrap()
}

#[test]
fn files_of_pytorch_load_with_its_values_in_every_dtype() {
    let file = StateFile::load(data("torch.safetensors")).unwrap();
    let mut count = 0;
    for (name, expected) in file.state.iter() {
        let Some(name) = name.strip_suffix(".expected") else { continue };
        let found = file.state.get(name).unwrap();
        assert_eq!((found.shape(), found.dtype()), (expected.shape(), expected.dtype()), "{name}");
        let [found, expected] = [found, expected].map(|x| x.to_dtype(DType::F64).to_vec::<f64>().unwrap());
        for (a, b) in found.into_iter().zip(expected) {
            // What a NaN carries along is nobody's.
            assert!(a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(), "{name}: {a}, not {b}");
        }
        count += 1;
    }
    assert_eq!(count, 15);
    assert_eq!(file.state.get("scalar"), Some(&Tensor::from(2.5)));
    assert_eq!(file.state.get("empty").unwrap().shape(), &[0, 3]);
    assert_eq!(file.state.get("odd \"name\" \\ ß\n"), Some(&Tensor::from([0, 1, 2])));
    let note =
        [("format", "pt"), ("note", "a \"b\" ü")].map(|(name, text)| (name.to_string(), text.to_string()));
    assert_eq!(file.metadata, note.into());
    let mut converted: Vec<_> = file.converted.iter().map(ToString::to_string).collect();
    converted.sort();
    let expected = [
        "bfloat16: BF16 to float32",
        "float16: F16 to float32",
        "float8_e4m3fn: F8_E4M3 to float32",
        "float8_e5m2: F8_E5M2 to float32",
        "int16: I16 to int64",
        "int32: I32 to int64",
        "int8: I8 to int64",
        "uint16: U16 to int64",
        "uint32: U32 to int64",
        "uint64: U64 to int64",
        "uint8: U8 to int64",
    ];
    assert_eq!(converted, expected);
}

#[test]
fn a_model_of_pytorch_computes_what_it_computed_there() {
    let net = Sequential::new()
        .add(Linear::new(2, 3).unwrap())
        .add(BatchNorm1d::new(3).unwrap())
        .add(ReLU)
        .add(Linear::new(3, 1).unwrap());
    let file = StateDict::load(data("net.safetensors")).unwrap();
    net.load_state_dict(&file.strip_prefix("net.")).unwrap();
    net.eval();
    let y = net.forward(file.get("x").unwrap()).unwrap();
    let apart = y.sub(file.get("y").unwrap()).unwrap().abs().max().unwrap().item::<f32>().unwrap();
    assert!(apart < 1e-6, "{apart}");
    // The names have a prefix, and there are two more.
    let keys = net.load_state_dict_with(&file, Strict::No).unwrap();
    assert_eq!((keys.missing.len(), keys.unexpected.len()), (9, 11));
    let error = net.load(data("net.safetensors")).unwrap_err();
    assert!(matches!(error, Error::File { op: "load", kind: ErrorKind::InvalidData, .. }), "{error}");
    assert!(error.to_string().contains("net.safetensors: load_state_dict: Error(s) in loading"), "{error}");
    let numpy = StateDict::load(data("numpy.safetensors")).unwrap();
    assert_eq!(numpy.get("w"), Some(&Tensor::from([[0.0_f32, 1.0, 2.0], [3.0, 4.0, 5.0]])));
    assert_eq!(numpy.get("n"), Some(&Tensor::from([7])));
}

fn ours() -> (StateDict, BTreeMap<String, String>) {
    let view = Tensor::from([[1.0_f32, 1e-40], [-0.0, 3.0], [f32::INFINITY, f32::NAN]]).t().unwrap();
    let state = [
        ("w", view),
        ("flag", Tensor::from([true, false, true])),
        ("b", Tensor::from(0.1)),
        ("n", Tensor::from([i64::MIN, i64::MAX])),
        ("empty", downhill_tensor::zeros([0, 3]).unwrap()),
        ("odd \"name\" \\ ß\n", Tensor::from([[1], [2]])),
    ];
    let texts =
        [("made by", "downhill"), ("ü", "\"")].map(|(name, text)| (name.to_string(), text.to_string()));
    (state.into_iter().collect(), texts.into())
}

/// `python files.py check` has read this file. `OURS=write` writes it anew: it must be read again.
#[test]
fn ours_is_written_byte_by_byte_as_python_has_read_it() {
    let (state, metadata) = ours();
    if std::env::var_os("OURS").is_some() {
        state.save_with(data("ours.safetensors"), &metadata).unwrap();
    }
    let folder = Folder::new("ours");
    let path = folder.0.join("x.safetensors");
    state.save_with(&path, &metadata).unwrap();
    assert_eq!(fs::read(&path).unwrap(), fs::read(data("ours.safetensors")).unwrap());
    let file = StateFile::load(&path).unwrap();
    assert_eq!((file.metadata, file.converted), (metadata, vec![]));
    let names = |state: &StateDict| state.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&file.state), names(&state));
    for (name, tensor) in state.iter() {
        assert_eq!(bits(file.state.get(name).unwrap()), bits(tensor), "{name}");
    }
}

/// As above; Python's generator goes on from the one in it.
#[test]
fn a_checkpoint_is_written_as_python_has_read_it() {
    let mut generator = Generator::seeded(7);
    generator.randn([5], DType::F32).unwrap();
    let state = generator.state();
    let next = generator.randn([20], DType::F32).unwrap();
    let model = [("weight", Tensor::from([[0.5_f32, 1.0]]))].into_iter().collect();
    let extra = [("next", next)].into_iter().collect();
    let checkpoint =
        Checkpoint { epoch: 3, step: 70, model, generator: state, extra, ..Checkpoint::default() };
    let path = data("checkpoint.safetensors");
    if std::env::var_os("OURS").is_some() {
        checkpoint.save(&path).unwrap();
    }
    assert_eq!(checkpoint.state_dict().to_bytes().unwrap(), fs::read(&path).unwrap());
    assert_eq!(Checkpoint::load(&path).unwrap(), checkpoint);
}

#[test]
fn the_header_and_all_data_are_aligned() {
    let bytes = ours().0.to_bytes().unwrap();
    let size = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    assert!(size.is_multiple_of(8));
    let header = std::str::from_utf8(&bytes[8..8 + size]).unwrap();
    let expected = concat!(
        r#"{"w":{"dtype":"F32","shape":[2,3],"data_offsets":[40,64]},"#,
        r#""flag":{"dtype":"BOOL","shape":[3],"data_offsets":[64,67]},"#,
        r#""b":{"dtype":"F64","shape":[],"data_offsets":[0,8]},"#,
        r#""n":{"dtype":"I64","shape":[2],"data_offsets":[8,24]},"#,
        r#""empty":{"dtype":"F32","shape":[0,3],"data_offsets":[64,64]},"#,
        r#""odd \"name\" \\ ß\n":{"dtype":"I64","shape":[2,1],"data_offsets":[24,40]}}"#,
    );
    assert_eq!(header.trim_end_matches(' '), expected);
    assert_eq!(bytes.len(), 8 + size + 67);
    assert_eq!(bytes[8 + size..16 + size], 0.1_f64.to_le_bytes());
    assert_eq!(StateDict::new().to_bytes().unwrap(), *b"\x08\0\0\0\0\0\0\0{}      ");
    assert_eq!(StateDict::from_bytes(b"\x02\0\0\0\0\0\0\0{}").unwrap(), StateDict::new());
}

/// A file with this header, and so many bytes of data.
fn bytes(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data, 2);
    bytes
}

fn entry(name: &str, dtype: &str, shape: &str, from: usize, to: usize) -> String {
    format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{from},{to}]}}"#)
}

#[test]
fn a_hostile_file_is_refused_with_its_path() {
    let one = |dtype: &str, shape: &str, from, to| format!("{{{}}}", entry("a", dtype, shape, from, to));
    let two = |a: String, b: String| format!("{{{a},{b}}}");
    let f32 = |name: &str, from, to| entry(name, "F32", "[2]", from, to);
    let mut huge = bytes("{}", 0);
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let mut long = bytes("{}", 0);
    long[..8].copy_from_slice(&3_u64.to_le_bytes());
    let dims = |n: usize| format!("[{}]", vec!["0"; n].join(","));
    let cases = [
        (b"1234567".to_vec(), "7 bytes are too few for the length of a header"),
        (vec![], "0 bytes are too few"),
        (huge, "the header is to have 18446744073709551615 bytes, and there can be 2"),
        (long, "the header is to have 3 bytes, and there can be 2"),
        (bytes("", 0), "the header does not begin with {"),
        (bytes(" {}", 0), "the header does not begin with {"),
        (b"\x02\0\0\0\0\0\0\0{\xff".to_vec(), "the header is no text"),
        (bytes("{", 0), "the header cannot be read: EOF"),
        (bytes("{}x", 0), "the header cannot be read: trailing characters"),
        (bytes("{}", 1), "the header tells of 0 bytes of data, and there are 1"),
        (bytes(&one("F32", "[2]", 0, 8), 7), "the header tells of 8 bytes of data, and there are 7"),
        (bytes(&one("F32", "[2]", 0, 8), 9), "the header tells of 8 bytes of data, and there are 9"),
        (bytes(&one("F32", "[3]", 0, 8), 8), "\"a\" of F32 and shape [3] does not fill bytes 0 to 8"),
        (bytes(&one("F32", "[2]", 8, 0), 8), "\"a\" of F32 and shape [2] does not fill bytes 8 to 0"),
        (b"PK\x03\x04-----".to_vec(), "this is a zip file, as torch.save writes"),
        (bytes(&one("F32", "[2]", 1, 9), 9), "invalid offset for tensor `a`"),
        (bytes(&two(f32("a", 0, 8), f32("b", 4, 12)), 12), "invalid offset for tensor `b`"),
        (bytes(&two(f32("a", 0, 8), f32("b", 0, 8)), 8), "invalid offset for tensor `"),
        (bytes(&two(f32("a", 0, 8), f32("b", 12, 20)), 20), "invalid offset for tensor `b`"),
        (bytes(&two(f32("a", 0, 8), f32("a", 8, 16)), 16), "there are two entries named \"a\""),
        (
            bytes(r#"{"__metadata__":{},"__metadata__":{}}"#, 0),
            "there are two entries named \"__metadata__\"",
        ),
        (bytes(r#"{"__metadata__":{"a":1}}"#, 0), "invalid type: integer `1`, expected a string"),
        (bytes(&one("F32", "[4611686018427387904,8]", 0, 8), 8), "does not fill bytes 0 to 8"),
        (bytes(&one("F32", "[18446744073709551616]", 0, 8), 8), "the header cannot be read"),
        (bytes(&one("F32", "[-1]", 0, 8), 8), "the header cannot be read"),
        (
            bytes(&one("F32", "[0,18446744073709551615]", 0, 0), 0),
            "a: full: a tensor of shape [0, 18446744073709551615] is too large",
        ),
        (bytes(&one("F32", &dims(9), 0, 0), 0), "expected an array of at most 8 sizes"),
        (bytes(&one("F33", "[2]", 0, 8), 8), "unknown variant `F33`"),
        (bytes(&one("C64", "[1]", 0, 8), 8), "a is of dtype C64, which no tensor here can hold"),
        (bytes(&one("F4", "[16]", 0, 8), 8), "a is of dtype F4, which no tensor here can hold"),
        (bytes(&one("F4", "[1]", 0, 1), 1), "does not fill bytes 0 to 1"),
        (bytes(&one("BOOL", "[8]", 0, 8), 8), "a has a boolean that is neither 0 nor 1"),
        (bytes(r#"{"a":{"dtype":"F32","shape":[2]}}"#, 8), "missing field `data_offsets`"),
        (bytes(r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":[]}}"#, 8), "unknown field `x`"),
        (bytes(r#"{"a":[]}"#, 0), "the header cannot be read"),
        (bytes("[]", 0), "the header does not begin"),
        (bytes(&format!("{{\"a\":{}", "[".repeat(5000)), 0), "the header cannot be read"),
    ];
    let folder = Folder::new("hostile");
    for (bytes, expected) in cases {
        let path = folder.0.join("bad.safetensors");
        fs::write(&path, &bytes).unwrap();
        let error = StateDict::load(&path).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("load: {}: ", path.display())) && text.contains(expected),
            "{text}"
        );
        assert!(matches!(error, Error::File { op: "load", kind: ErrorKind::InvalidData, .. }));
        let text = StateDict::from_bytes(&bytes).unwrap_err().to_string();
        assert!(text.starts_with("from_bytes: ") && text.contains(expected), "{text}");
        Linear::new(1, 1).unwrap().load(&path).unwrap_err();
        Checkpoint::load(&path).unwrap_err();
    }
    let mut large = bytes(&one("U64", "[1]", 0, 8), 8);
    let end = large.len();
    large[end - 1] = 0x80;
    let text = StateDict::from_bytes(&large).unwrap_err().to_string();
    assert_eq!(text, "from_bytes: a has a number that int64 cannot hold");
}

#[test]
fn a_shortened_or_lengthened_file_is_refused() {
    let whole = ours().0.to_bytes().unwrap();
    for length in 0..whole.len() {
        StateDict::from_bytes(&whole[..length]).unwrap_err();
    }
    let mut long = whole;
    long.push(0);
    StateDict::from_bytes(&long).unwrap_err();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any bytes put in, taken out or changed anywhere: an error, or a state that is written and read again.
    #[test]
    fn a_damaged_file_is_refused_or_read(changes in prop::collection::vec((any::<u16>(), any::<u8>(), 0..4), 1..6)) {
        let mut bytes = ours().0.to_bytes().unwrap();
        for (at, byte, kind) in changes {
            let at = usize::from(at) % bytes.len();
            match kind {
                0 => bytes[at] = byte,
                1 => bytes[at] ^= 1 << (byte % 8),
                2 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        if let Ok(state) = StateDict::from_bytes(&bytes) {
            let again = state.to_bytes().unwrap();
            prop_assert_eq!(StateDict::from_bytes(&again).unwrap().to_bytes().unwrap(), again);
        }
    }
}

/// Every value of F16, by its definition.
#[test]
fn halves_have_their_values() {
    let all: Vec<u16> = (0..=u16::MAX).collect();
    let mut file = bytes(&format!("{{{}}}", entry("x", "F16", "[65536]", 0, 131_072)), 0);
    file.extend(all.iter().flat_map(|bits| bits.to_le_bytes()));
    let state = StateDict::from_bytes(&file).unwrap();
    for (bits, found) in all.iter().zip(state.get("x").unwrap().to_vec::<f32>().unwrap()) {
        let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
        let size = match exponent {
            0 => fraction * 2_f64.powi(-24),
            31 if fraction == 0.0 => f64::INFINITY,
            31 => f64::NAN,
            _ => (1.0 + fraction / 1024.0) * 2_f64.powi(exponent - 15),
        };
        assert!(f64::from(found.abs()) == size || size.is_nan() && found.is_nan(), "{bits:x}: {found}");
        assert_eq!(found.is_sign_negative(), bits >> 15 == 1);
    }
}

#[test]
fn a_write_that_fails_leaves_the_old_file_and_nothing_else() {
    let folder = Folder::new("failed");
    let path = folder.0.join("x.safetensors");
    let old = Linear::new(2, 2).unwrap().state_dict();
    old.save(&path).unwrap();
    let mut bad = old.clone();
    bad.insert("__metadata__", Tensor::from(1));
    let text = bad.save(&path).unwrap_err().to_string();
    assert_eq!(text, format!("save: {}: a tensor cannot be called __metadata__", path.display()));
    assert_eq!(
        (StateDict::load(&path).unwrap(), folder.names()),
        (old.clone(), vec!["x.safetensors".into()])
    );

    // A folder in the way, and none there.
    fs::create_dir(folder.0.join("full")).unwrap();
    fs::write(folder.0.join("full/x"), "").unwrap();
    assert!(matches!(old.save(folder.0.join("full")).unwrap_err(), Error::File { op: "save", .. }));
    assert_eq!(folder.names(), ["full", "x.safetensors"]);
    let absent = |error| matches!(error, Error::File { kind: ErrorKind::NotFound, .. });
    assert!(absent(old.save(folder.0.join("no/x")).unwrap_err()));
    assert!(absent(StateDict::load(folder.0.join("no")).unwrap_err()));
    assert!(matches!(StateDict::load(&folder.0).unwrap_err(), Error::File { op: "load", .. }));
    let text = old.save(folder.0.join("..")).unwrap_err().to_string();
    assert!(text.ends_with(": this is no name of a file"), "{text}");
}

#[test]
#[cfg(unix)]
fn a_new_file_has_the_permissions_of_the_old_one() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("mode");
    let path = folder.0.join("x.safetensors");
    numbers(1.0).save(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    numbers(2.0).save(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

/// Runs a test of this file in a process of its own, after a line of `sh`, with a path.
fn spawn(before: &str, test: &str, path: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{before} exec \"$0\" --exact --ignored --nocapture {test}")])
        .arg(std::env::current_exe().unwrap())
        .env("DOWNHILL_PATH", path)
        .stdin(Stdio::null());
    command
}

fn numbers(value: f32) -> StateDict {
    [("x", downhill_tensor::full([100_000], value).unwrap())].into_iter().collect()
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_leaves_the_old_file() {
    let folder = Folder::new("disk");
    let path = folder.0.join("x.safetensors");
    numbers(1.0).save(&path).unwrap();
    // Files may have 64 KiB; the signal that says so is ignored.
    let mut limited = spawn("trap '' XFSZ; ulimit -f 64;", "files::saves_to_a_full_disk", &path);
    // Its output may go to a file that is longer.
    assert!(limited.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
    assert_eq!(
        (StateDict::load(&path).unwrap(), folder.names()),
        (numbers(1.0), vec!["x.safetensors".into()])
    );
}

#[test]
#[ignore = "needs a limit: a_full_disk_leaves_the_old_file"]
fn saves_to_a_full_disk() {
    let path = std::env::var_os("DOWNHILL_PATH").unwrap();
    let error = numbers(2.0).save(path).unwrap_err();
    assert!(matches!(error, Error::File { op: "save", kind: ErrorKind::FileTooLarge, .. }), "{error}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_kill_leaves_the_old_file_or_the_new_one() {
    let folder = Folder::new("kill");
    let path = folder.0.join("x.safetensors");
    for lines in 1..8 {
        let mut child = spawn("", "files::saves_for_ever", &path).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        // It is killed somewhere in the save after these.
        assert!(
            output.lines().filter(|line| line.as_ref().is_ok_and(|line| line == "saved")).take(lines).count()
                > 0
        );
        child.kill().unwrap();
        child.wait().unwrap();
        let state = StateDict::load(&path).unwrap();
        assert!(state == numbers(1.0) || state == numbers(2.0));
    }
}

#[test]
fn a_save_clears_what_killed_saves_have_left_and_nothing_else() {
    let folder = Folder::new("left");
    let path = folder.0.join("x.safetensors");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(100);
    let names = [
        ".x.safetensors.17.0.tmp",  // Left by a process that is gone.
        ".x.safetensors.17.1.tmp",  // Being written.
        ".x.safetensors.17.2.tmp",  // Just begun.
        ".x.safetensors.mine.tmp",  // Somebody's own.
        ".xy.safetensors.17.3.tmp", // Of another file.
    ];
    let files = names.map(|name| fs::File::create(folder.0.join(name)).unwrap());
    for i in [0, 1, 3, 4] {
        files[i].set_modified(old).unwrap();
    }
    files[1].lock().unwrap();
    numbers(1.0).save(&path).unwrap();
    assert_eq!(folder.names(), [&names[1..], &["x.safetensors"]].concat());
}

#[test]
#[ignore = "is killed: a_kill_leaves_the_old_file_or_the_new_one"]
fn saves_for_ever() {
    let path = std::env::var_os("DOWNHILL_PATH").unwrap();
    loop {
        for value in [1.0, 2.0] {
            numbers(value).save(&path).unwrap();
            println!("\nsaved");
        }
    }
}

#[test]
fn a_checkpoint_is_a_file_or_refused() {
    let folder = Folder::new("checkpoint");
    let path = folder.0.join("c.safetensors");
    let checkpoint = Checkpoint { epoch: 3, step: u64::MAX, extra: ours().0, ..Checkpoint::default() };
    let mut state = checkpoint.state_dict();
    checkpoint.save(&path).unwrap();
    assert_eq!(Checkpoint::load(&path).unwrap().state_dict().to_bytes().unwrap(), state.to_bytes().unwrap());
    let mut refused = |name: &str, value: Tensor| {
        let before = state.clone();
        state.insert(name, value);
        state.save(&path).unwrap();
        let text = Checkpoint::load(&path).unwrap_err().to_string();
        assert_eq!(
            Checkpoint::from_state_dict(&state).unwrap_err().to_string(),
            text.splitn(3, ": ").nth(2).unwrap()
        );
        state = before;
        text.rsplit(": ").next().unwrap().to_string()
    };
    assert_eq!(refused("models.x", Tensor::from(1)), "a checkpoint has no place for models.x");
    assert_eq!(refused("epoch", Tensor::from(1.0)), "a checkpoint has one int64 epoch");
    assert_eq!(refused("generator", Tensor::from(1.0)), "expected int64, but got float64");
    state.remove("step");
    let text = Checkpoint::from_state_dict(&state).unwrap_err().to_string();
    assert_eq!(text, "from_state_dict: a checkpoint has one int64 step");
    assert_eq!(DType::I64, state.get("epoch").unwrap().dtype());
}
