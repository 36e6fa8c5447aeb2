use downhill::Tensor;
use downhill::data::{CsvOptions, Kind, Table};
use flate2::{Compression, read::GzEncoder};
use proptest::prelude::*;
use std::io::Read;

fn read(text: &str) -> Table {
    Table::read(text.as_bytes(), &CsvOptions::default()).unwrap()
}

fn kinds(name: &str, kind: Kind) -> CsvOptions {
    CsvOptions { kinds: vec![(name.into(), kind)], ..Default::default() }
}

fn refused(text: &[u8], options: &CsvOptions) -> String {
    Table::read(text, options).unwrap_err().to_string()
}

#[test]
fn no_columns_are_features_without_a_number() {
    // One column is the target; a category without a value has no class.
    for (text, target) in [("a\n1\n2\n", "a"), ("a,b\n?,1\n,2\n", "b")] {
        let table = Table::read(text.as_bytes(), &kinds("a", Kind::Category)).unwrap();
        let (x, y) = table.split_target(target).unwrap();
        assert_eq!((x.shape().to_vec(), y.shape().to_vec()), (vec![2, 0], vec![2]), "{text}");
    }
    assert_eq!(read("a\n1\n").features(&[""; 0]).unwrap().shape(), &[1, 0]);
}

#[test]
fn kinds_are_inferred() {
    let table = read("\u{feff}a, b ,c,d,e\r\n1, x ,NA,\"q, \"\"r\"\"\",\n-2.5e3,,?,y,NaN\n");
    assert_eq!(table.names(), ["a", "b", "c", "d", "e"]);
    assert_eq!((table.len(), table.is_empty()), (2, false));
    assert_eq!(table.values("a").unwrap(), Tensor::from([1.0, -2500.0]));
    assert_eq!(table.values("b").unwrap(), Tensor::from([0, -1]));
    assert_eq!(table.classes("b").unwrap(), ["x"]);
    assert_eq!(table.classes("d").unwrap(), ["q, \"r\"", "y"]);
    for name in ["c", "e"] {
        assert!(table.values(name).unwrap().to_vec::<f64>().unwrap().iter().all(|x| x.is_nan()));
    }
    let x = table.features(&["b", "a"]).unwrap();
    assert_eq!(x, Tensor::from([[1.0_f32, 1.0], [0.0, -2500.0]]));
}

#[test]
fn kinds_are_as_given() {
    let text = "id,n\na,10\nb,9\n";
    let table = Table::read(text.as_bytes(), &kinds("n", Kind::Category)).unwrap();
    assert_eq!(table.classes("n").unwrap(), ["9", "10"]);
    let (x, y) = table.split_target("n").unwrap();
    assert_eq!((x, y), (Tensor::from([[1.0_f32, 0.0], [0.0, 1.0]]), Tensor::from([1, 0])));
    let classes = Kind::Classes(vec!["c".into(), "b".into(), "a".into()]);
    let table = Table::read(text.as_bytes(), &kinds("id", classes)).unwrap();
    assert_eq!(table.values("id").unwrap(), Tensor::from([2, 1]));
    let table = Table::read(text.as_bytes(), &kinds("id", Kind::Skip)).unwrap();
    assert_eq!(table.names(), ["n"]);
    let headless = CsvOptions { header: false, delimiter: b';', ..Default::default() };
    let table = Table::read(&b"1;x\n2;y\n"[..], &headless).unwrap();
    assert_eq!((table.names()[1].as_str(), table.len()), ("1", 2));
}

#[test]
fn errors_name_line_and_column() {
    let default = CsvOptions::default();
    assert_eq!(refused(b"", &default), "a table without a header");
    assert_eq!(refused(b"a,a\n", &default), "two columns have the name \"a\"");
    assert_eq!(refused(b"a,b\n1,2\n\n1\n", &default), "line 4: 1 cells, but the first line has 2");
    assert_eq!(refused(b"a,b\n1,\xff\n", &default), "line 2: invalid utf-8 sequence of 1 bytes from index 6");
    let text = b"a,b\n1,2\n1,x\n";
    assert_eq!(refused(text, &kinds("b", Kind::Number)), "line 3, column 2 (\"b\"): \"x\" is no number");
    let classes = Kind::Classes(vec!["2".into()]);
    assert_eq!(
        refused(text, &kinds("b", classes)),
        "line 3, column 2 (\"b\"): \"x\" is none of the classes [\"2\"]"
    );
    let twice = Kind::Classes(vec!["2".into(), "2".into()]);
    assert_eq!(refused(text, &kinds("b", twice)), "Table: one class of column \"b\" twice: [\"2\", \"2\"]");
    assert_eq!(
        refused(text, &kinds("c", Kind::Skip)),
        "Table: a kind for \"c\", but the columns are [\"a\", \"b\"]"
    );
    let table = read("a,b\n1,2\n,3\n");
    let errors = [
        (table.split_target("a").unwrap_err(), "line 3, column 1 (\"a\"): the target is missing"),
        (table.values("c").unwrap_err(), "Table: no column \"c\"; there are [\"a\", \"b\"]"),
        (
            table.classes("a").unwrap_err(),
            "Table: column \"a\" holds numbers (`Kind::Category` makes classes of them)",
        ),
    ];
    for (error, message) in errors {
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn files_are_read_plain_and_compressed_and_named_in_errors() {
    let path = std::env::temp_dir().join(format!("downhill-csv-{}", std::process::id()));
    let mut bytes = Vec::new();
    GzEncoder::new(&b"a\n1\n"[..], Compression::fast()).read_to_end(&mut bytes).unwrap();
    std::fs::write(&path, bytes).unwrap();
    let table = Table::open(&path, &CsvOptions::default());
    std::fs::write(&path, "a\nx\n\"\"\n").unwrap();
    let error = Table::open(&path, &kinds("a", Kind::Number)).unwrap_err();
    let missing = Table::open(&path, &CsvOptions::default()).unwrap().split_target("a").unwrap_err();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(table.unwrap().values("a").unwrap(), Tensor::from([1.0]));
    let file = path.display();
    assert_eq!(error.to_string(), format!("{file}: line 2, column 1 (\"a\"): \"x\" is no number"));
    assert_eq!(missing.to_string(), format!("{file}: line 3, column 1 (\"a\"): the target is missing"));
}

#[test]
fn tables_without_rows_or_columns_have_empty_tensors() {
    let table = read("a,b\n");
    let (x, y) = table.split_target("b").unwrap();
    assert_eq!(
        (x.shape(), y.shape()),
        (downhill::zeros([0, 1]).unwrap().shape(), downhill::zeros([0]).unwrap().shape())
    );
    let table = read("a\n1\n");
    assert_eq!(table.features(&[] as &[&str]).unwrap().shape(), &[1, 0]);
    let headless = CsvOptions { header: false, ..Default::default() };
    assert!(Table::read(&b""[..], &headless).unwrap().is_empty());
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), header: bool, delimiter: u8) {
        let options = CsvOptions { header, delimiter, ..Default::default() };
        if let Ok(table) = Table::read(&bytes[..], &options) {
            let _ = table.features(table.names());
        }
    }

    #[test]
    fn no_text_panics(text in "[a1,.?\"\n -]{0,80}", header: bool) {
        let options = CsvOptions { header, ..Default::default() };
        if let Ok(table) = Table::read(text.as_bytes(), &options) {
            for name in table.names() {
                let (values, _) = (table.values(name).unwrap(), table.split_target(name));
                prop_assert_eq!(values.numel(), table.len());
            }
        }
    }
}

#[test]
fn classes_that_are_no_numbers_by_their_value_are_in_order_too() {
    let others = ["Nan", "nAn", "-nAN", "+Nan", "inf", "-inf"];
    let cells: Vec<_> = (0..300)
        .map(|i| others.get(i % 23).map_or_else(|| (i * 7919 % 101).to_string(), ToString::to_string))
        .collect();
    let text = format!("a\n{}\n", cells.join("\n"));
    let table = Table::read(text.as_bytes(), &kinds("a", Kind::Category)).unwrap();
    let numbers: Vec<f64> = table.classes("a").unwrap().iter().map(|text| text.parse().unwrap()).collect();
    assert!(numbers.is_sorted_by(|a, b| a.total_cmp(b).is_le()), "{numbers:?}");
}

#[test]
fn a_table_of_many_columns_takes_as_long_as_it_has_columns() {
    let header: Vec<_> = (0..20_000).map(|i| format!("column {i}")).collect();
    let text = format!("{}\n{}\n", header.join(","), vec!["1"; header.len()].join(","));
    let kinds = header.iter().map(|name| (name.clone(), Kind::Number)).collect();
    let start = std::time::Instant::now();
    let table = Table::read(text.as_bytes(), &CsvOptions { kinds, ..Default::default() }).unwrap();
    let (x, y) = table.split_target("column 7").unwrap();
    assert_eq!((x.shape().to_vec(), y), (vec![1, header.len() - 1], Tensor::from([1.0_f32])));
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}
