//! The table of unary functions: one row has the forward, the derivative, what it saves, its documentation and the
//! interval that tests draw from.

use crate::array::Array;
use crate::autograd::edge;
use crate::autograd::node::{Grad, record, record_output};
use crate::dtype::dispatch;
use crate::error::fallible;
use crate::kernel::map;
use crate::kernel::math::trig::{self, Loops};
use crate::kernel::simd::{inlined, vectorize};
use crate::real::{Real, Traced};
use crate::{DType, Element, Error, Result, Tensor, grad_enabled};

/// What a derivative is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saves {
    /// The input.
    Input,
    /// The result.
    Output,
}

/// A function of each element and its derivative, written once for every reading: loops over `f32` and `f64`, and the graph that second
/// derivatives go through.
///
/// Each row of the table is one. A function of your own is one, too, and [`apply`] makes it vectorised, parallel and twice differentiable:
///
/// ```
/// use downhill::pointwise::{Formula, apply};
/// use downhill::{Tensor, real::Real};
///
/// /// `x / (s + |x|)`.
/// #[derive(Clone, Copy)]
/// struct Softsign(f64);
///
/// impl Formula for Softsign {
///     const OP: &'static str = "softsign";
///     const NAME: &'static str = "SoftsignBackward";
///     fn value<R: Real>(self, x: R) -> R {
///         x.clone() / (R::lit(self.0) + x.abs())
///     }
///     fn grad<R: Real>(self, g: R, x: R) -> R {
///         let d = R::lit(self.0) + x.abs();
///         g * R::lit(self.0) / (d.clone() * d)
///     }
/// }
///
/// let x = Tensor::from([-1.0, 0.0, 3.0]).requires_grad_()?;
/// assert_eq!(apply(Softsign(1.0), &x)?, Tensor::from([-0.5, 0.0, 0.75]));
/// downhill::check::gradgradcheck(|x| apply(Softsign(2.0), &x[0]), &[x])?;
/// # Ok::<(), downhill::Error>(())
/// ```
pub trait Formula: Copy + Send + Sync + 'static {
    /// The function's name, which its errors start with.
    const OP: &'static str;

    /// What a printed result shows as its `grad_fn`.
    const NAME: &'static str;

    /// What [`grad`](Self::grad) is written in.
    const SAVES: Saves = Saves::Input;

    /// Loops that compute [`value`](Self::value) faster than its own would, of numbers that are near 0.
    #[doc(hidden)]
    const LOOPS: Option<Loops> = None;

    /// The function of one element.
    fn value<R: Real>(self, x: R) -> R;

    /// The gradient of the input, from that of the result and what was saved.
    fn grad<R: Real>(self, g: R, saved: R) -> R;
}

/// A row, for the tests that go through all of them.
#[derive(Clone)]
pub struct Row {
    /// The method's name.
    pub name: &'static str,
    /// The method.
    pub function: fn(&Tensor) -> Tensor,
    /// An interval of inputs where the function and its derivative are smooth.
    pub domain: std::ops::Range<f64>,
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} on {:?}", self.name, self.domain)
    }
}

/// The function of each element; integers and booleans are converted to `f32` first. See [`Formula`] for an example.
///
/// # Errors
/// If there is no memory for the result.
pub fn apply<F: Formula>(f: F, x: &Tensor) -> Result<Tensor> {
    let dtype = x.dtype().to_float();
    let input = x.value().cast(F::OP, dtype)?;
    let value = match F::LOOPS {
        Some((run, _)) if dtype == DType::F32 => {
            input.each(F::OP, &|&[x]: &[&[f32]; 1], out: &mut [f32]| run(x, out))?
        }
        Some((_, run)) => input.each(F::OP, &|&[x]: &[&[f64]; 1], out: &mut [f64]| run(x, out))?,
        None => dispatch!(float dtype, T => input.each(F::OP, &|&[x]: &[&[T]; 1], out: &mut [T]| {
            vectorize!(map::loop1(x, out, inlined!(|x| f.value(x))));
        }))?,
    };
    Ok(match F::SAVES {
        Saves::Input => record(F::NAME, value, [edge(x, x, move |g, x| gradient(f, g, x))]),
        Saves::Output => {
            record_output(F::NAME, value, [edge(x, &(), move |g, ()| gradient(f, g, &g.output()))])
        }
    })
}

fn gradient<F: Formula>(f: F, g: &Grad<'_>, saved: &Tensor) -> Result<Tensor> {
    if grad_enabled() || F::LOOPS.is_some() && F::SAVES == Saves::Input {
        return match f.grad(Traced::from(&**g), Traced::from(saved)) {
            Traced::Lit(slope) => saved.try_full_like(slope),
            slope => slope.try_into_tensor(),
        };
    }
    let value = Array::in_memory_order([g.value(), saved.value()], &|shape, [g, s]| {
        dispatch!(float s.dtype(), T => Array::build(F::NAME, shape, |out: &mut [T]| {
            map::each([g.strided(), s.strided()], out, &|&[g, s]: &[&[T]; 2], out: &mut [T]| {
                vectorize!(map::loop2(g, s, out, inlined!(|g, s| f.grad(g, s))));
            });
        }))
    });
    Ok(Tensor::constant(value?))
}

/// Each row becomes a type that implements [`Formula`], a method of [`Tensor`] and an entry of [`TABLE`].
macro_rules! pointwise {
    ($($(#[$doc:meta])* $method:ident $try_method:ident as $name:ident = |$x:ident| $value:expr,
        saves $saves:ident, grad |$g:ident, $s:ident| $grad:expr, on $domain:expr $(, by $loops:expr)?;)*) => {
        mod rows {
            $(#[allow(non_camel_case_types)] #[derive(Clone, Copy)] pub(super) struct $method;)*
        }
        $(impl Formula for rows::$method {
            const OP: &'static str = stringify!($method);
            const NAME: &'static str = stringify!($name);
            const SAVES: Saves = Saves::$saves;
            $(const LOOPS: Option<Loops> = Some($loops);)?
            #[inline(always)]
            fn value<R: Real>(self, $x: R) -> R {
                $value
            }
            #[inline(always)]
            fn grad<R: Real>(self, $g: R, $s: R) -> R {
                $grad
            }
        })*
        /// Functions of each element. Integers and booleans are converted to `f32` first.
        impl Tensor {
            fallible! {$(
                $(#[$doc])*
                $method $try_method |self| apply(rows::$method, self);
            )*}
        }
        /// Every row of the table.
        pub const TABLE: &[Row] = &[
            $(Row { name: stringify!($method), function: Tensor::$method, domain: $domain },)*
        ];
    };
}

pointwise! {
    /// `eˣ`. [`torch.exp`](https://docs.pytorch.org/docs/stable/generated/torch.exp.html).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from(0.0_f32).exp().item::<f32>()?, 1.0);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    exp try_exp as ExpBackward0 = |x| x.exp(), saves Output, grad |g, y| g * y, on -5.0..5.0;

    /// `eˣ − 1`, exact near 0. [`torch.expm1`](https://docs.pytorch.org/docs/stable/generated/torch.expm1.html).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from(1e-10_f32).expm1().item::<f32>()?, 1e-10);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    expm1 try_expm1 as Expm1Backward0 = |x| x.expm1(), saves Input, grad |g, x| g * x.exp(), on -5.0..5.0;

    /// The natural logarithm. [`torch.log`](https://docs.pytorch.org/docs/stable/generated/torch.log.html).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from(0.0_f32).log().item::<f32>()?, f32::NEG_INFINITY);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    log try_log as LogBackward0 = |x| x.ln(), saves Input, grad |g, x| g / x, on 0.1..10.0;

    /// `ln(1 + x)`, exact near 0. [`torch.log1p`](https://docs.pytorch.org/docs/stable/generated/torch.log1p.html).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from(1e-10_f32).log1p().item::<f32>()?, 1e-10);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    log1p try_log1p as Log1PBackward0 = |x| x.log1p(), saves Input, grad |g, x| g / (x + R::lit(1.0)), on -0.9..10.0;

    /// The logarithm to base 2. [`torch.log2`](https://docs.pytorch.org/docs/stable/generated/torch.log2.html).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from(8.0_f32).log2().item::<f32>()?, 3.0);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    log2 try_log2 as Log2Backward0 = |x| x.log2(), saves Input,
        grad |g, x| g / (x * R::lit(std::f64::consts::LN_2)), on 0.1..10.0;

    /// The square root. [`torch.sqrt`](https://docs.pytorch.org/docs/stable/generated/torch.sqrt.html).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from(9.0_f32).sqrt().item::<f32>()?, 3.0);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    sqrt try_sqrt as SqrtBackward0 = |x| x.sqrt(), saves Output, grad |g, y| g / (R::lit(2.0) * y), on 0.1..10.0;

    /// `1 / √x`. [`torch.rsqrt`](https://docs.pytorch.org/docs/stable/generated/torch.rsqrt.html).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from(4.0_f32).rsqrt().item::<f32>()?, 0.5);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    rsqrt try_rsqrt as RsqrtBackward0 = |x| R::lit(1.0) / x.sqrt(), saves Output,
        grad |g, y| R::lit(-0.5) * g * (y.clone() * y.clone() * y), on 0.1..10.0;

    /// Sine of radians. [`torch.sin`](https://docs.pytorch.org/docs/stable/generated/torch.sin.html).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from(0.0_f32).sin().item::<f32>()?, 0.0);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    sin try_sin as SinBackward0 = |x| x.sin(), saves Input, grad |g, x| g * x.cos(), on -6.0..6.0, by trig::SIN;

    /// Cosine of radians. [`torch.cos`](https://docs.pytorch.org/docs/stable/generated/torch.cos.html).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from(0.0_f32).cos().item::<f32>()?, 1.0);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    cos try_cos as CosBackward0 = |x| x.cos(), saves Input, grad |g, x| g * -x.sin(), on -6.0..6.0, by trig::COS;

    /// Tangent of radians. [`torch.tan`](https://docs.pytorch.org/docs/stable/generated/torch.tan.html).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from(0.0_f32).tan().item::<f32>()?, 0.0);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    tan try_tan as TanBackward0 = |x| x.tan(), saves Output, grad |g, y| g * (y.clone() * y + R::lit(1.0)), on -1.2..1.2, by trig::TAN;

    /// The hyperbolic tangent. [`torch.tanh`](https://docs.pytorch.org/docs/stable/generated/torch.tanh.html).
    ///
    /// Its gradient `1 − y²` is, as PyTorch's, of the result, which is all that is kept: digits of it are lost where `y` is rounded to
    /// nearly ±1.
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from(0.0_f32).tanh().item::<f32>()?, 0.0);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    tanh try_tanh as TanhBackward0 = |x| x.tanh(), saves Output,
        grad |g, y| g * (R::lit(1.0) - y.clone() * y), on -3.0..3.0;

    /// The logistic function `1 / (1 + e⁻ˣ)`, in `(0, 1)`.
    /// [`torch.sigmoid`](https://docs.pytorch.org/docs/stable/generated/torch.sigmoid.html).
    ///
    /// Its gradient `(1 − y) y` is, as PyTorch's, of the result, which is all that is kept: digits of it are lost where `y` is rounded to
    /// nearly 1. Losses that take logits, and [`log_sigmoid`](Self::log_sigmoid), lose none.
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from(0.0_f32).sigmoid().item::<f32>()?, 0.5);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    sigmoid try_sigmoid as SigmoidBackward0 = |x| x.sigmoid(), saves Output,
        grad |g, y| g * ((R::lit(1.0) - y.clone()) * y), on -10.0..10.0;

    /// `ln σ(x) = −ln(1 + e⁻ˣ)`, without overflow.
    /// [`torch.nn.functional.logsigmoid`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.logsigmoid.html).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from(-1000.0_f32).log_sigmoid().item::<f32>()?, -1000.0);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    log_sigmoid try_log_sigmoid as LogSigmoidBackward0 = |x| x.clone().min(R::lit(0.0)) - (-x.abs()).exp().log1p(), saves Input,
        grad |g, x| g * (-x).sigmoid(), on -10.0..10.0;

    /// The error function `2/√π · ∫₀ˣ e^(−t²) dt`. [`torch.erf`](https://docs.pytorch.org/docs/stable/special.html#torch.special.erf).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from(0.0_f32).erf().item::<f32>()?, 0.0);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    erf try_erf as ErfBackward0 = |x| x.erf(), saves Input,
        grad |g, x| R::lit(std::f64::consts::FRAC_2_SQRT_PI) * (-(x.clone() * x)).exp() * g, on -2.5..2.5;
}

/// Functions that keep the dtype: integers stay integers.
macro_rules! keep {
    ($($(#[$doc:meta])* $method:ident $try_method:ident as $name:ident, bool $bool:ident, int |$i:ident| $int:expr, float |$x:ident| $float:expr,
        saves $saves:ident, grad |$g:ident, $s:ident| $grad:expr;)*) => {
        /// Functions of each element that keep the dtype.
        impl Tensor { fallible! {$(
            $(#[$doc])*
            $method $try_method |self| {
                #[derive(Clone, Copy)]
                struct Row;
                impl Formula for Row {
                    const OP: &'static str = stringify!($method);
                    const NAME: &'static str = stringify!($name);
                    const SAVES: Saves = Saves::$saves;
                    #[inline(always)]
                    fn value<R: Real>(self, $x: R) -> R {
                        $float
                    }
                    #[inline(always)]
                    fn grad<R: Real>(self, $g: R, $s: R) -> R {
                        $grad
                    }
                }
                match self.dtype() {
                    crate::DType::Bool => self.try_to_dtype(crate::DType::$bool),
                    crate::DType::I64 => {
                        Ok(Tensor::constant(self.value().map(stringify!($method), |$i: i64| -> i64 { $int })?))
                    }
                    crate::DType::F32 | crate::DType::F64 => apply(Row, self),
                }
            };
        )*}}
    };
}

keep! {
    /// `max(x, 0)`; its gradient at 0 is 0. [`torch.relu`](https://docs.pytorch.org/docs/stable/generated/torch.relu.html).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([-2, 3]).relu(), downhill::Tensor::from([0, 3]));
    /// ```
    relu try_relu as ReluBackward0, bool Bool, int |x| x.max(0), float |x| R::select(x.lt(&R::lit(0.0)), R::lit(0.0), x),
        saves Output, grad |g, y| R::select(y.le(&R::lit(0.0)), R::lit(0.0), g);

    /// `|x|`; its gradient at 0 is 0. [`torch.abs`](https://docs.pytorch.org/docs/stable/generated/torch.abs.html).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([-2, 3]).abs(), downhill::Tensor::from([2, 3]));
    /// ```
    abs try_abs as AbsBackward0, bool Bool, int |x| x.wrapping_abs(), float |x| x.abs(),
        saves Input, grad |g, x| g * x.sign();

    /// `x²`. [`torch.square`](https://docs.pytorch.org/docs/stable/generated/torch.square.html).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([-2, 3]).square(), downhill::Tensor::from([4, 9]));
    /// ```
    square try_square as PowBackward0, bool I64, int |x| x.wrapping_mul(x), float |x| x.clone() * x,
        saves Input, grad |g, x| g * (R::lit(2.0) * x);

    /// −1, 0 or 1. [`torch.sign`](https://docs.pytorch.org/docs/stable/generated/torch.sign.html).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([-2, 0, 3]).sign(), downhill::Tensor::from([-1, 0, 1]));
    /// ```
    sign try_sign as SignBackward0, bool Bool, int |x| x.signum(), float |x| x.sign(),
        saves Input, grad |_g, _x| R::lit(0.0);

    /// Rounds down. [`torch.floor`](https://docs.pytorch.org/docs/stable/generated/torch.floor.html).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from(-1.5_f32).floor().item::<f32>()?, -2.0);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    floor try_floor as FloorBackward0, bool Bool, int |x| x, float |x| x.floor(),
        saves Input, grad |_g, _x| R::lit(0.0);

    /// Rounds up. [`torch.ceil`](https://docs.pytorch.org/docs/stable/generated/torch.ceil.html).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from(1.5_f32).ceil().item::<f32>()?, 2.0);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    ceil try_ceil as CeilBackward0, bool Bool, int |x| x, float |x| x.ceil(),
        saves Input, grad |_g, _x| R::lit(0.0);

    /// Rounds to the nearest integer, ties to even.
    /// [`torch.round`](https://docs.pytorch.org/docs/stable/generated/torch.round.html).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from(2.5_f32).round().item::<f32>()?, 2.0);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    round try_round as RoundBackward0, bool Bool, int |x| x, float |x| x.round(),
        saves Input, grad |_g, _x| R::lit(0.0);

    /// Rounds towards zero. [`torch.trunc`](https://docs.pytorch.org/docs/stable/generated/torch.trunc.html).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from(-1.5_f32).trunc().item::<f32>()?, -1.0);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    trunc try_trunc as TruncBackward0, bool Bool, int |x| x, float |x| x.trunc(),
        saves Input, grad |_g, _x| R::lit(0.0);
}

/// A function that is computed in `f64` and rounded once, and its derivative in tensor operations.
fn rounded(
    op: &'static str,
    name: &'static str,
    x: &Tensor,
    f: fn(f64) -> f64,
    derivative: fn(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let dtype = x.dtype().to_float();
    let input = x.value().cast(op, dtype)?;
    let value = dispatch!(float dtype, T => input.map(op, |x: T| f(x.cast::<f64>()).cast::<T>()))?;
    Ok(record(name, value, [edge(x, x, move |g, x| derivative(x)?.mul(&**g))]))
}

/// Functions of each element that few use: in `f64`, an element at a time.
impl Tensor {
    fallible! {
        /// Logarithm to base 10: exact for powers of 10.
        /// [`torch.log10`](https://docs.pytorch.org/docs/stable/generated/torch.log10.html).
        ///
        /// ```
        /// assert_eq!(downhill::Tensor::from(1000.0_f32).log10().item::<f32>()?, 3.0);
        /// # Ok::<(), downhill::Error>(())
        /// ```
        log10 try_log10 |self| rounded("log10", "Log10Backward0", self, libm::log10, |x| x.mul(std::f64::consts::LN_10)?.try_reciprocal());
    }
}

/// Functions that some dtypes do not have.
impl Tensor {
    /// Rounds to so many decimals, ties to even: `round(x · 10ⁿ) / 10ⁿ`; a negative number rounds to tens, hundreds ….
    ///
    /// [`torch.round(…, decimals=…)`](https://docs.pytorch.org/docs/stable/generated/torch.round.html). Its gradient is 0.
    ///
    /// # Errors
    /// [`Error::DType`] for integers and booleans.
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([1.2345_f32]).round_decimals(2)?, downhill::Tensor::from([1.23_f32]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn round_decimals(&self, decimals: i32) -> Result<Tensor> {
        self.dtype().check_float("round")?;
        let value = dispatch!(float self.dtype(), T => {
            // The power is exact in both types up to 10^10.
            let scale = T::of_f64(10_f64.powi(decimals.saturating_abs()));
            self.value().map("round", |x: T| {
                if decimals > 0 { Real::round(x * scale) / scale } else { Real::round(x / scale) * scale }
            })
        })?;
        Ok(record("RoundBackward1", value, [edge(self, &(), |g, ()| g.try_zeros_like())]))
    }

    /// `−x`. [`torch.neg`](https://docs.pytorch.org/docs/stable/generated/torch.neg.html).
    ///
    /// # Errors
    /// [`Error::DType`] for booleans ([`logical_not`](Self::logical_not) inverts a mask).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([-2, 3]).neg()?, downhill::Tensor::from([2, -3]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn neg(&self) -> Result<Tensor> {
        let x = self.value();
        let value = match self.dtype() {
            DType::Bool => return Err(Error::DType { op: "neg", expected: "numbers", got: DType::Bool }),
            DType::I64 => x.map("neg", i64::wrapping_neg),
            DType::F32 => x.map("neg", |x: f32| -x),
            DType::F64 => x.map("neg", |x: f64| -x),
        }?;
        Ok(record("NegBackward0", value, [edge(self, &(), |g, ()| g.neg())]))
    }
}
