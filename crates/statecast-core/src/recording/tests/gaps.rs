//! Which rows and columns are filled, and how the filled recording is written.

use super::*;
use crate::study::FilledRecording;

const MODEL: MissingPolicy = MissingPolicy::Model { held_out: 0 };

/// Two episodes of waves; a cell is empty where asked for.
fn waves(is_missing: impl Fn(&str, usize) -> bool) -> String {
    let row = |episode: &str, t: usize| match is_missing(episode, t) {
        true => format!("{episode},,{}\n", t * t % 7),
        false => format!("{episode},{},{}\n", (0.3 * t as f64).sin(), t * t % 7),
    };
    let of = |episode: &'static str| (0..40).map(move |t| (episode, t));
    let rows: String = of("a").chain(of("b")).map(|(e, t)| row(e, t)).collect();
    format!("episode,x,y\n{rows}")
}

/// Fault: all episodes were filled before some were selected, and gaps of others refused the file.
#[test]
fn only_selected_episodes_are_filled_or_checked() {
    let file = csv(&waves(|episode, t| episode == "a" && t > 5 || t == 9));
    let all = RoleSelection::default();
    let refusal = file.refusal_of(read(&file.path, &all, MODEL));
    assert!(refusal.contains("more than half"), "{refusal}");
    let only_b = RoleSelection {
        only_episodes: vec!["b".to_owned()],
        ..RoleSelection::default()
    };
    let (recording, roles) = read(&file.path, &only_b, MODEL).unwrap();
    assert_eq!((names(&recording), roles.filled), (vec!["b"], 1));
    let filled = recording.episodes()[0].states()[[9, 0]];
    assert!((filled - 2.7f64.sin()).abs() < 0.1, "{filled}");
    assert_eq!(recording.episodes()[0].states()[[10, 0]], 3f64.sin());
    // Rows are those of the file.
    let refusal = file.refusal_of(read(&file.path, &only_b, MissingPolicy::Error));
    assert!(refusal.contains("row 50"), "{refusal}");
    let unknown = RoleSelection {
        only_episodes: vec!["c".to_owned()],
        ..RoleSelection::default()
    };
    let refusal = read(&file.path, &unknown, MODEL).unwrap_err().to_string();
    assert_eq!(refusal, "c: no such episode; they are called a, b");
}

/// Fault: more states than can be forecast were all filled, and then refused.
#[test]
fn more_states_than_can_be_used_are_refused_before_they_are_filled() {
    let file = csv(&waves(|_, t| t < 30));
    let most = |most| RoleSelection {
        most_states: Some(most),
        ..RoleSelection::default()
    };
    let refusal = file.refusal_of(read(&file.path, &most(1), MODEL));
    assert!(refusal.contains("2 states are more than 1"), "{refusal}");
    let refusal = file.refusal_of(read(&file.path, &most(2), MODEL));
    assert!(refusal.contains("more than half"), "{refusal}");
}

/// Fault: a state called like the column of labels or of times ended the program.
#[test]
fn a_filled_recording_is_read_again_whatever_its_states_are_called() {
    let row = |t: usize| match t {
        7 => "a,2024-01-08,,3\n".to_owned(),
        _ => format!(
            "{},2024-01-{:02},{},{}\n",
            ["a", "b"][t / 15],
            t + 1,
            t * t % 11,
            t * 7 % 5
        ),
    };
    let text: String = (0..30).map(row).collect();
    let file = csv(&format!("run_id,date,episode,time\n{text}"));
    let selection = RoleSelection {
        state: vec!["episode".to_owned(), "time".to_owned()],
        ..RoleSelection::default()
    };
    let filled = FilledRecording::read(&file.path, &selection).unwrap();
    let again = file.sibling("again.csv");
    filled.rows().write(&again).unwrap();
    let (recording, roles) = read(&again, &selection, MissingPolicy::Error).unwrap();
    assert_eq!(recording.state_names(), ["episode", "time"]);
    assert_eq!(names(&recording), ["a", "b"]);
    assert_eq!(roles.time.columns, ["timestamp"]);
    for (before, after) in filled.recording.episodes().iter().zip(recording.episodes()) {
        assert_eq!(before.states(), after.states());
    }
}
