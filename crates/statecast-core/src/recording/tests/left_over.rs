//! What columns say that are called by names of their own: order, episodes, numbers, padding.

use super::written::{floats, npz};
use super::*;

fn table(header: &str, rows: impl Iterator<Item = String>) -> Scratch {
    let rows: Vec<String> = rows.collect();
    csv(&format!("{header}\n{}\n", rows.join("\n")))
}

fn first_and_last(recording: &Recording) -> (f64, f64) {
    let rows = states(recording, recording.episodes().len() - 1);
    (rows[0][0], rows[rows.len() - 1][0])
}

/// Fault: rows were sorted by when they arrived, or by how long they took.
#[test]
fn rows_are_ordered_by_what_rises_evenly() {
    let hour = |i: i32| format!("2024-01-{:02} {:02}:00:00", i / 24 + 1, i % 24);
    let arrival = |i: i32| {
        format!(
            "2024-01-{:02} {:02}:{:02}:00",
            i / 24 + 1,
            (i + i * 7 % 3) % 24,
            i * 17 % 60
        )
    };
    let delayed = table(
        "received,measured,v",
        (0..23).map(|i| format!("{},{},{i}.5", arrival(i), hour(i))),
    );
    let (recording, roles) = delayed.read().unwrap();
    assert_eq!(roles.time.columns, ["measured"]);
    assert_eq!(first_and_last(&recording), (0.5, 22.5));

    let took = |i: i32| 12.0 + f64::from(i).sin();
    for counter in ["epoch", "step", "iteration", "Unnamed: 0"] {
        let timed = table(
            &format!("{counter},time,v"),
            (0..40).map(|i| format!("{},{},{i}.5", i + 1, took(i))),
        );
        let (recording, roles) = timed.read().unwrap();
        assert_eq!(roles.time.columns, [counter]);
        assert_eq!(first_and_last(&recording), (0.5, 39.5), "{counter}");
    }

    let alone = table("time,v", (0..40).map(|i| format!("{},{i}.5", took(i))));
    let (recording, roles) = alone.read().unwrap();
    assert_eq!(first_and_last(&recording), (0.5, 39.5));
    assert!(roles.warnings[0].contains("`time=time` sorts them"));
    let chosen = RoleSelection {
        time: Some("time".to_owned()),
        ..RoleSelection::default()
    };
    let (recording, _) = read(&alone.path, &chosen, MissingPolicy::Error).unwrap();
    assert_ne!(first_and_last(&recording), (0.5, 39.5));

    // Series that take turns have no order in the file.
    let mixed = table(
        "episode,time,v",
        (0..40).map(|i| format!("{},{},{i}.5", i % 2, i * i * 7 % 1009)),
    );
    let (recording, roles) = mixed.read().unwrap();
    assert_eq!(lengths(&recording), [20; 2]);
    assert_eq!(roles.time.columns, ["time"]);
}

/// Fault: an identifier that counts the rows of each date was their time.
#[test]
fn what_numbers_the_rows_of_a_time_is_no_time() {
    let mixed = |name: &str| {
        let row = |i: i32| format!("2024-01-{:02},{},{i}.5", i / 3 + 1, i % 3 + 1);
        table(&format!("date,{name},v"), (0..90).map(row))
    };
    assert!(mixed("cycle").refusal().contains("have the same date"));
    let (recording, roles) = mixed("store").read().unwrap();
    assert_eq!(roles.episode.columns, ["store"]);
    assert_eq!(lengths(&recording), [30; 3]);
}

/// Fault: newest first files in Julian dates and decimal years were read backwards.
#[test]
fn newest_first_is_known_of_other_calendars() {
    for (name, first, step) in [
        ("MJD", 60_310.5, 1.25),
        ("HJD", 2_460_310.5, 1.0),
        ("decimal_year", 1990.0, 0.083),
        ("epiweek", 202_401.0, 1.0),
    ] {
        let row = |i: i32| format!("{},{i}.25", first + step * f64::from(40 - i));
        let (recording, roles) = table(&format!("{name},mag"), (0..40).map(row))
            .read()
            .unwrap();
        assert_eq!(roles.time.columns, [name]);
        assert_eq!(first_and_last(&recording), (39.25, 0.25), "{name}");
    }
}

/// Fault: two recordings below each other were one, and a counter a state.
#[test]
fn counters_that_begin_again_begin_an_episode() {
    for name in ["uptime_ms", "millis", "n", "sample", "since"] {
        let row = |i: i32| format!("{},{}.25", i % 40, i * i % 17);
        let two = table(&format!("{name},v"), (0..70).map(row));
        let (recording, roles) = two.read().unwrap();
        assert_eq!(lengths(&recording), [40, 30], "{name}");
        assert_eq!(roles.state.columns, ["v"]);
    }
    let row = |i: i32| format!("{},{}.25", i % 40, i * i % 17);
    let (recording, roles) = table("n,v", (0..120).map(row)).read().unwrap();
    assert_eq!(recording.episodes().len(), 1);
    assert!(roles.warnings[0].contains("if each turn is an episode"));
    let row = |i: i32| format!("{},{}.25", i % 24, i * i % 17);
    let (recording, _) = table("hour,v", (0..40).map(row)).read().unwrap();
    assert_eq!(recording.episodes().len(), 1);
}

/// Fault: numbers of stores were a state, and all stores one series.
#[test]
fn numbers_of_things_tell_series_apart() {
    for name in ["store", "Station", "patient", "batch", "engine", "cell"] {
        let row = |i: i32| format!("{},{}.25", 100 + i / 30, i * i % 17);
        let (recording, roles) = table(&format!("{name},v"), (0..90).map(row))
            .read()
            .unwrap();
        assert_eq!(roles.episode.columns, [name]);
        assert_eq!(lengths(&recording), [30; 3]);
    }
    for name in ["level", "gear", "cell_voltage"] {
        let row = |i: i32| format!("{},{}.25", 100 + i / 30, i * i % 17);
        let (recording, roles) = table(&format!("{name},v"), (0..90).map(row))
            .read()
            .unwrap();
        assert_eq!(roles.state.columns, [name, "v"]);
        assert_eq!(recording.episodes().len(), 1);
    }
}

/// Fault: `last`, `absorbing` and others of the kind were ignored, and episodes were one.
#[test]
fn flags_have_many_names() {
    for (name, set) in [
        ("absorbing", 6),
        ("last", 6),
        ("game_over", 6),
        ("first", 0),
        ("new_episode", 0),
    ] {
        let row = |i: i32| format!("{i}.5,{},{},{}", i % 5, i % 3, i32::from(i % 7 == set));
        let (recording, _) = table(&format!("obs_x,action,reward,{name}"), (0..21).map(row))
            .read()
            .unwrap();
        assert_eq!(lengths(&recording), [7; 3], "{name}");
    }
    // Prices have a last one, too.
    let row = |i: i32| format!("{}.5,{}", i * i % 7, i % 2);
    let (recording, roles) = table("open,last", (0..21).map(row)).read().unwrap();
    assert_eq!(roles.state.columns, ["open", "last"]);
    assert_eq!(recording.episodes().len(), 1);
}

/// Fault: 1.006 after 999 fell by a factor of a thousand.
#[test]
fn thousands_are_told_from_decimals() {
    let number = |i: i32| match 950 + 7 * i + i % 3 {
        small if small < 1000 => small.to_string(),
        large => format!("{}.{:03}", large / 1000, large % 1000),
    };
    let (recording, roles) = table("n;sales", (0..30).map(|i| format!("{i};{}", number(i))))
        .read()
        .unwrap();
    assert_eq!(first_and_last(&recording), (950.0, 1155.0));
    assert!(roles.notes[0].contains("marks thousands in sales"));
    let row = |i: i32| format!("{i}\t{}", number(i).replace('.', ","));
    let (recording, _) = table("n\tsales", (0..30).map(row)).read().unwrap();
    assert_eq!(first_and_last(&recording), (950.0, 1155.0));
    let row = |i: i32| format!("{i};1.{}", 200 + i * i % 13);
    let (recording, roles) = table("n;v", (0..30).map(row)).read().unwrap();
    assert_eq!(first_and_last(&recording), (1.2, 1.209));
    assert!(roles.notes[0].contains("if it marks thousands, write 1234"));
}

/// Fault: a series a line was a row of as many variables.
#[test]
fn lists_of_json_lines_are_series() {
    let values = |s: usize| -> Vec<f64> { (0..12).map(|i| (100 * s + i) as f64 + 0.5).collect() };
    let times: Vec<i64> = (0..12)
        .map(|i| 1_700_000_000_000 + 86_400_000 * i)
        .collect();
    for line in [
        "{\"target\": VALUES}",
        "{\"id\": 7, \"target\": VALUES}",
        "{\"id\": \"T\", \"timestamp\": TIMES, \"target\": VALUES}",
        "{\"start\": \"2024-01-01\", \"values\": VALUES}",
    ] {
        let lines: Vec<String> = (0..3)
            .map(|s| {
                let line = line.replace("VALUES", &format!("{:?}", values(s)));
                line.replace("TIMES", &format!("{times:?}"))
            })
            .collect();
        let file = Scratch::new("run.jsonl", lines.join("\n"));
        let (recording, _) = file.read().unwrap();
        assert_eq!(lengths(&recording), [12; 3], "{line}");
        assert_eq!(first_and_last(&recording), (200.5, 211.5), "{line}");
    }
    // A short list may be a state, and one beside a step is.
    let rows: Vec<String> = (0..12)
        .map(|i| format!("{{\"t\": {i}, \"target\": {:?}}}", values(i)))
        .collect();
    let (recording, _) = Scratch::new("run.jsonl", rows.join("\n")).read().unwrap();
    assert_eq!(
        (lengths(&recording), recording.state_names().len()),
        (vec![12], 12)
    );
}

/// Fault: padding was data where the mask is `[steps, environments]`, and a full ring began with its newest rows.
#[test]
fn masks_across_and_full_rings_are_read() {
    let (steps, environments) = (20, 3);
    let data = [12, 20, 7];
    let at = |t: usize, e: usize| match t < data[e] {
        true => (10 * (e * 7 % 3) + 1) as f64 + 0.1 * t as f64,
        false => 0.0,
    };
    let over = |of: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
        let all = (0..steps).flat_map(|t| (0..environments).map(move |e| (t, e)));
        all.map(|(t, e)| of(t, e)).collect()
    };
    let values = over(&at);
    let mask = over(&|t, e| f64::from(u8::from(t < data[e])));
    let file = Scratch::new(
        "run.npz",
        npz(&[
            ("obs", floats(&[20, 3, 1], &values)),
            ("mask", floats(&[20, 3], &mask)),
        ]),
    );
    let (recording, _) = file.read().unwrap();
    assert_eq!(lengths(&recording), data);

    let ring: Vec<f64> = (0..100).map(|i| f64::from((i + 70) % 100) + 0.5).collect();
    let file = Scratch::new(
        "buffer.npz",
        npz(&[
            ("obs", floats(&[100, 1], &ring)),
            ("ptr", floats(&[1], &[30.0])),
            ("size", floats(&[1], &[100.0])),
        ]),
    );
    let (recording, roles) = file.read().unwrap();
    assert_eq!(first_and_last(&recording), (0.5, 99.5));
    assert!(roles.notes[0].contains("by ptr the full buffer begins in row 31"));
    // Of a position alone nobody knows.
    let file = Scratch::new(
        "buffer.npz",
        npz(&[
            ("obs", floats(&[100, 1], &ring)),
            ("pos", floats(&[1], &[30.0])),
        ]),
    );
    let (recording, roles) = file.read().unwrap();
    assert_eq!(first_and_last(&recording), (70.5, 69.5));
    assert!(roles.notes[0].contains("neither full nor size says"));
}

/// Fault: rows of zeros after an episode without a mask were data without a word.
#[test]
fn zeros_at_the_ends_of_episodes_are_warned_of() {
    let value = |i: usize| match i / 2 % 20 < 15 || i < 40 {
        true => 1.0 + (i % 7) as f64,
        false => 0.0,
    };
    let values: Vec<f64> = (0..80).map(value).collect();
    let file = Scratch::new("run.npz", npz(&[("obs", floats(&[2, 20, 2], &values))]));
    let (_, roles) = file.read().unwrap();
    assert!(roles.warnings[0].contains("hold nothing but zeros, as in 1 of 2 episodes"));
}

/// Fault: a first row of a date and numbers was taken for names.
#[test]
fn first_rows_of_dates_and_times_are_rows() {
    let row = |i: i32| format!("20240101 {:02}0000;1.{i};0", i);
    let rows: Vec<String> = (0..20).map(row).collect();
    let (recording, roles) = csv(&rows.join("\n")).read().unwrap();
    assert_eq!(lengths(&recording), [20]);
    assert_eq!(roles.time.columns, ["c0"]);
}

/// Fault: numbered weeks and steps in a header were variables.
#[test]
fn numbered_periods_in_a_header_are_times() {
    for mark in ["W", "Week ", "t"] {
        let names: Vec<String> = (0..20).map(|i| format!("{mark}{i}")).collect();
        let row = |s: i32| {
            let values: Vec<String> = (0..20).map(|i| format!("{}.5", 100 * s + i)).collect();
            format!("P{s},{}", values.join(","))
        };
        let (recording, _) = table(&format!("sku,{}", names.join(",")), (0..3).map(row))
            .read()
            .unwrap();
        assert_eq!(lengths(&recording), [20; 3], "{mark}");
    }
}

/// Fault: a replay buffer of one environment that was not full had an episode for each step, of zeros, too.
#[test]
fn buffers_of_one_environment_are_read_along_their_steps() {
    let filled = 144;
    let value = |i: usize| match i < filled {
        true => 1.0 + (i % 6) as f64,
        false => 0.0,
    };
    let values: Vec<f64> = (0..200).map(value).collect();
    let file = Scratch::new(
        "buffer.npz",
        npz(&[
            ("observations", floats(&[200, 1, 1], &values)),
            ("pos", floats(&[1], &[144.0])),
            ("full", floats(&[1], &[0.0])),
        ]),
    );
    let (recording, _) = file.read().unwrap();
    assert_eq!(lengths(&recording), [filled]);
}

/// Fault: 1.909 € after 502 € fell by a factor of a thousand.
#[test]
fn marks_of_thousands_are_found_beside_currencies() {
    let rows: Vec<String> = (0..20)
        .map(|i| {
            format!(
                "2024-01-{:02};{} €",
                i + 1,
                if i % 2 == 0 { "502" } else { "1.909" }
            )
        })
        .collect();
    let (recording, _) = csv(&format!("day;sales\n{}", rows.join("\n")))
        .read()
        .unwrap();
    assert_eq!(first_and_last(&recording), (502.0, 1909.0));
}

/// Fault: the numbers of two ships whose rows take turns were a state without a word.
#[test]
fn numbers_of_things_that_take_turns_are_warned_of() {
    let rows: Vec<String> = (0..40)
        .map(|i| format!("{},{},{}", i, 200 + i % 2, 50.0 + f64::from(i).sin()))
        .collect();
    let (_, roles) = csv(&format!("step,MMSI,LAT\n{}", rows.join("\n")))
        .read()
        .unwrap();
    let warned = roles
        .warnings
        .iter()
        .any(|text| text.contains("`episode=MMSI`"));
    assert!(warned, "{:?}", roles.warnings);
}
