//! Numbers that are not what they seem: those that stand for missing values, and those of more
//! digits than a float has.

use super::super::TimeStamp;
use super::written::{Cells, codecs, npy, npz, parquet};
use super::*;

fn column(values: &[f64]) -> Scratch {
    let text: String = values.iter().map(|value| format!("{value}\n")).collect();
    csv(&format!("obs_x\n{text}"))
}

/// A slow wave between -1 and 1.
fn wave(rows: usize) -> Vec<f64> {
    (0..rows).map(|t| (0.3 * t as f64).sin()).collect()
}

/// Fault: -999 was a measurement without a word.
#[test]
fn numbers_that_stand_for_missing_values_are_warned_of() {
    for sentinel in [-9999.0, -999.0, 9999.0, 999.9, 1e20, -200.0] {
        let mut values = wave(40);
        (values[7], values[20]) = (sentinel, sentinel);
        let (recording, roles) = column(&values).read().unwrap();
        // They are warned of, and not changed.
        assert_eq!(recording.episodes()[0].states()[[7, 0]], sentinel);
        let warned = roles.warnings.join("; ");
        assert!(
            warned.contains("obs_x (2 rows) hold")
                && warned.contains(&format!("`missing-value={sentinel}` ")),
            "{warned}"
        );
    }
    let silent = |values: &[f64]| column(values).read().unwrap().1.warnings;
    let mut once: Vec<f64> = wave(40).iter().map(|x| 100.0 * x).collect();
    once[7] = -999.0;
    assert_eq!(silent(&once), Vec::<String>::new());
    let mut other = wave(40);
    (other[7], other[20]) = (-998.0, -998.0);
    assert_eq!(silent(&other), Vec::<String>::new());
    let wide: Vec<f64> = wave(40).iter().map(|x| 900.0 * x).collect();
    let wide: Vec<f64> = wide.into_iter().chain([-999.0, -999.0]).collect();
    assert_eq!(silent(&wide), Vec::<String>::new());
}

/// Fault: one row of -9999 was a measurement without a word.
#[test]
fn one_sentinel_far_out_is_warned_of() {
    for sentinel in [-9999.0, -999.0, 9999.0, 1e20] {
        let mut values = wave(40);
        values[7] = sentinel;
        let (_, roles) = column(&values).read().unwrap();
        let warned = roles.warnings.join("; ");
        assert!(
            warned.contains(&format!("obs_x (1 row) holds {sentinel}, as many files")),
            "{warned}"
        );
    }
    // Of two rows nothing is far out.
    let (_, roles) = column(&[1.0, 999.0]).read().unwrap();
    assert!(roles.warnings.is_empty(), "{roles}");
}

/// -200 of the file of an air analyser lies near to the values of some of its sensors.
#[test]
fn columns_beside_one_that_is_plain_have_the_number_too() {
    let rows: Vec<String> = (0..40)
        .map(|t| match t % 10 {
            3 => "-200,-200".to_owned(),
            _ => format!("{},{}", 2.0 + f64::from(t % 7), 600 + 40 * (t % 30)),
        })
        .collect();
    let (_, roles) = csv(&format!("obs_co,obs_sensor\n{}\n", rows.join("\n")))
        .read()
        .unwrap();
    let warned = roles.warnings.join("; ");
    assert!(
        warned.contains("obs_co (4 rows), obs_sensor (4 rows) hold -200"),
        "{warned}"
    );
}

/// Fault: columns of percent or of a currency were words.
#[test]
fn numbers_with_a_mark_are_numbers() {
    let file = csv("t,load,price\n0,50%,\"$1,000.00\"\n1,51.5%,\"$1,000.25\"\n");
    let (recording, _) = file.read().unwrap();
    assert_eq!(states(&recording, 0), [[50.0, 1000.0], [51.5, 1000.25]]);
    let refusal = csv("t,load\n0,50%\n1,51\n").refusal();
    assert!(refusal.contains("load (text)"), "{refusal}");
}

#[test]
fn chosen_numbers_are_missing_values() {
    let mut values = wave(10);
    (values[3], values[4]) = (-999.0, 7.5);
    let file = column(&values);
    let selection = RoleSelection {
        missing_values: vec![-999.0, 7.5],
        ..RoleSelection::default()
    };
    let refusal = file.refusal_of(read(&file.path, &selection, MissingPolicy::Error));
    assert!(
        refusal.contains("row 4, column obs_x is NaN or missing"),
        "{refusal}"
    );
    let (recording, roles) = read(&file.path, &selection, MissingPolicy::Hold).unwrap();
    let states = recording.episodes()[0].states();
    assert_eq!(states[[4, 0]], values[2]);
    assert_eq!((roles.held, roles.warnings.len()), (2, 0));
}

const ODD: i64 = 9_007_199_254_740_993;

/// Recordings of two rows with a large whole number in the second, in every format that has any.
fn of_integers(name: &str, integers: [i64; 3]) -> Vec<Scratch> {
    let [first, second, third] = integers;
    let file = Scratch::new("run.parquet", "");
    let cells = Cells::Longs(integers.to_vec());
    let x = Cells::Doubles(vec![Some(1.0), Some(5.0), Some(2.0)]);
    parquet(&file.path, codecs()[0], 9, &[(name, cells), ("obs_x", x)]);
    let arrays = npz(&[
        (name, npy("<i8", npyz::Order::C, &[3], &integers)),
        ("obs_x", npy("<f8", npyz::Order::C, &[3], &[1.0, 5.0, 2.0])),
    ]);
    vec![
        csv(&format!("{name},obs_x\n{first},1\n{second},5\n{third},2\n")),
        Scratch::new(
            "run.jsonl",
            format!(
                "{{\"{name}\": {first}, \"obs_x\": 1}}\n{{\"{name}\": {second}, \"obs_x\": 5}}\n\
                 {{\"{name}\": \"{third}\", \"obs_x\": 2}}\n"
            ),
        ),
        Scratch::new("run.npz", arrays),
        file,
    ]
}

/// Fault: whole numbers above 2^53 lost their last digits without a word.
#[test]
fn digits_that_are_lost_are_warned_of() {
    for name in ["obs_id", "action", "reward"] {
        for file in of_integers(name, [1, ODD, 2]) {
            let (_, roles) = file.read().unwrap();
            let warned = roles.warnings.join("; ");
            assert!(
                warned.contains(&format!("row 2, column {name} holds 9007199254740993:"))
                    && warned.contains("read as 9007199254740992"),
                "{:?}: {warned}",
                file.path
            );
        }
    }
    for file in of_integers("reward", [1, 1 << 60, -ODD + 1]) {
        assert_eq!(file.read().unwrap().1.warnings, Vec::<String>::new());
    }
}

/// Fault: times in nanoseconds were 256 nanoseconds apart at least.
#[test]
fn times_in_nanoseconds_are_exact() {
    let start = 1_700_000_000_123_456_789;
    let files = of_integers("timestamp", [start, start + 7, start + 21]);
    for file in files {
        let (recording, roles) = file.read().unwrap();
        assert_eq!(roles.time.columns, ["timestamp"], "{:?}", file.path);
        let times = recording.episodes()[0].times().unwrap();
        let at = |row| match times.at(row) {
            Some(TimeStamp::Date(date)) => date,
            other => panic!("{other:?}"),
        };
        assert_eq!(at(1), "2023-11-14T22:13:20.123456796", "{:?}", file.path);
        assert_eq!(at(2), "2023-11-14T22:13:20.12345681", "{:?}", file.path);
    }
}

/// Fault: `?` in the first row of a column made text of it, and it was left out; further down it was refused without
/// a word of --missing.
#[test]
fn words_that_stand_for_a_missing_value_are_told_with_their_place() {
    for word in ["?", "-", "n.a.", "missing", "#DIV/0!", "."] {
        let text = format!("t,x,y\n0,{word},1\n1,2,2\n2,3,5\n");
        let refusal = csv(&text).refusal();
        assert!(
            refusal.starts_with("run.csv: row 1 (line 2), column x is \"")
                && refusal.contains(word),
            "{refusal}"
        );
        let text = format!("t,x,y\n0,1,1\n1,{word},2\n2,3,5\n");
        let file = csv(&text);
        let held = read(&file.path, &RoleSelection::default(), MissingPolicy::Hold);
        let (recording, roles) = held.unwrap();
        assert_eq!(roles.held, 1, "{word}");
        assert_eq!(states(&recording, 0)[1], [1.0, 2.0], "{word}");
        let json = format!(r#"[{{"x":1}},{{"x":"{word}"}},{{"x":3}}]"#);
        let file = Scratch::new("run.json", json);
        let held = read(&file.path, &RoleSelection::default(), MissingPolicy::Hold);
        assert_eq!(held.unwrap().1.held, 1, "{word}");
    }
    // As labels they are labels.
    let file = csv("sign,x\n+,1\n+,2\n-,3\n-,4\n");
    let selection = RoleSelection {
        episode: Some("sign".to_owned()),
        ..RoleSelection::default()
    };
    let (recording, _) = read(&file.path, &selection, MissingPolicy::Error).unwrap();
    assert_eq!(names(&recording), ["+", "-"]);
}

/// Fault: columns of Swiss numbers were text and left out.
#[test]
fn apostrophes_and_narrow_blanks_mark_thousands() {
    let text = "x;y;z\n1'000'125;1\u{2019}250.5;999\n1'000'130;12'250,25;1\u{202f}001\n";
    let (recording, _) = csv(text).read().unwrap();
    assert_eq!(
        states(&recording, 0),
        [
            [1_000_125.0, 1250.5, 999.0],
            [1_000_130.0, 12_250.25, 1001.0]
        ]
    );
    let refusal = csv("x,y\n1,1\n12'30,2\n").refusal();
    assert!(refusal.contains("holds \"12'30\""), "{refusal}");
}

/// Fault: a value that stands for missing ones and is nowhere was passed over.
#[test]
fn a_missing_value_that_does_not_occur_is_warned_of() {
    let file = csv("x\n1\n-999\n3\n");
    let of = |missing_values: &[f64]| {
        let selection = RoleSelection {
            missing_values: missing_values.to_vec(),
            ..RoleSelection::default()
        };
        let (_, roles) = read(&file.path, &selection, MissingPolicy::Hold).unwrap();
        roles.warnings.join(" ")
    };
    assert_eq!(of(&[-999.0]), "");
    let says = of(&[-999.0, 77.0]);
    assert!(says.contains("`missing-value=77` has no effect"), "{says}");
    assert!(!says.contains("-999 has"), "{says}");
}
