//! Flags in words, flags of going on, and flags that are quantities.

use super::written::{floats, npz};
use super::*;
use crate::recording::EndFlag;

/// A recording of control whose flag is written in some way: an episode ends with row 3.
fn ended(name: &str, set: &str, unset: &str) -> Scratch {
    let row = |row: usize| format!("{row},1,0,{}\n", if row == 2 { set } else { unset });
    let rows: String = (0..6).map(row).collect();
    csv(&format!("obs_0,action,reward,{name}\n{rows}"))
}

/// Fault: `not_done` was another state, and flags in words ended nothing.
#[test]
fn flags_may_be_words_or_of_going_on() {
    for (name, set, unset) in [
        ("done", "yes", "no"),
        ("terminated", "Y", "N"),
        ("dones", "t", "f"),
        ("done", "TRUE", "FALSE"),
        ("truncated", "on", "off"),
        ("dones_float", "1.0", "0.0"),
        ("not_done", "0", "1"),
        ("not_done", "False", "True"),
        ("nonterminals", "0", "1"),
        ("continue", "0", "1"),
        ("masks", "0.0", "1.0"),
        ("discount", "0.0", "1.0"),
    ] {
        let (recording, roles) = ended(name, set, unset).read().unwrap();
        assert_eq!(lengths(&recording), [3, 3], "{name} {set}: {roles}");
        assert_eq!(recording.state_names(), ["obs_0"], "{name}");
    }
    let (recording, roles) = ended("discount", "0.9", "0.99").read().unwrap();
    assert_eq!(lengths(&recording), [6], "{roles}");
    assert!(roles.warnings.is_empty(), "{roles}");
    let (recording, _) = ended("done", "maybe", "no").read().unwrap();
    assert_eq!(lengths(&recording), [6]);
}

/// Fault: masks of true ends beside flags of all ends were states.
#[test]
fn masks_say_which_ends_are_true() {
    let arrays = [
        (
            "observations",
            floats(&[6, 1], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
        ),
        ("actions", floats(&[6, 1], &[1.0; 6])),
        ("rewards", floats(&[6], &[1.0; 6])),
        ("masks", floats(&[6], &[1.0, 0.0, 1.0, 1.0, 1.0, 1.0])),
        ("dones_float", floats(&[6], &[0.0, 1.0, 0.0, 1.0, 0.0, 0.0])),
    ];
    let (recording, _) = Scratch::new("run.npz", npz(&arrays)).read().unwrap();
    assert_eq!(lengths(&recording), [2, 2, 2]);
    let ended = |episode: usize| recording.episodes()[episode].terminated()[1];
    assert_eq!([ended(0), ended(1)], [true, false]);
    assert_eq!(recording.end_flag(), EndFlag::Terminated);
}

/// Fault: the type of a step was a state.
#[test]
fn types_of_steps_begin_and_end_episodes() {
    let file = csv("step_type,obs_0,action,reward\n0,1,1,0\n1,2,1,0\n2,3,1,0\n0,4,1,0\n2,5,1,0\n");
    let (recording, _) = file.read().unwrap();
    assert_eq!(lengths(&recording), [3, 2]);
    assert_eq!(recording.state_names(), ["obs_0"]);
    let last = &recording.episodes()[1];
    assert_eq!(last.truncated(), [false, true]);
}

/// Fault: series were cut wherever a status or a count called like a flag or a run was set.
#[test]
fn flags_cut_no_series_whose_dates_go_on() {
    let table = |name: &str, values: [u8; 12], action: &str| {
        let row = |row: usize| format!("2024-01-{:02},{},{row}.5,1\n", row + 1, values[row]);
        let rows: String = (0..12).map(row).collect();
        csv(&format!("date,{name},load,{action}\n{rows}"))
    };
    let flags = [0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0];
    for name in ["done", "timeout", "terminal", "trunc", "restart"] {
        let (recording, roles) = table(name, flags, "wind").read().unwrap();
        assert_eq!(lengths(&recording), [12], "{name}: {roles}");
        assert!(recording.state_names().contains(&name.to_owned()), "{name}");
        let (recording, _) = table(name, flags, "action").read().unwrap();
        assert!(lengths(&recording).len() > 1, "{name}");
    }
    let counts = [2, 8, 6, 2, 2, 3, 6, 6, 8, 3, 2, 6];
    for name in ["run", "series"] {
        let (recording, roles) = table(name, counts, "wind").read().unwrap();
        assert_eq!(lengths(&recording), [12], "{name}: {roles}");
        assert!(roles.notes[0].starts_with(name), "{roles}");
    }
}
