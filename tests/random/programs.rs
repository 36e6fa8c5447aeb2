//! Operations one after the other, on what those before gave.

use super::{Case, Draw, check, operations::operations};

/// Elements of a result that a program goes on with.
const MOST: usize = 1 << 12;

/// A program of up to eight operations.
pub(crate) fn run(bytes: &[u8]) {
    let mut d = Draw(bytes);
    let operations = operations();
    let Case { a, b, c, .. } = Case::new(&mut d);
    let mut values = vec![a, b, c];
    for _ in 0..=d.below(8) {
        let picked = [(); 3].map(|()| {
            // The newest most often.
            let place = (d.below(values.len()) + d.below(3)).min(values.len() - 1);
            values[place].clone()
        });
        let (name, call) = d.of(&operations);
        let case = Case::of(&mut d, picked);
        let leaves: Vec<_> = values[..3].iter().filter(|x| x.is_leaf()).cloned().collect();
        let results = check(name, &leaves.iter().collect::<Vec<_>>(), || call(&case));
        // The graph behind a result is gone: the check went through it.
        values.extend(results.into_iter().filter(|y| y.numel() <= MOST).map(|y| y.detach()));
    }
}
