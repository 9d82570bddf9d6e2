//! Objects of JSON that hold a table in their fields: series of forecasting tools, answers of weather services.

use super::super::TimeStamp;
use super::*;

fn json(text: &str) -> Scratch {
    Scratch::new("series.jsonl", text)
}

const FEATURES: &str = r#"{"start": "2024-01-01 22:00", "freq": "H", "target": [1, 2, 4], "item_id": "a",
    "feat_dynamic_real": [[5, 6, 7, 8], [0.5, 0.25, 0, 1]], "feat_static_cat": [3]}
{"start": "2024-01-02 22:00", "freq": "H", "target": [3, 5], "item_id": "b",
    "feat_dynamic_real": [[1, 5, 6], [0, 1, 2]], "feat_static_cat": [4]}
"#;

/// Fault: the values of a series were columns side by side, and series of two lengths were refused.
#[test]
fn series_of_gluonts_are_an_episode_each() {
    let (recording, roles) = json(FEATURES).read().unwrap();
    assert_eq!(names(&recording), ["a", "b"]);
    assert_eq!(
        recording.state_names(),
        ["target", "feat_dynamic_real_0", "feat_dynamic_real_1"]
    );
    assert_eq!(
        states(&recording, 0),
        [[1.0, 5.0, 0.5], [2.0, 6.0, 0.25], [4.0, 7.0, 0.0]]
    );
    assert_eq!(states(&recording, 1), [[3.0, 1.0, 0.0], [5.0, 5.0, 1.0]]);
    assert_eq!(roles.time.columns, ["time"]);
    let times = recording.episodes()[0].times().unwrap();
    assert_eq!(
        times.at(3),
        Some(TimeStamp::Date("2024-01-02T01:00:00".to_owned()))
    );
    let notes = roles.to_string();
    assert!(
        notes.contains("whole series are ignored: feat_static_cat"),
        "{notes}"
    );
    assert!(
        notes.contains("feat_dynamic_real after the last"),
        "{notes}"
    );
}

#[test]
fn steps_of_series_without_a_frequency_are_counted() {
    let (recording, roles) = json(r#"{"start": "2024-01-01", "target": [[1, 2, 4], [5, 7, 6]]}"#)
        .read()
        .unwrap();
    assert_eq!(recording.state_names(), ["target_0", "target_1"]);
    assert_eq!(states(&recording, 0)[2], [4.0, 6.0]);
    assert!(roles.time.columns.is_empty());
    assert!(roles.to_string().contains("no freq"), "{roles}");
    // A series of nothing is none.
    let text = "{\"start\": \"2024-01-01\", \"target\": []}\n{\"start\": \"2024-01-01\", \"target\": [1, 2]}\n";
    assert_eq!(lengths(&json(text).read().unwrap().0), [2]);
    // Months, of which some are short.
    let text = r#"{"start": "2024-01-31", "freq": "M", "target": [1, 3, 2], "item_id": 7}"#;
    let (recording, _) = json(text).read().unwrap();
    assert_eq!(names(&recording), ["7"]);
    let times = recording.episodes()[0].times().unwrap();
    assert_eq!(times.at(3), Some(TimeStamp::Date("2024-04-30".to_owned())));
}

const WEATHER: &str = r#"{"latitude": 52.5, "elevation": 38.0, "hourly_units": {"time": "iso8601", "temp": "C"},
    "hourly": {"time": ["2024-01-01T00:00", "2024-01-01T01:00", "2024-01-01T02:00"],
    "temp": [3.1, 2.5, 2.0], "rain": [0, 0.5, 0.1]},
    "daily": {"time": ["2024-01-01", "2024-01-02"], "high": [5, 6]}}"#;

/// Fault: each value of an answer's lists was a column of one row.
#[test]
fn columns_one_level_down_are_the_table() {
    let (recording, roles) = json(WEATHER).read().unwrap();
    assert_eq!(recording.state_names(), ["temp", "rain"]);
    assert_eq!(states(&recording, 0), [[3.1, 0.0], [2.5, 0.5], [2.0, 0.1]]);
    assert_eq!(roles.time.columns, ["time"]);
    let notes = roles.to_string();
    assert!(notes.contains("hourly holds the table"), "{notes}");
    assert!(
        notes.contains("latitude, elevation, hourly_units, daily"),
        "{notes}"
    );
    // A column that is asked for says which of several tables is read.
    let selection = RoleSelection {
        state: vec!["high".to_owned()],
        ..RoleSelection::default()
    };
    let file = json(WEATHER);
    let (recording, _) = read(&file.path, &selection, MissingPolicy::Error).unwrap();
    assert_eq!(states(&recording, 0), [[5.0], [6.0]]);
    // Several places are an episode each.
    let (recording, _) = json(&format!("[{WEATHER}, {WEATHER}]")).read().unwrap();
    assert_eq!(lengths(&recording), [3, 3]);
}

#[test]
fn observations_of_several_parts_in_a_line_are_no_tables() {
    let line = |x: f64| {
        format!(r#"{{"obs": {{"place": [{x}, 1, 2], "speed": [3, 4, {x}]}}, "action": [0.5]}}"#)
    };
    let (recording, _) = json(&format!("{}\n{}\n", line(0.5), line(0.75)))
        .read()
        .unwrap();
    assert_eq!(lengths(&recording), [2]);
}
