//! Curves are written as they come, and what does not fit is refused before anything is written.

use downhill::Error;
use downhill::log::Curves;
use std::fs;
use std::path::PathBuf;

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("downhill-curves-{}", std::process::id())).join(name)
}

#[test]
fn misfits_are_refused_and_leave_the_file_as_it_was() {
    let path = path("misfits.csv");
    let mut curves = Curves::create(&path).unwrap();
    curves.add(0, &[("loss", 1.0)]).unwrap();
    let mut text = |scalars: &[(&str, f64)]| curves.add(1, scalars).unwrap_err().to_string();
    assert_eq!(text(&[("rate", 1.0)]), "curves: \"rate\" is none of the columns [\"step\", \"loss\"]");
    assert_eq!(text(&[("loss", 1.0), ("loss", 2.0)]), "curves: \"loss\" is there twice");
    assert_eq!(text(&[("step", 1.0)]), "curves: \"step\" is there twice");
    assert_eq!(fs::read_to_string(&path).unwrap(), "step,loss\n0,1.0\n");
    let mut lines = Curves::create(path.with_extension("jsonl")).unwrap();
    for name in ["", "a,b", "a\"", "a\\", "a\n"] {
        let text = lines.add(0, &[(name, 1.0)]).unwrap_err().to_string();
        assert_eq!(text, format!("curves: {name:?} is no name of a column"));
    }
    assert!(matches!(Curves::create("curves.txt"), Err(Error::Argument { .. })));
    fs::write(&path, "epoch,loss\n").unwrap();
    assert!(matches!(Curves::append(&path), Err(Error::File { .. })));
    assert!(matches!(Curves::create(path.join("below.csv")), Err(Error::File { .. })));
}

#[test]
#[cfg(target_os = "linux")]
fn a_line_that_could_not_be_written_is_taken_back() {
    let path = path("full.csv");
    let _ = fs::remove_file(&path);
    // Files may have 1024 bytes at most; the signal that says so is ignored.
    let status = std::process::Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 1; exec \"$0\" --exact --ignored curves::writes_to_a_full_disk",
        ])
        .arg(std::env::current_exe().unwrap())
        .env("DOWNHILL_PATH", &path)
        .stdout(std::process::Stdio::null())
        .status();
    assert!(status.unwrap().success());
    assert_eq!(fs::read_to_string(&path).unwrap(), "step,loss\n0,1.0\n1,0.5\n");
}

#[test]
#[ignore = "needs a limit: a_line_that_could_not_be_written_is_taken_back"]
fn writes_to_a_full_disk() {
    let mut curves = Curves::create(std::env::var_os("DOWNHILL_PATH").unwrap()).unwrap();
    let full = |result: downhill::Result<()>| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::File { kind: std::io::ErrorKind::FileTooLarge, .. }), "{error}");
    };
    // A header of other columns than the one that there will be.
    full(curves.add(0, &[(&"x".repeat(2000), 1.0)]));
    curves.add(0, &[("loss", 1.0)]).unwrap();
    curves.add(1, &[("loss", 0.5)]).unwrap();
}

#[test]
fn numbers_that_are_not_finite_are_written_as_each_format_can() {
    let scalars = [("a", f64::NAN), ("b", f64::NEG_INFINITY), ("c", 1e-300)];
    let (csv, json) = (path("numbers.csv"), path("numbers.jsonl"));
    Curves::create(&csv).unwrap().add(7, &scalars).unwrap();
    Curves::create(&json).unwrap().add(7, &scalars).unwrap();
    assert_eq!(fs::read_to_string(&csv).unwrap(), "step,a,b,c\n7,NaN,-inf,1e-300\n");
    assert_eq!(fs::read_to_string(&json).unwrap(), "{\"step\":7,\"a\":null,\"b\":null,\"c\":1e-300}\n");
}

#[test]
fn a_file_that_is_resumed_keeps_its_lines() {
    let path = path("resumed.jsonl");
    Curves::create(&path).unwrap().add(0, &[("loss", 2.0)]).unwrap();
    Curves::append(&path).unwrap().add(1, &[("rate", 0.5)]).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"step\":0,\"loss\":2.0}\n{\"step\":1,\"rate\":0.5}\n");
    // One that somebody has edited has its last line ended.
    fs::write(&path, "{\"step\":0}").unwrap();
    Curves::append(&path).unwrap().add(1, &[]).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"step\":0}\n{\"step\":1}\n");
    Curves::create(&path).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
}
