//! Clocks that skip steps, or go on by steps that vary.

use super::*;
use crate::recording::{Steps, TimeStamp};

const FILLED: MissingPolicy = MissingPolicy::Model { held_out: 0 };

fn filled(file: &Scratch, policy: MissingPolicy) -> (Recording, Roles) {
    read(&file.path, &RoleSelection::default(), policy).unwrap()
}

/// A wave of the rows whose times are kept.
fn wave(rows: usize, is_kept: impl Fn(usize) -> bool) -> Scratch {
    let row = |t: usize| format!("{t},{},{}\n", (0.3 * t as f64).sin(), t % 3);
    let kept = (0..rows).filter(|&t| is_kept(t)).map(row);
    csv(&("time,x,act_u\n".to_owned() + &kept.collect::<String>()))
}

/// Fault: rows that a clock skipped were left out, and the rows on either side read as if they followed each other.
#[test]
fn skipped_rows_are_put_in_and_filled() {
    let file = wave(80, |t| t != 30 && !(50..53).contains(&t));
    let (recording, roles) = filled(&file, FILLED);
    let episode = &recording.episodes()[0];
    assert_eq!(episode.rows(), 80);
    assert_eq!(roles.filled, 4);
    for t in [30, 50, 51, 52, 79] {
        let value = episode.states()[[t, 0]];
        assert!(
            (value - (0.3 * t as f64).sin()).abs() < 0.02,
            "{t}: {value}"
        );
        let time = episode.times().unwrap().at(t);
        assert_eq!(time, Some(TimeStamp::Number(t as f64)));
    }
    // The action of the row before goes on.
    assert_eq!(episode.actions()[[30, 0]], 2.0);
    assert_eq!(episode.actions()[[53, 0]], 2.0);
    let said = "4 rows put in where time skips steps (2 gaps, the longest of 3 rows before row 50)";
    assert!(roles.notes.iter().any(|note| note == said), "{roles}");
    assert!(roles.warnings.is_empty(), "{roles}");
    let (unfilled, roles) = file.read().unwrap();
    assert_eq!(unfilled.episodes()[0].rows(), 76);
    assert!(roles.warnings[0].contains("read as one step"), "{roles}");
}

/// Fault: the levels of a count were those that it took and the fractions that filled its gaps.
#[test]
fn whole_numbers_are_filled_by_whole_numbers() {
    let row = |t: usize| format!("{t},{},{}\n", t * t % 7, (0.3 * t as f64).sin());
    let rows = (0..80).filter(|t| t % 20 != 10).map(row);
    let file = csv(&("time,count,x\n".to_owned() + &rows.collect::<String>()));
    let (recording, roles) = filled(&file, FILLED);
    assert_eq!(roles.filled, 8);
    let states = recording.episodes()[0].states();
    assert!(states.column(0).iter().all(|x| x.fract() == 0.0));
    assert!(states[[30, 1]].fract() != 0.0);
}

#[test]
fn dates_of_rows_that_are_put_in_are_those_of_the_clock() {
    let day = |t: usize| format!("2024-01-{:02},{}\n", t + 1, t * t % 7);
    let days = (0..31).filter(|t| ![9, 10].contains(t)).map(day);
    let file = csv(&("date,x\n".to_owned() + &days.collect::<String>()));
    let (recording, _) = filled(&file, FILLED);
    let times = recording.episodes()[0].times().unwrap();
    assert_eq!(times.at(10), Some(TimeStamp::Date("2024-01-11".to_owned())));
    assert_eq!(times.at(31), Some(TimeStamp::Date("2024-02-01".to_owned())));
}

#[test]
fn episodes_after_one_with_skipped_rows_keep_their_rows() {
    let row = |run: &str, t: usize| format!("{run},{t},{}\n", (0.3 * t as f64).sin());
    let rows: String = ["a", "b", "c"]
        .iter()
        .flat_map(|run| (0..40).filter(|&t| t != 20).map(|t| row(run, t)))
        .collect();
    let (recording, roles) = filled(&csv(&("run,t,x\n".to_owned() + &rows)), FILLED);
    assert_eq!(roles.filled, 3);
    for episode in recording.episodes() {
        assert_eq!(episode.rows(), 40);
        assert_eq!(episode.states()[[39, 0]], (0.3 * 39.0f64).sin());
        assert_eq!(episode.states()[[0, 0]], 0.0);
    }
}

/// Long pauses, rows that are held back and an hour that summer time left out are read as one step.
#[test]
fn what_no_rows_are_put_in_for_is_said() {
    let file = csv(&lines_with_pause(60, 30, 400));
    let (recording, roles) = filled(&file, FILLED);
    assert_eq!(recording.episodes()[0].rows(), 60);
    assert!(
        roles.warnings[0].contains("no rows are put in for, the first of them row 31"),
        "{roles}"
    );
    let file = wave(80, |t| t != 70);
    let (recording, roles) = filled(&file, MissingPolicy::Model { held_out: 15 });
    assert_eq!(recording.episodes()[0].rows(), 79);
    assert!(roles.warnings[0].contains("row 71"), "{roles}");
    let hour = |t: usize| {
        format!(
            "2024-03-{:02} {:02}:00,{}\n",
            30 + t / 24,
            t % 24,
            t * t % 11
        )
    };
    let hours = (0..48).filter(|&t| t != 26).map(hour);
    let file = csv(&("date,x\n".to_owned() + &hours.collect::<String>()));
    let (recording, roles) = filled(&file, FILLED);
    assert_eq!(recording.episodes()[0].rows(), 47, "{roles}");
}

fn lines_with_pause(rows: usize, before: usize, pause: usize) -> String {
    let row = |t: usize| {
        let time = if t < before { t } else { t + pause };
        format!("{time},{}\n", (0.3 * t as f64).sin())
    };
    "time,x\n".to_owned() + &(0..rows).map(row).collect::<String>()
}

/// Many pauses, each shorter than the recording, would make it thirty times as long.
#[test]
fn a_recording_does_not_become_more_than_four_times_as_long() {
    let row = |t: usize| format!("{},{}\n", t + t / 5 * 90, (0.3 * t as f64).sin());
    let file = csv(&("time,x\n".to_owned() + &(0..100).map(row).collect::<String>()));
    let (recording, roles) = filled(&file, FILLED);
    assert_eq!(recording.episodes()[0].rows(), 100);
    assert!(
        roles.warnings[0].contains("no rows are put in for"),
        "{roles}"
    );
}

fn jittered(rows: usize, share: f64) -> String {
    let row = |t: usize| {
        let off = share * ((t * t) as f64 * 12.9898).sin();
        format!("{:.6},{}\n", t as f64 + off, (0.3 * t as f64).sin())
    };
    "time,x\n".to_owned() + &(0..rows).map(row).collect::<String>()
}

/// Fault: rows at times that vary were read as if they were even, and nothing said so.
#[test]
fn steps_that_vary_are_warned_of() {
    let (recording, roles) = filled(&csv(&jittered(60, 0.2)), FILLED);
    assert_eq!(recording.episodes()[0].rows(), 60);
    assert!(
        roles.warnings[0]
            .starts_with("the steps of time vary: a quarter of them differ from the median, "),
        "{roles}"
    );
    let times = recording.episodes()[0].times().unwrap();
    assert!((0.1..0.5).contains(&times.variation().unwrap()));
    // Rows ahead have a median step between them.
    let steps = Steps::of(times, 0..60).unwrap();
    assert_eq!([steps.after(59), steps.after(75)], [1.0, 1.0]);
    let (recording, roles) = filled(&csv(&jittered(60, 0.005)), FILLED);
    assert!(roles.warnings.is_empty(), "{roles}");
    assert_eq!(recording.episodes()[0].times().unwrap().variation(), None);
}
