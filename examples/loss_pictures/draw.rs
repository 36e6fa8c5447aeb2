//! A picture of a loss: curves, computed, and drawn with plotters.
use downhill::{Result, Tensor};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::error::Error as StdError;
use std::ops::Range;

/// Steps between the points of a curve, such that kinks at round numbers are points.
const STEPS: usize = 1200;

/// One loss along one line.
pub(crate) struct Picture {
    pub(crate) name: &'static str,
    title: String,
    /// The names of the horizontal axis, the loss and the gradient.
    axes: [&'static str; 3],
    x: Range<f64>,
    /// What is shown of the loss and the gradient; all of it where nothing is said.
    shown: [Option<Range<f64>>; 2],
    curves: Vec<Curve>,
}

struct Curve {
    label: &'static str,
    x: Vec<f64>,
    /// The loss and its gradient.
    y: [Vec<f64>; 2],
}

impl Picture {
    pub(crate) fn new(name: &'static str, title: &str, axes: [&'static str; 3], x: Range<f64>) -> Self {
        Self { name, title: title.to_owned(), axes, x, shown: [None, None], curves: Vec::new() }
    }

    pub(crate) fn show(mut self, loss: Range<f64>, gradient: Range<f64>) -> Self {
        self.shown = [Some(loss), Some(gradient)];
        self
    }

    /// Adds the curve of a function that takes a vector to one loss an element.
    pub(crate) fn curve(
        mut self,
        label: &'static str,
        loss: impl Fn(&Tensor) -> Result<Tensor>,
    ) -> Result<Self> {
        let Range { start, end } = self.x;
        let at = |i: usize| (start * (STEPS - i) as f64 + end * i as f64) / STEPS as f64;
        let x: Vec<f64> = (0..=STEPS).map(at).collect();
        let leaf = Tensor::from(x.clone()).requires_grad_()?;
        let value = loss(&leaf)?;
        value.sum().backward()?;
        let gradient = leaf.grad().map_or(Ok(vec![0.0; x.len()]), |g| g.to_vec())?;
        self.curves.push(Curve { label, x, y: [value.to_vec()?, gradient] });
        Ok(self)
    }
}

/// The picture's size in pixels, and how many units a pixel has: plotters rounds to whole units.
const SIZE: (u32, u32) = (800, 330);
const UNITS: u32 = 8;

/// Colours that differ for the colour-blind, too (Okabe and Ito, *Color Universal Design*, 2008).
const COLOURS: [RGBColor; 4] =
    [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115), RGBColor(204, 121, 167)];
const INK: RGBColor = RGBColor(40, 40, 40);

fn px(pixels: u32) -> i32 {
    (pixels * UNITS) as i32
}

fn font(size: u32) -> TextStyle<'static> {
    // Plotters writes sizes divided by 1.24.
    ("sans-serif", f64::from(size * UNITS) * 1.24).into_font().color(&INK)
}

impl Picture {
    /// The text of the SVG file.
    pub(crate) fn draw(&self) -> Result<String, Box<dyn StdError>> {
        let (width, height) = SIZE;
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, (width * UNITS, height * UNITS)).into_drawing_area();
            root.fill(&WHITE)?;
            root.draw(&Text::new(self.title.clone(), (px(14), px(10)), font(15)))?;
            let mut left = 14;
            for (curve, style) in self.curves.iter().zip(self.styles()) {
                let line = vec![(px(left), px(43)), (px(left + 22), px(43))];
                root.draw(&PathElement::new(line, style))?;
                let style = font(12).pos(Pos::new(HPos::Left, VPos::Center));
                root.draw(&Text::new(curve.label, (px(left + 28), px(43)), style))?;
                // Letters are some 7 pixels wide.
                left += 28 + 7 * curve.label.chars().count() as u32 + 14;
            }
            let (_, below) = root.split_vertically(px(56));
            let (loss, gradient) = below.split_horizontally(px(width / 2));
            for (i, area) in [loss, gradient].into_iter().enumerate() {
                self.panel(&area, i)?;
            }
            root.present()?;
        }
        // Shown in pixels, whatever its units.
        let units = format!(r#"width="{}" height="{}" viewBox"#, width * UNITS, height * UNITS);
        Ok(svg.replacen(&units, &format!(r#"width="{width}" height="{height}" viewBox"#), 1))
    }

    /// Of each curve; the first is the thickest, so that those that lie on it do not hide it.
    fn styles(&self) -> impl Iterator<Item = ShapeStyle> {
        let last = self.curves.len() as u32 - 1;
        COLOURS
            .into_iter()
            .enumerate()
            .map(move |(i, colour)| colour.stroke_width((8 + 3 * last.saturating_sub(i as u32)) * UNITS / 4))
    }

    /// The loss (0) or the gradient (1).
    fn panel<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        i: usize,
    ) -> Result<(), Box<dyn StdError>>
    where
        B::ErrorType: 'static,
    {
        let shown = self.shown[i].clone().unwrap_or_else(|| self.extent(i));
        let mut chart = ChartBuilder::on(area)
            .margin_left(px(12))
            .margin_right(px(14))
            .margin_top(px(6))
            .margin_bottom(px(6))
            .set_label_area_size(LabelAreaPosition::Left, px(54))
            .set_label_area_size(LabelAreaPosition::Bottom, px(40))
            .build_cartesian_2d(self.x.clone(), shown.clone())?;
        let number = |x: &f64| {
            // Rounded, and without the sign of −0.
            let text = format!("{}", (x * 1000.0).round() / 1000.0 + 0.0);
            text.replace('-', "−")
        };
        chart
            .configure_mesh()
            .x_labels(8)
            .y_labels(7)
            .max_light_lines(0)
            .set_all_tick_mark_size(px(4))
            .bold_line_style(RGBColor(225, 225, 225).stroke_width(UNITS))
            .axis_style(RGBColor(150, 150, 150).stroke_width(UNITS))
            .label_style(font(11))
            .axis_desc_style(font(12))
            .x_label_formatter(&number)
            .y_label_formatter(&number)
            .x_desc(self.axes[0])
            .y_desc(self.axes[1 + i])
            .draw()?;
        let zero = RGBColor(150, 150, 150).stroke_width(UNITS);
        if shown.contains(&0.0) {
            let ends = vec![(self.x.start, 0.0), (self.x.end, 0.0)];
            chart.draw_series([PathElement::new(ends, zero)])?;
        }
        if self.x.contains(&0.0) {
            chart.draw_series([PathElement::new(vec![(0.0, shown.start), (0.0, shown.end)], zero)])?;
        }
        for (curve, style) in self.curves.iter().zip(self.styles()) {
            for piece in curve.pieces(i, &shown) {
                chart.draw_series([PathElement::new(piece, style)])?;
            }
        }
        Ok(())
    }

    /// From the smallest to the largest value, and a little more.
    fn extent(&self, i: usize) -> Range<f64> {
        let values = || self.curves.iter().flat_map(|curve| &curve.y[i]).copied().filter(|y| y.is_finite());
        let (low, high) =
            (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
        let more = 0.06 * (high - low).max(1e-9);
        // A loss that ends at 0 stands on the axis.
        (if low.abs() < 1e-2 * (high - low) && i == 0 { 0.0 } else { low - more })..high + more
    }
}

impl Curve {
    /// The visible parts, cut where the curve jumps.
    fn pieces(&self, i: usize, shown: &Range<f64>) -> Vec<Vec<(f64, f64)>> {
        let height = shown.end - shown.start;
        let points: Vec<_> = self.x.iter().copied().zip(self.y[i].iter().copied()).collect();
        let inside = |y: f64| y >= shown.start && y <= shown.end;
        let mut pieces = vec![Vec::new()];
        for pair in points.windows(2) {
            let [(x0, y0), (x1, y1)] = [pair[0], pair[1]];
            // A loss does not jump, but may be infinite; of a gradient a steep step inside is a jump.
            let jumps = i == 1 && inside(y0) && inside(y1) && (y1 - y0).abs() > 0.06 * height;
            let joined = (y1 - y0).is_finite() && !jumps;
            if !joined || !inside(y0) && !inside(y1) {
                pieces.push(Vec::new());
                continue;
            }
            // Where it leaves what is shown.
            let clip = |y: f64| y.clamp(shown.start, shown.end);
            let at = |y: f64| (x0 + (x1 - x0) * (clip(y) - y0) / (y1 - y0), clip(y));
            let piece = pieces.last_mut().expect("one piece at least");
            if piece.is_empty() {
                piece.push(if inside(y0) { (x0, y0) } else { at(y0) });
            }
            piece.push(if inside(y1) { (x1, y1) } else { at(y1) });
            if !inside(y1) {
                pieces.push(Vec::new());
            }
        }
        pieces.retain(|piece| piece.len() > 1);
        pieces.iter().map(|piece| simplified(piece, 5e-4 * height)).collect()
    }
}

/// The same curve with fewer points, nowhere further off than `tolerance`.
fn simplified(points: &[(f64, f64)], tolerance: f64) -> Vec<(f64, f64)> {
    let mut kept = vec![points[0]];
    let mut start = 0;
    for end in 2..points.len() {
        let ((x0, y0), (x1, y1)) = (points[start], points[end]);
        let far = |&(x, y): &(f64, f64)| (y0 + (y1 - y0) * (x - x0) / (x1 - x0) - y).abs() > tolerance;
        if points[start + 1..end].iter().any(far) {
            start = end - 1;
            kept.push(points[start]);
        }
    }
    kept.push(points[points.len() - 1]);
    kept
}
