//! Tables with a series a row.

use super::super::TimeStamp;
use super::*;

const SHORT_MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

fn at(recording: &Recording, episode: usize, row: usize) -> Option<TimeStamp> {
    recording.episodes()[episode].times()?.at(row)
}

/// Fault: years of the World Bank were as many states.
#[test]
fn years_in_the_header_are_the_time_of_the_rows() {
    let years: Vec<String> = (1990..2002).map(|year| format!("\"{year}\"")).collect();
    let row = |name: &str, indicator: &str, from: usize, until: usize| {
        let values: Vec<String> = (0..12)
            .map(|i| {
                if (from..until).contains(&i) {
                    format!("\"{}\"", i * i + 10)
                } else {
                    String::new()
                }
            })
            .collect();
        format!("\"{name}\",\"{indicator}\",{},\n", values.join(","))
    };
    let table = format!(
        "\"Country Name\",\"Indicator Name\",{},\n{}{}{}{}",
        years.join(","),
        row("Korea, Rep.", "GDP", 0, 12),
        row("Korea, Rep.", "Trade", 2, 12),
        row("Chad", "GDP", 0, 9),
        row("Chad", "Trade", 0, 0),
    );
    let before = "\"Data Source\",\"World Development Indicators\",\n\n\"Last Updated Date\",\"2024-01-01\",\n\n";
    for text in [table.clone(), format!("{before}{table}")] {
        let (recording, roles) = csv(&text).read().unwrap();
        assert_eq!(
            names(&recording),
            ["Korea, Rep./GDP", "Korea, Rep./Trade", "Chad/GDP"],
            "{roles}"
        );
        assert_eq!(lengths(&recording), [12, 10, 9]);
        assert_eq!(recording.state_names(), ["value"]);
        assert_eq!(at(&recording, 1, 0), Some(TimeStamp::Number(1992.0)));
        assert_eq!(states(&recording, 1)[0], [14.0]);
        let said = "each row is a series, with its times in the header (1990 to 2001) and its name in Country Name, Indicator Name";
        assert!(roles.notes.iter().any(|note| note == said), "{roles}");
    }
}

#[test]
fn numbered_columns_and_dates_are_times_too() {
    let competition =
        "id,V2,V3,V4,V5,V6,V7,V8,V9,V10\nY1,5,6,7,8,9,10,12,14,\nY2,1,2,3,2,1,2,3,2,1\n";
    let (recording, _) = csv(competition).read().unwrap();
    assert_eq!(
        (names(&recording), lengths(&recording)),
        (vec!["Y1", "Y2"], vec![8, 9])
    );
    let months: Vec<String> = (1..=12).map(|month| format!("2020-{month:02}")).collect();
    let values = (1..=12)
        .map(|i| (i * i).to_string())
        .collect::<Vec<_>>()
        .join(",");
    let (recording, _) = csv(&format!(
        "place,{}\na,{values}\nb,{values}\n",
        months.join(",")
    ))
    .read()
    .unwrap();
    assert_eq!(lengths(&recording), [12, 12]);
    assert_eq!(
        at(&recording, 0, 11),
        Some(TimeStamp::Date("2020-12-01".to_owned()))
    );
    for (name, columns) in [
        (
            "falling",
            (1990..2002)
                .rev()
                .map(|year| year.to_string())
                .collect::<Vec<_>>(),
        ),
        (
            "fiscal",
            (1990..2002).map(|year| format!("FY{year}")).collect(),
        ),
        ("numbered", (1..=12).map(|day| format!("d_{day}")).collect()),
        (
            "short",
            SHORT_MONTHS.map(|month| format!("{month}-20")).to_vec(),
        ),
    ] {
        let text = format!("place,{}\na,{values}\nb,{values}\n", columns.join(","));
        let (recording, roles) = csv(&text).read().unwrap();
        assert_eq!(lengths(&recording), [12, 12], "{name}: {roles}");
        let first = if name == "falling" { 144.0 } else { 1.0 };
        assert_eq!(states(&recording, 1)[0], [first], "{name}");
    }
}

/// Fault: spectra whose wavelengths look like years were series, a value an episode row.
#[test]
fn spectra_are_no_years() {
    let values = |row: usize| -> String {
        let value = |i: usize| (0.3 * row as f64 + i as f64).sin().to_string();
        (0..12).map(value).collect::<Vec<_>>().join(",")
    };
    let header = |step: usize| -> String {
        let name = |i: usize| (1900 + step * i).to_string();
        (0..12).map(name).collect::<Vec<_>>().join(",")
    };
    for (step, named) in [(10, false), (10, true), (1, false), (7, true)] {
        let (corner, name) = if named { ("sample,", "s") } else { ("", "") };
        let row = |row: usize| match named {
            true => format!("{name}{row},{}\n", values(row)),
            false => format!("{}\n", values(row)),
        };
        let rows: String = (0..20).map(row).collect();
        let file = csv(&format!("{corner}{}\n{rows}", header(step)));
        let (recording, roles) = file.read().unwrap();
        assert_eq!(lengths(&recording), [20], "{step}, {named}: {roles}");
        assert_eq!(recording.state_names()[1], (1900 + step).to_string());
    }
}

/// Rows with a time of their own, numbered columns of features, and columns that are asked for by name.
#[test]
fn other_tables_stay_as_they_are() {
    let years: Vec<String> = (1990..2002).map(|year| year.to_string()).collect();
    let values = (1..=12)
        .map(|i| (i * i).to_string())
        .collect::<Vec<_>>()
        .join(",");
    let days: String = (1..=12).map(|day| format!("{day},{values}\n")).collect();
    let (recording, _) = csv(&format!("Day,{}\n{days}", years.join(",")))
        .read()
        .unwrap();
    assert_eq!(recording.episodes().len(), 1);
    let features: Vec<String> = (1..=10).map(|i| format!("V{i}")).collect();
    let rows: String = (0..20)
        .map(|row| format!("{row}.5,{}\n", &values[..values.len() - 8]))
        .collect();
    let (recording, _) = csv(&format!("Time,{}\n{rows}", features.join(",")))
        .read()
        .unwrap();
    assert_eq!(recording.state_names(), features);
    let text = format!("place,{}\na,{values}\na,{values}\n", years.join(","));
    let file = csv(&text);
    let selection = RoleSelection {
        state: vec!["1990".to_owned()],
        ..RoleSelection::default()
    };
    let (recording, _) = read(&file.path, &selection, MissingPolicy::Error).unwrap();
    assert_eq!(
        (recording.state_names(), recording.rows()),
        (&["1990".to_owned()][..], 2)
    );
}

#[test]
fn a_blank_inside_of_a_series_is_a_gap() {
    let years: Vec<String> = (1990..2000).map(|year| year.to_string()).collect();
    let text = format!("place,{}\na,1,2,3,,5,6,7,8,9,10\n", years.join(","));
    let refusal = csv(&text).refusal();
    assert!(
        refusal.starts_with("row 1 (line 2), column 1993")
            || refusal.contains("row 1 (line 2), column 1993"),
        "{refusal}"
    );
    let words = format!("place,{}\na,1,2,3,4,5,6,7,8,9,10\n", years.join(","));
    let words = words + &"b,1,2,3,4,5,6,7,8,9,10\n".repeat(1000) + "c,1,2,3,many,5,6,7,8,9,10\n";
    let refusal = csv(&words).refusal();
    assert!(
        refusal.contains("row 1002 (line 1003)") && refusal.contains("many"),
        "{refusal}"
    );
}
