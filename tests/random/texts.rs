//! What prints a tensor, with any options.

use super::Draw;
use downhill::{PrintOptions, Tensor, print_options, set_print_options};

/// The text of one tensor; `alone` where no other thread prints, for options are everybody's.
pub(crate) fn run(bytes: &[u8], alone: bool) {
    let mut d = Draw(bytes);
    let shape = d.shape();
    let x = d.tensor(&shape);
    let before = print_options();
    if alone {
        set_print_options(options(&mut d));
    }
    let texts = [
        x.to_string(),
        format!("{x:?}"),
        format!("{x:40}"),
        Tensor::stack(&[&x, &x], 0).unwrap().to_string(),
    ];
    // A single element with a precision is a number.
    let number = format!("{x:.2}");
    set_print_options(before);
    assert!(number.starts_with("te") || (x.numel() == 1 && !number.is_empty()), "{number}");
    assert!(texts.iter().all(|text| text.trim_start().starts_with("te")), "{texts:?}");
}

fn options(d: &mut Draw<'_>) -> PrintOptions {
    PrintOptions {
        precision: d.byte(),
        threshold: d.of(&[0, 1, 5, 1000, usize::MAX]),
        edgeitems: d.of(&[0, 1, 3, 1000]),
        linewidth: d.of(&[0, 1, 20, 80, usize::MAX]),
        sci_mode: d.of(&[None, Some(false), Some(true)]),
    }
}
