//! Ones with a given probability, zeros otherwise.

use super::Generator;
use super::uniform::{Uniform, unit};
use crate::Element;
use crate::kernel::simd::inlined;

impl Generator {
    /// Fills `out` with ones (`true`), each with probability `p`, and zeros; two words an element whatever the type.
    pub(crate) fn fill_bernoulli<T: Element>(&mut self, out: &mut [T], p: f64) {
        self.engine.map_u64(out, inlined!(move |words| T::of_bool(unit(words) < p)));
    }

    /// Fills `out` with ones and zeros, each a one with its own probability; one word an `f32`, two an `f64`.
    pub(crate) fn fill_bernoulli_each<T: Uniform>(&mut self, out: &mut [T], p: &[T]) {
        self.fill_uniform(out, 0.0, 1.0);
        for (x, &p) in out.iter_mut().zip(p) {
            *x = T::of_bool(*x < p);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_pytorch() {
        let mut ones = [0_i64; 10];
        Generator::seeded(0).fill_bernoulli(&mut ones, 0.3);
        assert_eq!(ones, [0, 0, 0, 0, 0, 0, 1, 0, 0, 1]);

        let mut kept = [false; 10];
        Generator::seeded(0).fill_bernoulli(&mut kept, 0.5);
        assert_eq!(kept.map(u8::from), [0, 0, 1, 0, 0, 0, 1, 1, 0, 1]);

        let mut narrow = [0.0_f32; 10];
        Generator::seeded(0).fill_bernoulli_each(&mut narrow, &[0.3; 10]);
        assert_eq!(narrow.map(|x| x as u8), [0, 0, 1, 1, 0, 0, 0, 0, 0, 0]);

        let mut wide = [0.0_f64; 10];
        Generator::seeded(0).fill_bernoulli_each(&mut wide, &[0.3; 10]);
        assert_eq!(wide.map(|x| x as u8), [0, 0, 0, 0, 0, 0, 1, 0, 0, 1]);
    }

    #[test]
    fn probabilities_0_and_1_are_certain() {
        let mut generator = Generator::seeded(0);
        let mut out = [true; 1000];
        generator.fill_bernoulli(&mut out, 0.0);
        assert!(!out.contains(&true));
        generator.fill_bernoulli(&mut out, 1.0);
        assert!(!out.contains(&false));
    }
}
