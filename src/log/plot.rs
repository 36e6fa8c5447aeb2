//! Curves as a picture.

use super::{failed, read};
use crate::{Error, Result};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::fs;
use std::ops::Range;
use std::path::Path;

const OP: &str = "plot";

/// Curves in one picture, those of several runs for instance, as SVG. Wants the feature `plot`.
///
/// Points are joined in the order in which they come. A value that is not finite interrupts its curve, and so does one that is not above
/// 0 where the scale is logarithmic.
///
/// # Errors
/// What [`read`](super::read) refuses, for a run; [`Error::File`] for a picture that cannot be written.
///
/// # Examples
/// ```
/// use downhill::log::{Curves, Plot};
///
/// let folder = std::env::temp_dir().join(format!("downhill-plot-{}", std::process::id()));
/// let runs = [0.1_f64, 0.2].map(|lr| (lr, folder.join(format!("{lr}.csv"))));
/// for (lr, path) in &runs {
///     let mut curves = Curves::create(path)?;
///     for step in 0..100 {
///         curves.add(step, &[("loss", (-lr * step as f64).exp())])?;
///     }
/// }
/// let mut plot = Plot { y: "loss".into(), log_scale: true, ..Plot::new("Two learning rates") };
/// for (lr, path) in &runs {
///     plot = plot.run(format!("lr {lr}"), path, "loss")?;
/// }
/// plot.save(folder.join("loss.svg"))?;
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// It has none; this has the place of the pictures of `TensorBoard`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plot {
    /// What stands above.
    pub title: String,
    /// What the horizontal axis shows.
    pub x: String,
    /// What the vertical axis shows.
    pub y: String,
    /// Whether equal factors have equal heights.
    pub log_scale: bool,
    /// Names and points, in the order of the legend.
    pub curves: Vec<(String, Vec<(f64, f64)>)>,
}

/// In pixels, of the picture; of what stands above the curves at least.
const SIZE: (u32, u32) = (800, 440);
const TOP: i32 = 34;
const LEGEND: i32 = 18;
/// How many units a pixel has: plotters rounds to whole units.
const UNITS: u32 = 8;
/// Values further from 0 are drawn here: with twice the largest number a scale could not be divided.
const FAR: f64 = 1e300;

/// Colours that differ for the colour-blind, too (Okabe and Ito, *Color Universal Design*, 2008).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(90, 90, 90),
];
const INK: RGBColor = RGBColor(40, 40, 40);

impl Plot {
    /// Without curves, of steps.
    #[inline]
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), x: "step".into(), ..Self::default() }
    }

    /// Adds a curve of points.
    #[must_use]
    #[inline]
    pub fn curve(mut self, name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.curves.push((name.into(), points.into_iter().collect()));
        self
    }

    /// Adds the curve of a scalar in a file of [`Curves`](super::Curves).
    ///
    /// # Errors
    /// See [`Plot`].
    #[inline]
    pub fn run(self, name: impl Into<String>, path: impl AsRef<Path>, scalar: &str) -> Result<Self> {
        let points = read(path, scalar)?;
        Ok(self.curve(name, points))
    }

    /// Writes the picture to a file, in place of one that is there; its folder is made if there is none.
    ///
    /// # Errors
    /// See [`Plot`].
    #[inline]
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let (path, text) = (path.as_ref(), self.svg()?);
        let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
        folder.and_then(|()| fs::write(path, text)).map_err(|error| failed(path, &error))
    }

    /// The picture's text.
    ///
    /// # Errors
    /// None that is known; those of plotters are [`Error::Argument`].
    #[inline]
    pub fn svg(&self) -> Result<String> {
        let (width, height) = SIZE;
        let mut svg = String::new();
        {
            let size = (width * UNITS, height * UNITS);
            let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            root.fill(&WHITE).map_err(refused)?;
            let title = Text::new(self.title.clone(), (px(14), px(10)), font(15));
            root.draw(&title).map_err(refused)?;
            let below = self.legend(&root)?;
            self.chart(&root.split_vertically(px(below)).1)?;
            root.present().map_err(refused)?;
        }
        // Shown in pixels, whatever its units.
        let units = format!(r#"width="{}" height="{}" viewBox"#, width * UNITS, height * UNITS);
        Ok(svg.replacen(&units, &format!(r#"width="{width}" height="{height}" viewBox"#), 1))
    }

    /// What each colour means, in as many lines as are needed; gives the height below them.
    #[inline]
    fn legend(&self, root: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<i32> {
        let (mut left, mut top) = (14, TOP + LEGEND / 2);
        for ((name, _), colour) in self.curves.iter().zip(COLOURS.into_iter().cycle()) {
            // Letters are some 7 pixels wide.
            let width = 28 + 7 * name.chars().count().min(100) as i32 + 14;
            if left > 14 && left + width > SIZE.0 as i32 {
                (left, top) = (14, top + LEGEND);
            }
            let line = vec![(px(left), px(top)), (px(left + 22), px(top))];
            root.draw(&PathElement::new(line, colour.stroke_width(2 * UNITS))).map_err(refused)?;
            let style = font(12).pos(Pos::new(HPos::Left, VPos::Center));
            root.draw(&Text::new(name.clone(), (px(left + 28), px(top)), style)).map_err(refused)?;
            left += width;
        }
        // A legend of hundreds leaves room for the curves.
        Ok((top + LEGEND / 2 + 4).min(SIZE.1 as i32 / 2))
    }

    #[inline]
    fn chart(&self, area: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<()> {
        let height = |y: f64| if self.log_scale { y.log10() } else { y };
        let point = |&(x, y): &(f64, f64)| (x, height(y));
        let drawn: Vec<Vec<_>> =
            self.curves.iter().map(|(_, points)| points.iter().map(point).collect()).collect();
        let finite = || drawn.iter().flatten().filter(|p| is_finite(p));
        let (across, up) = (range(finite().map(|p| p.0), 0.0), range(finite().map(|p| p.1), 0.05));
        let mut chart = ChartBuilder::on(area)
            .margin_left(px(12))
            .margin_right(px(18))
            .margin_top(px(6))
            .margin_bottom(px(6))
            .set_label_area_size(LabelAreaPosition::Left, px(64))
            .set_label_area_size(LabelAreaPosition::Bottom, px(40))
            .build_cartesian_2d(across.clone(), up.clone())
            .map_err(refused)?;
        let x_text = |x: &f64| number(*x, across.end - across.start);
        let y_text = |y: &f64| {
            if self.log_scale { format!("{:.1e}", 10.0_f64.powf(*y)) } else { number(*y, up.end - up.start) }
        };
        let mut mesh = chart.configure_mesh();
        mesh.x_labels(10).y_labels(8).max_light_lines(0);
        mesh.set_all_tick_mark_size(px(4))
            .bold_line_style(RGBColor(225, 225, 225).stroke_width(UNITS))
            .axis_style(RGBColor(150, 150, 150).stroke_width(UNITS))
            .label_style(font(11))
            .axis_desc_style(font(12))
            .x_label_formatter(&x_text)
            .y_label_formatter(&y_text)
            .x_desc(self.x.clone())
            .y_desc(self.y.clone());
        mesh.draw().map_err(refused)?;
        for (points, colour) in drawn.iter().zip(COLOURS.into_iter().cycle()) {
            for piece in points.split(|p| !is_finite(p)).filter(|piece| !piece.is_empty()) {
                // A point alone is a line to itself, and round ends are not to be had: a short one shows.
                let style = colour.stroke_width(2 * UNITS);
                let line = if piece.len() == 1 { dash(piece[0], &across) } else { piece.to_vec() };
                chart.draw_series([PathElement::new(line, style)]).map_err(refused)?;
            }
        }
        Ok(())
    }
}

#[inline]
fn refused(error: impl std::fmt::Display) -> Error {
    Error::argument(OP, error.to_string())
}

#[inline]
fn px(pixels: i32) -> i32 {
    pixels * UNITS as i32
}

#[inline]
fn font(size: u32) -> TextStyle<'static> {
    // Plotters writes sizes divided by 1.24.
    ("sans-serif", f64::from(size * UNITS) * 1.24).into_font().color(&INK)
}

#[inline]
fn is_finite((x, y): &(f64, f64)) -> bool {
    x.abs() < FAR && y.abs() < FAR
}

/// From the smallest to the largest number, and this part more at both ends; never of no length.
#[inline]
fn range(numbers: impl Iterator<Item = f64> + Clone, more: f64) -> Range<f64> {
    let (low, high) =
        (numbers.clone().fold(f64::INFINITY, f64::min), numbers.fold(f64::NEG_INFINITY, f64::max));
    if low > high {
        return 0.0..1.0;
    }
    // Labels have six digits: below that, all points lie on one line.
    let length = (high - low).max(1e-6 * low.abs().max(high.abs())).max(1e-300);
    let more = if high - low < length { length } else { more * length };
    low - more..high + more
}

/// A number of an axis, with the digits that its length needs.
#[inline]
fn number(x: f64, length: f64) -> String {
    let x = if x.abs() < 1e-9 * length { 0.0 } else { x };
    if x != 0.0 && !(1e-4..1e6).contains(&x.abs()) {
        return format!("{x:.2e}").replace('-', "−");
    }
    let digits = (2.0 - length.log10().floor()).clamp(0.0, 8.0) as usize;
    let text = format!("{x:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    text.replace('-', "−")
}

#[inline]
fn dash((x, y): (f64, f64), across: &Range<f64>) -> Vec<(f64, f64)> {
    let half = 3e-3 * (across.end - across.start);
    vec![((x - half).max(across.start), y), ((x + half).min(across.end), y)]
}
