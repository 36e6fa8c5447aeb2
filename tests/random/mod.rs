//! Random programs that bytes describe, for property tests and for fuzzers: shapes, dtypes, layouts, values and options, however
//! absurd. Whatever is called gives a sound result, with sound first and second derivatives, or an error with a message.

pub(crate) mod files;
pub(crate) mod losses;
pub(crate) mod operations;
pub(crate) mod programs;
pub(crate) mod readers;
pub(crate) mod states;
pub(crate) mod texts;
pub(crate) mod threads;

use downhill::autograd::{GradOptions, grad_with};
use downhill::{DType, Result, Tensor};
use std::time::{Duration, Instant};

/// Bytes that choices are made by; zeros once they are used up.
pub(crate) struct Draw<'a>(pub(crate) &'a [u8]);

impl Draw<'_> {
    pub(crate) fn byte(&mut self) -> u8 {
        let (&first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        first
    }

    /// One of `0..n`, for at most 65,536.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()])) % n
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    pub(crate) fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// Mostly between −4 and 4; a quarter is absurd.
    pub(crate) fn number(&mut self) -> f64 {
        const ABSURD: [f64; 17] = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            0.5,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            1e300,
            -1e300,
            -1e-300,
            100.0,
            3.5e38,
            -3.5e38,
            1e-40,
            f64::MIN_POSITIVE,
            9.3e18,
        ];
        match self.byte() % 4 {
            0 => self.of(&ABSURD),
            _ => f64::from(i16::from_le_bytes([self.byte(), self.byte()])) / 8192.0,
        }
    }

    /// A whole number near 0; some are beyond all sizes, none is one for which there may just be memory.
    pub(crate) fn whole(&mut self) -> i64 {
        match self.byte() {
            0..=5 => self.of(&[i64::MIN, i64::MAX, 1 << 60, -(1 << 60), 1 << 50, i64::MIN + 1]),
            byte => i64::from(byte % 13) - 6,
        }
    }

    pub(crate) fn dtype(&mut self) -> DType {
        self.of(&[DType::F32, DType::F32, DType::F64, DType::F64, DType::I64, DType::Bool])
    }

    pub(crate) fn shape(&mut self) -> Vec<usize> {
        (0..self.of(&[0, 1, 1, 2, 2, 3, 4])).map(|_| self.of(&[1, 2, 3, 3, 4, 0])).collect()
    }

    /// A leaf, a constant, or a view of one.
    pub(crate) fn tensor(&mut self, shape: &[usize]) -> Tensor {
        let (dtype, layout, leaf) = (self.dtype(), self.byte() % 4, self.flag());
        let rank = shape.len() as isize;
        let make = |d: &mut Self, shape: &[usize]| {
            let n = shape.iter().product();
            let values = (0..n).map(|_| d.number()).collect();
            let x = Tensor::from_vec::<f64>(values, shape).unwrap().to_dtype(dtype);
            if leaf && dtype.is_float() { x.requires_grad_().unwrap() } else { x }
        };
        match (layout, shape) {
            (0, [first, .., last]) => {
                let turned = [&[*last], &shape[1..shape.len() - 1], &[*first]].concat();
                make(self, &turned).transpose(0, rank - 1).unwrap()
            }
            (1, [_, rest @ ..]) => {
                let sizes: Vec<_> = shape.iter().map(|&n| n as i64).collect();
                make(self, &[&[1], rest].concat()).expand(&sizes[..]).unwrap()
            }
            (2, [first, rest @ ..]) => {
                let wider = [&[first + 2], rest].concat();
                make(self, &wider).narrow(0, 1, *first).unwrap()
            }
            _ => make(self, shape),
        }
    }

    /// A shape that is `shape`, broadcasts with it, or has nothing to do with it.
    pub(crate) fn like(&mut self, shape: &[usize]) -> Vec<usize> {
        match self.byte() % 8 {
            0..=3 => shape.to_vec(),
            4 | 5 => {
                let skipped = self.below(shape.len() + 1);
                shape[skipped..].iter().map(|&n| if self.flag() { n } else { 1 }).collect()
            }
            6 => shape[..shape.len().saturating_sub(1)].to_vec(),
            _ => self.shape(),
        }
    }
}

/// What operations and losses are called with.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) a: Tensor,
    pub(crate) b: Tensor,
    pub(crate) c: Tensor,
    pub(crate) dim: isize,
    pub(crate) dims: Vec<isize>,
    pub(crate) sizes: Vec<i64>,
    pub(crate) count: usize,
    pub(crate) at: i64,
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) flag: bool,
}

impl Case {
    pub(crate) fn new(d: &mut Draw<'_>) -> Self {
        let shape = d.shape();
        let a = d.tensor(&shape);
        let [b, c] = [(); 2].map(|()| {
            let shape = d.like(&shape);
            d.tensor(&shape)
        });
        Self::of(d, [a, b, c])
    }

    pub(crate) fn of(d: &mut Draw<'_>, [a, b, c]: [Tensor; 3]) -> Self {
        Self {
            a,
            b,
            c,
            dim: if d.byte() > 3 { d.below(6) as isize - 3 } else { d.whole() as isize },
            dims: (0..d.below(4)).map(|_| d.below(6) as isize - 3).collect(),
            sizes: (0..d.below(4)).map(|_| d.whole()).collect(),
            count: if d.byte() > 3 { d.below(6) } else { d.whole() as usize },
            at: d.whole(),
            x: d.number(),
            y: d.number(),
            flag: d.flag(),
        }
    }
}

pub(crate) type Call = fn(&Case) -> Result<Vec<Tensor>>;

/// `name => expression in c`, a tensor or a result of one.
macro_rules! calls {
    (|$c:ident| $($name:ident: $call:expr;)*) => {
        [$((stringify!($name), (|$c: &Case| Ok(vec![$call])) as Call)),*]
    };
}
pub(crate) use calls;

/// No case here takes a millisecond; a machine may be busy.
const LONG: Duration = Duration::from_secs(5);

/// What is called gives: results that can be read, printed and differentiated twice, or errors that name what is wrong; soon.
pub(crate) fn check(
    name: &str,
    leaves: &[&Tensor],
    call: impl FnOnce() -> Result<Vec<Tensor>>,
) -> Vec<Tensor> {
    let start = Instant::now();
    let results = message(name, call()).unwrap_or_default();
    for y in &results {
        if y.numel() <= 1 << 20 {
            let elements = y.to_dtype(DType::F64).contiguous().as_slice::<f64>().unwrap().len();
            assert_eq!(elements, y.shape().iter().product::<usize>(), "{name}");
        }
        assert!(y.to_string().starts_with("tensor("), "{name}");
        message(name, derivatives(name, leaves, y));
    }
    assert!(start.elapsed() < LONG, "{name} took {:?}", start.elapsed());
    results
}

/// The result, unless it is an error: then that has a message.
pub(crate) fn message<T>(name: &str, result: Result<T>) -> Option<T> {
    result.inspect_err(|error| assert!(error.to_string().contains(": "), "{name}: {error}")).ok()
}

/// The first and the second derivatives of `y`, with and without a graph.
fn derivatives(name: &str, leaves: &[&Tensor], y: &Tensor) -> Result<()> {
    let leaves: Vec<_> = leaves.iter().copied().filter(|x| x.requires_grad()).collect();
    if !y.requires_grad() || leaves.is_empty() {
        return Ok(());
    }
    let seed = y.try_ones_like()?;
    for create_graph in [false, true] {
        let options = GradOptions { retain_graph: true, create_graph, allow_unused: true };
        let found = grad_with(&[(y, Some(&seed))], &leaves, options);
        let Some(found) = message(name, found) else { continue };
        for (x, g) in leaves.iter().zip(&found) {
            let Some(g) = g else { continue };
            assert_eq!((g.shape(), g.dtype()), (x.shape(), x.dtype()), "{name}");
            if !g.requires_grad() {
                continue;
            }
            let options = GradOptions { retain_graph: true, allow_unused: true, ..GradOptions::default() };
            let second = grad_with(&[(g, Some(&g.try_ones_like()?))], &leaves, options);
            for (x, g) in leaves.iter().zip(message(name, second).unwrap_or_default()) {
                let Some(g) = g else { continue };
                assert_eq!((g.shape(), g.dtype()), (x.shape(), x.dtype()), "{name}, derived twice");
            }
        }
    }
    y.backward_with(&seed)?;
    leaves.iter().try_for_each(|x| x.set_grad(None))
}
