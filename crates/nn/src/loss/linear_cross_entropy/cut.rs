//! How rows and classes are cut into blocks, groups and tiles.

/// Parts that the classes are cut into for the cores. Each has a partial gradient of a block's input.
const GROUPS: usize = 8;
/// Classes of a tile. With 128 rows in `f32` its logits are 128 KiB, which a core's second-level cache holds.
const TILE: usize = 256;
/// Classes of the smallest tile.
pub(super) const SMALL_TILE: usize = 32;
/// Rows of a block beyond which larger products gain nothing.
const MOST_ROWS: usize = 512;
/// Rows below which computing the logits twice costs less than products of so few rows.
const FEW_ROWS: usize = 64;

/// The sizes of the problem.
#[derive(Clone, Copy, Debug)]
pub(in crate::loss) struct Sizes {
    /// Rows of the input.
    pub(in crate::loss) rows: usize,
    pub(in crate::loss) features: usize,
    pub(in crate::loss) classes: usize,
    /// Targets a row.
    pub(in crate::loss) outputs: usize,
}

impl Sizes {
    /// Multiplications of one product.
    #[inline]
    fn work(&self) -> usize {
        self.rows.saturating_mul(self.weights())
    }

    #[inline]
    fn weights(&self) -> usize {
        self.features.saturating_mul(self.classes).saturating_mul(self.outputs)
    }

    /// Whether so little is to be done that it is done in `f64`, which then costs less than 0.1 ms.
    #[inline]
    pub(in crate::loss) fn are_small(&self) -> bool {
        self.work() <= 1 << 22 && self.weights() <= 1 << 18
    }

    /// Features whose products are added up before they are added to a logit: a sum of sums has a fraction of the error of one long
    /// sum. 512 features, 1000 classes: gradients within 1.7e-5 at once, 7.3e-6 in runs of 128, 4.1e-6 in runs of 32; PyTorch's
    /// are within 1.0e-5. Runs cost 2 % of the time; where there is much to do they are longer.
    #[inline]
    pub(super) fn run(&self) -> usize {
        if self.work() < 1 << 30 { 32 } else { 128 }
    }
}

/// How the work is cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cut {
    /// Rows of a block.
    pub(super) rows: usize,
    /// Classes of a tile.
    pub(super) tile: usize,
    /// Classes of a group, a multiple of `tile`.
    pub(super) group: usize,
    pub(super) groups: usize,
    /// Whether a block's logits are kept between the passes.
    pub(super) kept: bool,
}

impl Cut {
    /// For so many elements of scratch memory.
    #[inline]
    pub(super) fn new(sizes: Sizes, budget: usize) -> Self {
        let Sizes { rows, features, classes, .. } = sizes;
        let tile = classes.div_ceil(GROUPS).next_multiple_of(SMALL_TILE).clamp(SMALL_TILE, TILE);
        let group = classes.div_ceil(tile).div_ceil(GROUPS).max(1) * tile;
        let groups = classes.div_ceil(group);
        // The partial gradients of the rows, the rows themselves, and their transpose.
        let beside = (groups + 2) * features;
        let fit = budget / (classes + beside).max(1);
        let kept = fit >= FEW_ROWS || group == tile;
        let fit = if kept { fit } else { (budget / (groups * tile + beside)).min(TILE) };
        let most = fit.clamp(1, MOST_ROWS);
        // Blocks of about one size, in whole vectors.
        let most = if most < 16 { most } else { most / 16 * 16 };
        let even = rows.div_ceil(rows.div_ceil(most).max(1)).next_multiple_of(16);
        Self { rows: even.clamp(1, most), tile, group, groups, kept }
    }

    /// Elements of a block's logits that are held at a time.
    #[inline]
    pub(super) fn logits(&self, classes: usize) -> usize {
        self.rows * if self.kept { classes } else { self.groups * self.tile }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_fits_the_budget_unless_one_row_does_not() {
        for classes in [1, 31, 33, 255, 256, 257, 2049, 32_000, 262_144] {
            for (features, rows) in [(1, 1), (7, 5000), (512, 2048), (8192, 300)] {
                for budget in [0, 1 << 10, 1 << 16, 7 << 20] {
                    let cut = Cut::new(Sizes { rows, features, classes, outputs: 1 }, budget);
                    assert!(cut.group.is_multiple_of(cut.tile) && cut.groups <= GROUPS);
                    assert!(cut.group * cut.groups >= classes && cut.group * (cut.groups - 1) < classes);
                    let held = cut.logits(classes) + cut.rows * features * (cut.groups + 1);
                    assert!(held <= budget || cut.rows == 1, "{classes} {features} {rows} {budget}: {cut:?}");
                }
            }
        }
        // What the default is made for: 128 rows of f32 in 19 MiB.
        let cut = Cut::new(Sizes { rows: 2048, features: 512, classes: 32_000, outputs: 1 }, 19 << 18);
        assert_eq!(cut, Cut { rows: 128, tile: 256, group: 4096, groups: 8, kept: true });
    }
}
