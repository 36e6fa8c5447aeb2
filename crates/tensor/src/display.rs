//! How a tensor is written out: PyTorch's text, to the byte.
//!
//! Which elements are shown is decided first, then one notation and one column width for all of them, then the lines.
//! Only shown elements are ever read, so a huge tensor prints as fast as a small one.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::{PoisonError, RwLock};

/// How tensors are written out, for the whole process: see [`set_print_options`].
///
/// The defaults are PyTorch's. Its profile `short` is `PrintOptions { precision: 2, edgeitems: 2, ..Default::default() }`,
/// its profile `full` is `PrintOptions { threshold: usize::MAX, ..Default::default() }`.
///
/// # PyTorch
///
/// [`torch.set_printoptions`](https://docs.pytorch.org/docs/stable/generated/torch.set_printoptions.html)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrintOptions {
    /// Digits after the point. 4 by default.
    pub precision: u8,
    /// Tensors with more elements than this are abridged. 1000 by default.
    pub threshold: usize,
    /// Entries shown at each end of a dimension that is cut. 3 by default.
    pub edgeitems: usize,
    /// Characters in a line. 80 by default.
    pub linewidth: usize,
    /// Scientific notation always (`Some(true)`), never (`Some(false)`), or where the values ask for it (`None`, the default).
    pub sci_mode: Option<bool>,
}

impl PrintOptions {
    const DEFAULT: Self = Self { precision: 4, threshold: 1000, edgeitems: 3, linewidth: 80, sci_mode: None };
}

impl Default for PrintOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

static OPTIONS: RwLock<PrintOptions> = RwLock::new(PrintOptions::DEFAULT);

/// Sets how tensors are written out from now on, in every thread.
///
/// # Examples
///
/// ```
/// use downhill::{PrintOptions, print_options, set_print_options};
///
/// set_print_options(PrintOptions { precision: 2, ..Default::default() });
/// assert_eq!(print_options().precision, 2);
/// ```
///
/// # PyTorch
///
/// [`torch.set_printoptions`](https://docs.pytorch.org/docs/stable/generated/torch.set_printoptions.html), which keeps
/// the options that are not named; here they are taken from [`print_options`] or [`Default`], as the caller writes.
#[doc(alias = "set_printoptions")]
pub fn set_print_options(options: PrintOptions) {
    *OPTIONS.write().unwrap_or_else(PoisonError::into_inner) = options;
}

/// How tensors are written out at present.
///
/// # Examples
///
/// ```
/// assert_eq!(downhill::print_options(), downhill::PrintOptions::default());
/// ```
#[doc(alias = "get_printoptions")]
pub fn print_options() -> PrintOptions {
    *OPTIONS.read().unwrap_or_else(PoisonError::into_inner)
}

/// The elements of a tensor, each by its index in row-major order.
pub(crate) enum Values<'a> {
    F32(&'a dyn Fn(usize) -> f32),
    F64(&'a dyn Fn(usize) -> f64),
    I64(&'a dyn Fn(usize) -> i64),
    Bool(&'a dyn Fn(usize) -> bool),
}

/// What the text says about gradients.
pub(crate) enum History<'a> {
    Constant,
    Leaf,
    /// Computed by an operation of this name, `"AddBackward0"`.
    Computed(&'a str),
}

const OPENING: &str = "tensor(";

/// The text of a tensor under these options: `tensor([1., 2.], grad_fn=<AddBackward0>)`.
pub(crate) fn tensor_text(
    options: &PrintOptions,
    shape: &[usize],
    values: &Values,
    history: &History,
) -> String {
    let mut text = String::from(OPENING);
    if shape.contains(&0) {
        text.push_str("[]");
    } else {
        Page::new(options, shape, values).write(0, &mut text);
    }
    append_suffixes(&mut text, options.linewidth, &suffixes(options, shape, values, history));
    text.push(')');
    text
}

/// A tensor's shown elements as texts of one width, and how they are laid out in lines.
struct Page<'a> {
    options: &'a PrintOptions,
    shape: &'a [usize],
    abridged: bool,
    width: usize,
    texts: std::vec::IntoIter<String>,
}

impl<'a> Page<'a> {
    fn new(options: &'a PrintOptions, shape: &'a [usize], values: &Values) -> Self {
        let elements = shape.iter().fold(1, |n: usize, &size| n.saturating_mul(size));
        let mut page = Page {
            options,
            shape,
            abridged: elements > options.threshold,
            width: 1,
            texts: Vec::new().into_iter(),
        };
        let shown = page.shown_elements();
        let texts = match values {
            Values::F32(get) => {
                let floats: Vec<f64> = shown.into_iter().map(|i| get(i).into()).collect();
                page.float_texts(&floats)
            }
            Values::F64(get) => {
                let floats: Vec<f64> = shown.into_iter().map(get).collect();
                page.float_texts(&floats)
            }
            Values::I64(get) => page.exact_texts(shown, |i| get(i).to_string()),
            Values::Bool(get) => {
                page.exact_texts(shown, |i| if get(i) { "True" } else { "False" }.to_string())
            }
        };
        page.texts = texts.into_iter();
        page
    }

    /// The shown entries of dimension `dim`; the second range is empty unless the dimension is cut.
    fn shown(&self, dim: usize) -> (Range<usize>, Range<usize>) {
        let (size, edge) = (self.shape[dim], self.options.edgeitems);
        if self.abridged && size > edge.saturating_mul(2) {
            (0..edge, size - edge..size)
        } else {
            (0..size, size..size)
        }
    }

    fn is_cut(&self, dim: usize) -> bool {
        self.shown(dim).0.end < self.shape[dim]
    }

    /// Row-major indices of the elements that are shown.
    fn shown_elements(&self) -> Vec<usize> {
        (0..self.shape.len()).fold(vec![0], |outer, dim| {
            let (head, tail) = self.shown(dim);
            let inner = head.chain(tail);
            outer.iter().flat_map(|base| inner.clone().map(move |i| base * self.shape[dim] + i)).collect()
        })
    }

    fn exact_texts(&mut self, shown: Vec<usize>, text: impl Fn(usize) -> String) -> Vec<String> {
        let texts: Vec<String> = shown.into_iter().map(text).collect();
        self.width = texts.iter().map(String::len).max().unwrap_or(1);
        texts
    }

    fn float_texts(&mut self, values: &[f64]) -> Vec<String> {
        // Zeros, NaN and infinities have no say in the notation, and stick out of the column rather than widen it.
        let ordinary = || values.iter().copied().filter(|v| v.is_finite() && *v != 0.0);
        let notation = Notation::choose(self.options, ordinary);
        self.width = ordinary().map(|v| notation.text(v).len()).max().unwrap_or(1);
        values.iter().map(|&v| notation.text(v)).collect()
    }

    fn write(&mut self, dim: usize, out: &mut String) {
        let rank = self.shape.len();
        if rank == 0 {
            out.extend(self.texts.next());
            return;
        }
        out.push('[');
        if dim + 1 == rank {
            self.write_row(out);
        } else {
            self.write_parts(dim, out);
        }
        out.push(']');
    }

    fn write_row(&mut self, out: &mut String) {
        let dim = self.shape.len() - 1;
        let (head, tail) = self.shown(dim);
        let width = self.width;
        let mut items: Vec<String> =
            self.texts.by_ref().take(head.len() + tail.len()).map(|text| format!("{text:>width$}")).collect();
        if self.is_cut(dim) {
            items.insert(head.len(), if head.is_empty() { "..." } else { " ..." }.to_string());
        }
        let indent = OPENING.len() + dim;
        let per_line = (self.options.linewidth.saturating_sub(indent) / (width + 2)).max(1);
        let lines: Vec<String> = items.chunks(per_line).map(|line| line.join(", ")).collect();
        out.push_str(&lines.join(&format!(",\n{}", " ".repeat(indent + 1))));
    }

    fn write_parts(&mut self, dim: usize, out: &mut String) {
        let blank_lines = "\n".repeat(self.shape.len() - 1 - dim);
        let separator = format!(",{blank_lines}{}", " ".repeat(OPENING.len() + dim + 1));
        let (head, tail) = self.shown(dim);
        for i in head.clone() {
            if i > 0 {
                out.push_str(&separator);
            }
            self.write(dim + 1, out);
        }
        if self.is_cut(dim) {
            if !head.is_empty() {
                out.push_str(&separator);
            }
            out.push_str("...");
        }
        for _ in tail {
            out.push_str(&separator);
            self.write(dim + 1, out);
        }
    }
}

/// How the floats of one tensor are written; one notation for all of them.
enum Notation {
    /// `3.`
    Whole,
    /// `3.1416`, with this many decimals.
    Fixed(usize),
    /// `3.1416e+00`, with this many decimals.
    Scientific(usize),
}

impl Notation {
    fn choose<I: Iterator<Item = f64>>(options: &PrintOptions, values: impl Fn() -> I) -> Self {
        if values().next().is_none() {
            return Self::Whole;
        }
        let largest = values().map(f64::abs).fold(0.0, f64::max);
        let smallest = values().map(f64::abs).fold(f64::INFINITY, f64::min);
        let precision = options.precision.into();
        let wide = largest / smallest > 1000.0 || largest > 1e8 || smallest < 1e-4;
        if options.sci_mode.unwrap_or(wide) {
            Self::Scientific(precision)
        } else if values().all(|v| v.fract() == 0.0) {
            Self::Whole
        } else {
            Self::Fixed(precision)
        }
    }

    fn text(&self, value: f64) -> String {
        if value.is_nan() {
            return "nan".to_string();
        }
        if value.is_infinite() {
            return value.to_string();
        }
        match *self {
            Self::Whole => format!("{value:.0}."),
            Self::Fixed(precision) => format!("{value:.precision$}"),
            Self::Scientific(precision) => {
                let text = format!("{value:.precision$e}");
                let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
                let (sign, digits) = match exponent.strip_prefix('-') {
                    Some(digits) => ('-', digits),
                    None => ('+', exponent),
                };
                // C writes the exponent with its sign and at least two digits, Rust with neither.
                format!("{mantissa}e{sign}{digits:0>2}")
            }
        }
    }
}

fn suffixes(options: &PrintOptions, shape: &[usize], values: &Values, history: &History) -> Vec<String> {
    let mut suffixes = Vec::new();
    let empty = shape.contains(&0);
    if if empty { shape.len() != 1 } else { options.edgeitems == 0 } {
        let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
        // Python's tuples of one end with a comma.
        let end = if sizes.len() == 1 { "," } else { "" };
        suffixes.push(format!("size=({}{end})", sizes.join(", ")));
    }
    // The elements of an empty tensor cannot show that they are integers or booleans.
    let dtype = match values {
        Values::F32(_) => None,
        Values::F64(_) => Some("float64"),
        Values::I64(_) => empty.then_some("int64"),
        Values::Bool(_) => empty.then_some("bool"),
    };
    suffixes.extend(dtype.map(|name| format!("dtype=torch.{name}")));
    match history {
        History::Constant => {}
        History::Leaf => suffixes.push("requires_grad=True".to_string()),
        History::Computed(name) => suffixes.push(format!("grad_fn=<{name}>")),
    }
    suffixes
}

fn append_suffixes(text: &mut String, linewidth: usize, suffixes: &[String]) {
    let last_line = text.rfind('\n').map_or(0, |newline| newline + 1);
    let mut column = text.len() - last_line + 2;
    for suffix in suffixes {
        if column + suffix.len() + 2 > linewidth {
            let _ = write!(text, ",\n{:indent$}{suffix}", "", indent = OPENING.len());
            column = OPENING.len() + suffix.len();
        } else {
            let _ = write!(text, ", {suffix}");
            column += suffix.len() + 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: PrintOptions = PrintOptions::DEFAULT;

    fn f32_text(shape: &[usize], values: &[f32], history: &History) -> String {
        tensor_text(&DEFAULT, shape, &Values::F32(&|i| values[i]), history)
    }

    fn vector(values: &[f32]) -> String {
        f32_text(&[values.len()], values, &History::Constant)
    }

    fn counted(shape: &[usize]) -> String {
        tensor_text(&DEFAULT, shape, &Values::F32(&|i| i as f32), &History::Constant)
    }

    #[test]
    fn one_element_stands_alone() {
        let scalar = |value| f32_text(&[], &[value], &History::Constant);
        assert_eq!(scalar(3.5), "tensor(3.5000)");
        assert_eq!(scalar(1e-7), "tensor(1.0000e-07)");
        assert_eq!(scalar(0.0), "tensor(0.)");
        assert_eq!(scalar(f32::INFINITY), "tensor(inf)");
        let int = Values::I64(&|_| 5);
        assert_eq!(tensor_text(&DEFAULT, &[], &int, &History::Constant), "tensor(5)");
        let flag = Values::Bool(&|_| true);
        assert_eq!(tensor_text(&DEFAULT, &[], &flag, &History::Constant), "tensor(True)");
    }

    #[test]
    fn values_choose_the_notation() {
        assert_eq!(vector(&[1.0, 1000.0]), "tensor([   1., 1000.])");
        assert_eq!(vector(&[1.0, 1001.0]), "tensor([1.0000e+00, 1.0010e+03])");
        assert_eq!(vector(&[0.0, 1e-5]), "tensor([0.0000e+00, 1.0000e-05])");
        assert_eq!(vector(&[123_456.0, 0.5]), "tensor([1.2346e+05, 5.0000e-01])");
        assert_eq!(vector(&[3.0, -0.0, 0.0]), "tensor([3., -0., 0.])");
    }

    #[test]
    fn decimals_round_half_to_even_of_the_exact_value() {
        assert_eq!(vector(&[0.03125, 0.09375]), "tensor([0.0312, 0.0938])");
    }

    #[test]
    fn infinities_stick_out_of_the_column() {
        assert_eq!(vector(&[f32::NAN, 1.0, f32::NEG_INFINITY]), "tensor([nan, 1., -inf])");
        assert_eq!(vector(&[f32::NAN, 1.5]), "tensor([   nan, 1.5000])");
    }

    #[test]
    fn long_rows_wrap_and_large_tensors_are_cut() {
        assert_eq!(
            counted(&[25]),
            "tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13.,\n        \
             14., 15., 16., 17., 18., 19., 20., 21., 22., 23., 24.])"
        );
        assert_eq!(vector(&[0.0; 1001]), "tensor([0., 0., 0.,  ..., 0., 0., 0.])");
        assert!(!vector(&[0.0; 1000]).contains("..."));
        assert_eq!(
            counted(&[2, 700]).replace('\n', "|"),
            "tensor([[0.0000e+00, 1.0000e+00, 2.0000e+00,  ..., 6.9700e+02, 6.9800e+02,|         \
             6.9900e+02],|        [7.0000e+02, 7.0100e+02, 7.0200e+02,  ..., 1.3970e+03, 1.3980e+03,|         \
             1.3990e+03]])"
        );
        assert_eq!(
            f32_text(&[700, 2], &[1.0; 1400], &History::Constant),
            "tensor([[1., 1.],\n        [1., 1.],\n        [1., 1.],\n        ...,\n        [1., 1.],\n        \
             [1., 1.],\n        [1., 1.]])"
        );
    }

    #[test]
    fn only_shown_elements_are_read() {
        let shape = [usize::MAX];
        let values = Values::I64(&|i| i64::from(i == usize::MAX - 1));
        assert_eq!(
            tensor_text(&DEFAULT, &shape, &values, &History::Constant),
            "tensor([0, 0, 0,  ..., 0, 0, 1])"
        );
    }

    #[test]
    fn matrices_are_set_apart_by_blank_lines() {
        assert_eq!(
            counted(&[2, 2, 1]),
            "tensor([[[0.],\n         [1.]],\n\n        [[2.],\n         [3.]]])"
        );
    }

    #[test]
    fn empty_tensors_tell_their_shape_and_dtype() {
        assert_eq!(counted(&[0]), "tensor([])");
        assert_eq!(counted(&[0, 3]), "tensor([], size=(0, 3))");
        let ints = Values::I64(&|_| 0);
        assert_eq!(tensor_text(&DEFAULT, &[0], &ints, &History::Constant), "tensor([], dtype=torch.int64)");
        let flags = Values::Bool(&|_| false);
        assert_eq!(
            tensor_text(&DEFAULT, &[2, 0], &flags, &History::Constant),
            "tensor([], size=(2, 0), dtype=torch.bool)"
        );
    }

    #[test]
    fn suffixes_follow_in_order_and_wrap() {
        let doubles = Values::F64(&|i| i as f64 + 0.5);
        assert_eq!(
            tensor_text(&DEFAULT, &[2], &doubles, &History::Computed("AddBackward0")),
            "tensor([0.5000, 1.5000], dtype=torch.float64, grad_fn=<AddBackward0>)"
        );
        assert_eq!(
            tensor_text(&DEFAULT, &[4], &doubles, &History::Computed("AddBackward0")),
            "tensor([0.5000, 1.5000, 2.5000, 3.5000], dtype=torch.float64,\n       grad_fn=<AddBackward0>)"
        );
        assert_eq!(f32_text(&[1], &[1.0], &History::Leaf), "tensor([1.], requires_grad=True)");
    }

    #[test]
    fn options_reach_every_rule() {
        let short = PrintOptions { precision: 2, edgeitems: 2, ..DEFAULT };
        let thirds = Values::F64(&|i| (i + 1) as f64 / 3.0);
        assert_eq!(
            tensor_text(&short, &[1200], &thirds, &History::Constant),
            "tensor([3.33e-01, 6.67e-01,  ..., 4.00e+02, 4.00e+02], dtype=torch.float64)"
        );
        let fixed = PrintOptions { sci_mode: Some(false), linewidth: 30, ..short };
        assert_eq!(
            tensor_text(&fixed, &[1200], &thirds, &History::Constant),
            "tensor([  0.33,   0.67,\n         ..., 399.67,\n        400.00],\n       dtype=torch.float64)"
        );
    }

    #[test]
    fn extreme_options_do_not_panic() {
        let extreme =
            PrintOptions { precision: u8::MAX, threshold: 0, edgeitems: 0, linewidth: 0, sci_mode: None };
        let tiny = Values::F64(&|_| f64::MIN_POSITIVE);
        assert_eq!(
            tensor_text(&extreme, &[2, 2], &tiny, &History::Leaf),
            "tensor([...],\n       size=(2, 2),\n       dtype=torch.float64,\n       requires_grad=True)"
        );
    }

    #[test]
    fn without_edge_items_the_size_is_told() {
        let none = PrintOptions { threshold: 4, edgeitems: 0, ..DEFAULT };
        let text = |shape: &[usize]| tensor_text(&none, shape, &Values::F32(&|_| 1.0), &History::Constant);
        assert_eq!(text(&[10]), "tensor([...], size=(10,))");
        assert_eq!(text(&[2]), "tensor([1., 1.], size=(2,))");
        assert_eq!(text(&[3, 3]), "tensor([...], size=(3, 3))");
        assert_eq!(text(&[]), "tensor(1., size=())");
        assert_eq!(text(&[0]), "tensor([])");
    }
}
