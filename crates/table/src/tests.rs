//! What readers give back for what stands in files.

use serde_json::{Value as Json, json};

use crate::{Column, Field, Kind, Signature, Table, csv, ndjson};

#[track_caller]
fn read(bytes: &[u8]) -> csv::Read {
    csv::read(bytes, &csv::Options::default()).unwrap()
}

fn shown(table: &Table) -> String {
    String::from_utf8(csv::write(table, ',')).unwrap()
}

#[test]
fn separators_and_encodings_are_found_out() {
    #[track_caller]
    fn check(bytes: &[u8], separator: char, encoding: &str, expected: &str) {
        let read = read(bytes);
        assert_eq!((read.separator, read.encoding), (separator, encoding));
        assert_eq!(shown(&read.table), expected);
    }
    check(b"a;b\n1;x,y\n", ';', "UTF-8", "a,b\n1,\"x,y\"\n");
    check(b"a,b\n1,x;y\n", ',', "UTF-8", "a,b\n1,x;y\n");
    check(b"a\tb\r\n1\tx\r\n", '\t', "UTF-8", "a,b\n1,x\n");
    check(b"only\n1\n", ',', "UTF-8", "only\n1\n");
    check("\u{feff}a,b\n1,é\n".as_bytes(), ',', "UTF-8", "a,b\n1,é\n");
    check(
        b"nom;ville\nRen\xe9e;Orl\xe9ans\nA;Besan\xe7on\n",
        ';',
        "windows-1252",
        "nom,ville\nRenée,Orléans\nA,Besançon\n",
    );
    check(b"\xff\xfea\0,\0b\0\n\x001\0,\x002\0\n\0", ',', "UTF-16LE", "a,b\n1,2\n");
    check(b"a,b\n\"1\n2\",\"say \"\"x\"\"\"\n", ',', "UTF-8", "a,b\n\"1\n2\",\"say \"\"x\"\"\"\n");
}

#[test]
fn lines_that_do_not_fit_are_told_with_their_number() {
    let options = csv::Options { kinds: vec![("age".into(), Kind::Number)], ..Default::default() };
    let read = csv::read(b"age,name\n1,a\n2\n\"3\n\",b\nx,c\n5,d,e\n6,f\n", &options).unwrap();
    let told: Vec<(u64, &str)> =
        read.rejected.iter().map(|rejected| (rejected.line, rejected.reason.as_str())).collect();
    assert_eq!(
        told,
        [
            (3, "1 cells, the header has 2"),
            (6, "column `age`: `x` is no number"),
            (7, "3 cells, the header has 2")
        ]
    );
    assert_eq!(read.lines, [2, 4, 8]);
    for (bytes, expected) in [
        (&b"a,a\n1,2\n"[..], "line 1: two columns are called `a`"),
        (b"", "line 1: there is no header line with the names of the columns"),
        (b"a,,c\n", "line 1: column 2 has no name"),
    ] {
        let error = csv::read(bytes, &csv::Options::default()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn json_lines_are_tables_too() {
    let lines = b"{\"a\":1,\"b\":\"x\"}\n\n{\"a\":null,\"c\":true}\nnonsense\n{\"a\":2.5,\"b\":\"007\",\"c\":false}\n";
    let read = ndjson::read(lines, &csv::Options::default()).unwrap();
    assert_eq!(shown(&read.table), "a,b,c\n1,x,\n,,true\n2.5,007,false\n");
    assert_eq!((read.rejected[0].line, read.rejected.len()), (4, 1));
    let written = String::from_utf8(ndjson::write(&read.table)).unwrap();
    assert_eq!(written.lines().next(), Some(r#"{"a":1,"b":"x","c":null}"#));
    assert!(ndjson::read(b"[1]\n2\n", &csv::Options::default()).is_err());
}

#[test]
fn signatures_find_what_does_not_fit() {
    let field = |name: &str, kind, is_optional| Field {
        name: name.into(),
        kind,
        is_optional,
        categories: Vec::new(),
    };
    let signature = Signature {
        fields: vec![
            field("age", Kind::Number, false),
            field("joined", Kind::Date, true),
            field("land", Kind::Category, true),
            field("active", Kind::Boolean, true),
        ],
    };
    assert_eq!(Signature::from_json(&signature.to_json()), Some(signature.clone()));
    let rows = [
        json!({"age": 3, "joined": "2015-06-01 00:00", "land": "F", "active": true, "more": [1]}),
        json!({"age": "3", "joined": 7, "land": null, "active": "perhaps"}),
        json!({}),
    ];
    let rows: Vec<_> = rows.iter().filter_map(Json::as_object).collect();
    assert_eq!(
        shown(&signature.read_json(&rows[..1]).unwrap()),
        "age,joined,land,active\n3,2015-06-01,F,true\n"
    );
    let problems: Vec<String> =
        signature.read_json(&rows).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "row 1, `age`: expected a number, found `3`",
            "row 1, `joined`: expected a date, found `7`",
            "row 1, `active`: expected a boolean, found `perhaps`",
            "row 2, `age`: a number is required",
        ]
    );
    let table = read(b"land,age\nF,1\nG,\n").table;
    let problems = signature.check(&table).unwrap_err();
    assert_eq!(problems[0].to_string(), "row 1, `age`: a number is required");
    assert_eq!(
        signature.check(&table.take(&[0])).unwrap().column("active"),
        Some(&Column::Boolean(vec![None]))
    );
}

#[test]
fn no_bytes_make_a_reader_panic() {
    let sound = b"a;b;c\n1;2015-06-01;\"x \"\"y\"\"\"\n;;\n{\"a\":1}\n\xe9\xff;2;3\n";
    // A small generator is enough: what matters is that the cases repeat.
    let mut state = 1u64;
    let mut next = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    for _ in 0..3000 {
        let mut bytes = sound.to_vec();
        bytes.truncate(next(sound.len()) + 1);
        for _ in 0..next(4) {
            let at = next(bytes.len());
            bytes[at] = next(256) as u8;
        }
        let options = csv::Options { kinds: vec![("b".into(), Kind::Date)], ..Default::default() };
        if let Ok(read) = csv::read(&bytes, &options) {
            assert_eq!(read.table.rows(), read.lines.len());
            let _ = csv::write(&read.table, ';');
        }
        let _ = ndjson::read(&bytes, &options);
    }
}

#[test]
fn files_of_any_size_are_read_some_rows_at_a_time() {
    let options = csv::Options { kinds: vec![("age".into(), Kind::Number)], ..Default::default() };
    let mut text = String::from("age;code;word\n");
    for row in 0..25 {
        text.push_str(&format!("{row};{row};é{row}\n"));
    }
    text.push_str("x;y;z\n1;0042;end\n2;3\n");
    let mut batches = csv::Batches::open(text.as_bytes(), &options).unwrap();
    let (mut rows, mut rejected, mut written) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(read) = batches.next(10).unwrap() {
        rows.push(read.table.rows());
        rejected.extend(read.rejected.iter().map(|rejected| rejected.line));
        if written.is_empty() {
            written = csv::write_header(&read.table, ';');
            assert_eq!(read.table.column("code").unwrap().kind(), Kind::Number);
        }
        written.extend(csv::write_rows(&read.table, ';'));
    }
    assert_eq!((rows, rejected), (vec![10, 10, 6], vec![27, 29]));
    // `0042` is no number, so that the column is written as it stands from there on.
    assert_eq!(String::from_utf8(written).unwrap(), text.replace("x;y;z\n", "").replace("2;3\n", ""));

    let check = |bytes: &[u8], expected: &str| {
        let mut batches = csv::Batches::open(bytes, &csv::Options::default()).unwrap();
        let read = batches.next(10).unwrap().unwrap();
        assert_eq!(shown(&read.table), expected);
        assert!(batches.next(10).unwrap().is_none());
    };
    check(b"nom;ville\nRen\xe9e;Orl\xe9ans\n", "nom,ville\nRen\u{e9}e,Orl\u{e9}ans\n");
    check(b"\xff\xfea\0,\0b\0\n\x001\0,\x002\0\n\0", "a,b\n1,2\n");
    check("\u{feff}a,b\n1,é\n".as_bytes(), "a,b\n1,é\n");
    check(b"a,b\n", "a,b\n");

    let lines = b"{\"a\": 1}\n\n{\"a\": 2}\nno\n{\"a\": 3}\n";
    let mut batches = ndjson::Batches::open(&lines[..], &csv::Options::default());
    let first = batches.next(2).unwrap().unwrap();
    assert_eq!((first.table.rows(), first.lines), (2, vec![1, 3]));
    let second = batches.next(2).unwrap().unwrap();
    assert_eq!((second.lines, second.rejected[0].line), (vec![5], 4));
    assert!(batches.next(2).unwrap().is_none());
}
