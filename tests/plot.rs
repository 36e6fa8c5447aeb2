//! Pictures of curves: what is in them, whatever the numbers are.

use downhill::Error;
use downhill::log::{Curves, Plot, read};
use proptest::prelude::*;
use std::fs;

#[test]
fn a_picture_has_its_names_and_a_line_for_each_run() {
    let points = |slope: f64| (0..50).map(move |i| (f64::from(i), slope * f64::from(i)));
    let none = Plot { y: "loss".into(), ..Plot::new("A < B") };
    let two = none.clone().curve("first", points(1.0)).curve("second & last", points(-2.0));
    let (before, after) = (none.svg().unwrap(), two.svg().unwrap());
    assert!(after.starts_with("<svg width=\"800\" height=\"440\" viewBox"));
    for text in ["A &lt; B", "step", "loss", "first", "second &amp; last", "−80", "40"] {
        assert!(after.contains(text), "no {text}");
    }
    // Each has its line and one in the legend; an empty picture has neither.
    let coloured = |svg: &str, colour: &str| svg.matches(colour).count();
    for colour in ["#0072B2", "#D55E00"] {
        assert_eq!((coloured(&before, colour), coloured(&after, colour)), (0, 2), "{colour}");
    }
}

#[test]
fn values_that_have_no_place_interrupt_a_curve() {
    let pieces = |log_scale: bool, values: [f64; 5]| {
        let plot = Plot { log_scale, ..Plot::new("") };
        let svg = plot.curve("", (0..).map(f64::from).zip(values)).svg().unwrap();
        svg.matches("#0072B2").count() - 1
    };
    assert_eq!(pieces(false, [1.0, 2.0, f64::NAN, 1.0, 2.0]), 2);
    assert_eq!(pieces(false, [1.0, 2.0, f64::INFINITY, 1.0, f64::MAX]), 2);
    assert_eq!(pieces(false, [1.0, 0.0, -1.0, 1.0, 2.0]), 1);
    assert_eq!(pieces(true, [1.0, 0.0, -1.0, 1.0, 2.0]), 2);
    assert_eq!(pieces(true, [-1.0; 5]), 0);
}

#[test]
fn runs_are_read_from_both_formats_and_drawn_together() {
    let folder = std::env::temp_dir().join(format!("downhill-plot-runs-{}", std::process::id()));
    let mut plot = Plot::new("Runs");
    for name in ["a.csv", "b.jsonl"] {
        let path = folder.join(name);
        let mut curves = Curves::create(&path).unwrap();
        curves.add(0, &[("loss", 1.0), ("rate", f64::NAN)]).unwrap();
        curves.add(2, &[("loss", 0.5)]).unwrap();
        assert_eq!(read(&path, "loss").unwrap(), [(0.0, 1.0), (2.0, 0.5)]);
        let rates = read(&path, "rate").unwrap();
        assert!(rates.len() == 1 && rates[0].0 == 0.0 && rates[0].1.is_nan());
        assert!(matches!(read(&path, "accuracy"), Err(Error::Argument { .. })));
        plot = plot.run(name, &path, "loss").unwrap();
    }
    let picture = folder.join("new").join("runs.svg");
    plot.save(&picture).unwrap();
    assert_eq!(fs::read_to_string(&picture).unwrap(), plot.svg().unwrap());
    assert!(matches!(plot.save(picture.join("below")), Err(Error::File { .. })));
    let path = folder.join("a.csv");
    for bad in ["step,loss\n0\n", "step,loss\n0,1,2\n", "step,loss\n0,x\n", "step,loss\nx,0\n"] {
        fs::write(&path, bad).unwrap();
        let text = read(&path, "loss").unwrap_err().to_string();
        assert!(text.contains("line 2 is none of scalars a step"), "{text}");
    }
    let path = folder.join("b.jsonl");
    for bad in ["{", "{}", "{\"step\":}", "{\"loss\":1}", "{\"step\":0,loss:1}"] {
        fs::write(&path, bad).unwrap();
        let text = read(&path, "loss").unwrap_err().to_string();
        assert!(text.contains("line 1 is none of scalars a step"), "{text}");
    }
    fs::remove_dir_all(folder).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_numbers_are_drawn(points in proptest::collection::vec((any::<f64>(), any::<f64>()), 0..6), log_scale: bool) {
        let plot = Plot { log_scale, ..Plot::new("") }.curve("a", points.clone()).curve("b", points);
        prop_assert!(plot.svg().unwrap().ends_with("</svg>\n"));
    }

    #[test]
    fn numbers_close_to_each_other_are_drawn(x in any::<f64>(), steps in 0_u64..3) {
        let near = f64::from_bits(x.to_bits().wrapping_add(steps));
        let plot = Plot::new("").curve("a", [(x, near), (near, x)]);
        prop_assert!(plot.svg().unwrap().ends_with("</svg>\n"));
    }
}
