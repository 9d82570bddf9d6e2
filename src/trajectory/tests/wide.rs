//! Tables with a series a row.

use super::super::TimeStamp;
use super::*;

fn at(trajectory: &Trajectory, episode: usize, row: usize) -> Option<TimeStamp> {
    trajectory.episodes()[episode].times()?.at(row)
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
        let (trajectory, roles) = csv(&text).read().unwrap();
        assert_eq!(
            names(&trajectory),
            ["Korea, Rep./GDP", "Korea, Rep./Trade", "Chad/GDP"],
            "{roles}"
        );
        assert_eq!(lengths(&trajectory), [12, 10, 9]);
        assert_eq!(trajectory.state_names(), ["value"]);
        assert_eq!(at(&trajectory, 1, 0), Some(TimeStamp::Number(1992.0)));
        assert_eq!(states(&trajectory, 1)[0], [14.0]);
        let said = "each row is a series, with its times in the header (1990 to 2001) and its name in Country Name, Indicator Name";
        assert!(roles.notes.iter().any(|note| note == said), "{roles}");
    }
}

#[test]
fn numbered_columns_and_dates_are_times_too() {
    let competition =
        "id,V2,V3,V4,V5,V6,V7,V8,V9,V10\nY1,5,6,7,8,9,10,12,14,\nY2,1,2,3,2,1,2,3,2,1\n";
    let (trajectory, _) = csv(competition).read().unwrap();
    assert_eq!(
        (names(&trajectory), lengths(&trajectory)),
        (vec!["Y1", "Y2"], vec![8, 9])
    );
    let months: Vec<String> = (1..=12).map(|month| format!("2020-{month:02}")).collect();
    let values = (1..=12)
        .map(|i| (i * i).to_string())
        .collect::<Vec<_>>()
        .join(",");
    let (trajectory, _) = csv(&format!(
        "place,{}\na,{values}\nb,{values}\n",
        months.join(",")
    ))
    .read()
    .unwrap();
    assert_eq!(lengths(&trajectory), [12, 12]);
    assert_eq!(
        at(&trajectory, 0, 11),
        Some(TimeStamp::Date("2020-12-01".to_owned()))
    );
    // Of one row, and without any name.
    let years: Vec<String> = (1990..2002).map(|year| year.to_string()).collect();
    let (trajectory, _) = csv(&format!("{}\n{values}\n", years.join(",")))
        .read()
        .unwrap();
    assert_eq!(
        (lengths(&trajectory), trajectory.state_names()),
        (vec![12], &["value".to_owned()][..])
    );
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
    let (trajectory, _) = csv(&format!("Day,{}\n{days}", years.join(",")))
        .read()
        .unwrap();
    assert_eq!(trajectory.episodes().len(), 1);
    let features: Vec<String> = (1..=10).map(|i| format!("V{i}")).collect();
    let rows: String = (0..20)
        .map(|row| format!("{row}.5,{}\n", &values[..values.len() - 8]))
        .collect();
    let (trajectory, _) = csv(&format!("Time,{}\n{rows}", features.join(",")))
        .read()
        .unwrap();
    assert_eq!(trajectory.state_names(), features);
    let text = format!("place,{}\na,{values}\na,{values}\n", years.join(","));
    let file = csv(&text);
    let selection = RoleSelection {
        state: vec!["1990".to_owned()],
        ..RoleSelection::default()
    };
    let (trajectory, _) = read(&file.path, &selection, MissingPolicy::Error).unwrap();
    assert_eq!(
        (trajectory.state_names(), trajectory.rows()),
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
