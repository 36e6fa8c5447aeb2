//! What the compiler says where a type does not fit: the texts that the library gives it. Each program below is compiled by `rustc`
//! against the library that this test was linked with.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the compiler says of a program, and whether it takes it.
fn compile(library: &Path, body: &str) -> (bool, String) {
    let program = format!(
        "#![allow(unused)]\nuse downhill::nn::optim::*;\nuse downhill::nn::{{Module, *}};\nuse downhill::*;\n\
         pub fn test(x: Tensor) -> Result<()> {{\n{body}\nOk(())\n}}"
    );
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata", "--crate-name", "test", "-"])
        .arg("--extern")
        .arg(format!("downhill={}", library.display()))
        .arg("-L")
        .arg(format!("dependency={}", library.parent().expect("a folder").display()))
        .args(["--out-dir", env!("CARGO_TARGET_TMPDIR")])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("rustc runs");
    rustc.stdin.take().expect("piped").write_all(program.as_bytes()).expect("it reads");
    let output = rustc.wait_with_output().expect("it ends");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The newest library beside this test that a program can be compiled with: others are of other builds.
fn library() -> PathBuf {
    let this = std::env::current_exe().expect("a program");
    let files = fs::read_dir(this.parent().expect("a folder")).expect("readable");
    let mut found: Vec<_> = files.map(|file| file.expect("readable").path()).collect();
    found.retain(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("libdownhill-") && path.extension().is_some_and(|e| e == "rlib")
    });
    found.sort_by_key(|path| path.metadata().and_then(|m| m.modified()).expect("a time"));
    let fits = |path: &PathBuf| compile(path, "let y = x.exp();").0;
    found.into_iter().rev().find(fits).expect("a library that fits")
}

/// A program, and what its error says.
const PROGRAMS: &[(&str, &[&str])] = &[
    (
        "let loss = x.sum().item()?;",
        &[
            "is not a type that a tensor holds",
            "expected `f32`, `f64`, `i64` or `bool`",
            "where the type cannot be inferred it has to be named: `x.item::<f32>()?`, `x.to_vec::<f32>()?`",
        ],
    ),
    (
        "let x = Tensor::from_vec(vec![1_u64], [1])?;",
        &[
            "`u64` cannot be an element of a tensor",
            "elements are `f32`, `f64`, `i64`, `bool` and smaller integers",
            "other numbers convert with `as`",
        ],
    ),
    (
        "let x = zeros((2, 3))?;",
        &[
            "`({integer}, {integer})` is not a shape",
            "an array such as `[2, 3]`, a slice, a vector, `()` or a `Shape`",
        ],
    ),
    (
        "let y = x.slice(\"1:3\")?;",
        &[
            "`&str` does not say which entries of a tensor are meant",
            "expected a range or an integer for a dimension, or up to eight of them: `x.slice((1.., 0))`",
            "tensors of indices and masks are `x.index([&rows])`",
        ],
    ),
    (
        "let x = arange(0_u8, 3_u8, 1_u8)?;",
        &["`arange` does not count in `u8`", "expected `i32`, `i64`, `f32` or `f64`"],
    ),
    (
        "random::manual_seed(1.5);",
        &["`{float}` cannot seed a generator", "expected an integer: `i32`, `i64`, `u32`, `u64` or `usize`"],
    ),
    (
        "struct Net { fc: Linear }\nfn count(m: &impl Module) {}\ncount(&Net { fc: Linear::new(1, 1)? });",
        &["`Net` is not a module", "a struct of layers and parameters becomes one by `#[derive(Module)]`"],
    ),
    (
        "let net = Sequential::new().add(|x: &Tensor| x.exp());",
        &[
            "does not map one tensor to another",
            "`impl Forward for` it says what it computes, beside `#[derive(Module)]`",
        ],
    ),
    (
        "#[derive(Module)]\nstruct Net { layers: std::collections::HashMap<String, Linear> }",
        &[
            "is neither a module nor a parameter nor plain data",
            "derive `Module` for it, or mark the field `#[module(skip)]` if it holds none",
        ],
    ),
    (
        "fn step(optimizer: &mut dyn Optimizer) {}\nstep(&mut StepLR::new(1, 0.1)?);",
        &["StepLR` is not an optimizer", "expected an optimizer, such as `SGD` or `Adam`"],
    ),
    (
        "fn step(schedule: &mut dyn Schedule) {}\nstep(&mut 0.1);",
        &["`{float}` is not a schedule of learning rates", "expected a schedule, such as `StepLR`"],
    ),
    (
        "let optimizer = Descent::new(Linear::new(1, 1)?.parameters(), 0.1)?;",
        &["`{float}` is not the rule of an optimizer", "expected the options of an optimizer"],
    ),
    (
        "fn fit(criterion: &dyn Loss) {}\nfit(&ReLU);",
        &[
            "ReLU` is not a loss of an input and a target",
            "expected a loss, such as `MSELoss` or `CrossEntropyLoss`",
            "losses of three tensors have a `forward` of their own",
        ],
    ),
    (
        "let y = loss::pointwise(&2.0, [&x, &x], Reduction::Mean)?;",
        &[
            "`{float}` is not the formula of a loss",
            "expected a type with `impl Pointwise<N>` for a loss of N tensors",
            "a formula says in `value` what a term is and in `grad` its slopes",
        ],
    ),
    (
        "let loss = TripletMarginWithDistanceLoss::new(2.0);",
        &["`{float}` is not a distance of rows", "expected `PairwiseDistance`, a function of two tensors"],
    ),
    (
        "fn softsign<R: real::Real>(x: R) -> R { x.clone() / (R::lit(1.0) + x.abs()) }\nlet y = softsign(&x);",
        &[
            "a formula cannot be read at `&",
            "expected `f32`, `f64` or `Traced`",
            "numbers in a formula are `R::lit(2.0)`",
        ],
    ),
    (
        "let mut y = [0_i64];\nkernels::map([&[1_i64][..]], &mut y, |[x]| x);",
        &["`i64` is not a floating-point type of kernels", "expected `f32` or `f64`"],
    ),
];

#[test]
fn the_compiler_says_what_a_trait_wants() {
    let library = library();
    for (program, texts) in PROGRAMS {
        let (taken, text) = compile(&library, program);
        assert!(!taken, "{program} compiles");
        for expected in *texts {
            assert!(text.contains(expected), "{program}: no {expected:?} in\n{text}");
        }
    }
}
