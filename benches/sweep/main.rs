//! Times operations over shapes, for benches/sweep.py: reads a case a line, `op dim shape dtype layout pass`, and prints the ns that
//! it takes, or what is wrong with it.

mod ops;

use downhill::prelude::*;
use std::io::BufRead;
use std::time::{Duration, Instant};

/// What is measured: an operation of an input of this shape.
pub(crate) struct Case {
    /// The dimension that it goes along.
    pub(crate) dim: isize,
    pub(crate) shape: Vec<usize>,
    pub(crate) dtype: DType,
    layout: String,
    backward: bool,
}

/// The operation of an input; what else it takes is prepared.
pub(crate) type Step = Box<dyn FnMut(&Tensor) -> Result<Tensor>>;

impl Case {
    fn parse(line: &str) -> Option<(String, Self)> {
        let mut words = line.split_whitespace();
        let (op, dim) = (words.next()?.to_owned(), words.next()?.parse().unwrap_or(0));
        let shape = words.next()?.split('x').map(str::parse).collect::<std::result::Result<_, _>>().ok()?;
        let dtype = if words.next()? == "f64" { DType::F64 } else { DType::F32 };
        let (layout, backward) = (words.next()?.to_owned(), words.next()? == "backward");
        Some((op, Self { dim, shape, dtype, layout, backward }))
    }

    /// Normal numbers of this shape, of the case's dtype.
    pub(crate) fn normal(&self, shape: &[usize]) -> Result<Tensor> {
        randn(shape)?.try_to_dtype(self.dtype)
    }

    /// Numbers within 0.05 … 0.95.
    pub(crate) fn between(&self) -> Result<Tensor> {
        rand(&self.shape[..])?.mul(0.9)?.add(0.05)?.try_to_dtype(self.dtype)
    }

    /// The input, which lies as the case says.
    fn input(&self, positive: bool) -> Result<Tensor> {
        let make = |shape: &[usize]| {
            let case = Self { shape: shape.to_vec(), layout: String::new(), ..*self };
            if positive { case.between() } else { self.normal(shape) }
        };
        match self.layout.as_str() {
            "transposed" => {
                let shape: Vec<usize> = self.shape.iter().rev().copied().collect();
                let dims: Vec<isize> = (0..shape.len() as isize).rev().collect();
                make(&shape)?.permute(&dims[..])
            }
            "expanded" => {
                let mut shape = self.shape.clone();
                shape[0] = 1;
                make(&shape)?.expand(&self.shape[..])
            }
            _ => make(&self.shape),
        }
    }

    fn run(&self, op: &str) -> Result<f64> {
        manual_seed(0);
        let mut step = ops::prepare(op, self)?;
        let input = self.input(ops::POSITIVE.contains(&op))?;
        if self.backward {
            let input = input.detach().requires_grad_()?;
            return time(|| {
                input.set_grad(None)?;
                step(&input)?.sum().backward()
            });
        }
        no_grad(|| time(|| step(&input).map(drop)))
    }
}

/// The least ns of a call: of samples of 20 µs at least, for a fiftieth of a second.
fn time(mut step: impl FnMut() -> Result<()>) -> Result<f64> {
    let seconds = Duration::from_millis(20);
    let (start, mut warm) = (Instant::now(), 0);
    while warm < 2 || start.elapsed() < seconds / 3 && warm < 1000 {
        step()?;
        warm += 1;
    }
    let inner = (20e-6 * f64::from(warm) / start.elapsed().as_secs_f64()).ceil().max(1.0);
    let (start, mut least, mut samples) = (Instant::now(), f64::INFINITY, 0);
    while samples < 3 || start.elapsed() < seconds {
        let sample = Instant::now();
        for _ in 0..inner as u32 {
            step()?;
        }
        least = least.min(sample.elapsed().as_nanos() as f64 / inner);
        samples += 1;
    }
    Ok(least)
}

fn main() {
    for line in std::io::stdin().lock().lines().map_while(std::io::Result::ok) {
        let time = Case::parse(&line).map(|(op, case)| case.run(&op));
        match time {
            Some(Ok(time)) => println!("{time}"),
            Some(Err(error)) => println!("error: {error}"),
            None => println!("error: a case is `op dim shape dtype layout pass`"),
        }
    }
}
