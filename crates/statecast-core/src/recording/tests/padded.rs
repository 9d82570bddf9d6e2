//! Episodes of several lengths in arrays, and episodes that only next states tell apart.

use super::super::EndFlag;
use super::written::{floats, npy, npz};
use super::*;

/// Two states of an episode of so many steps, padded by zeros to five.
fn states_of(length: usize) -> Vec<f64> {
    let value = |t: usize, k: usize| ((10 * length + t) as f64 + 0.5) * (k as f64 + 1.0);
    let row = |t: usize| [0, 1].map(|k| if t < length { value(t, k) } else { 0.0 });
    (0..5).flat_map(row).collect()
}

const LENGTHS: [usize; 3] = [3, 5, 2];

fn observations() -> Vec<u8> {
    let values: Vec<f64> = LENGTHS.into_iter().flat_map(states_of).collect();
    floats(&[3, 5, 2], &values)
}

fn actions() -> Vec<u8> {
    floats(&[3, 5, 1], &[0.25; 15])
}

fn mask(of: impl Fn(usize, usize) -> bool) -> Vec<u8> {
    let flags: Vec<bool> = (0..15).map(|i| of(i / 5, i % 5)).collect();
    npy("|b1", npyz::Order::C, &[3, 5], &flags)
}

/// Fault: the zeros after the end of an episode were data.
#[test]
fn rows_behind_the_length_of_an_episode_are_no_data() {
    let whole = npy("<i8", npyz::Order::C, &[3], &[3i64, 5, 2]);
    for (name, array) in [
        ("lengths", whole.clone()),
        ("ep_len", floats(&[3, 1], &[3.0, 5.0, 2.0])),
        ("seq_len", whole),
        ("mask", mask(|episode, step| step < LENGTHS[episode])),
    ] {
        let arrays = [
            ("observations", observations()),
            ("actions", actions()),
            (name, array),
        ];
        let (recording, roles) = Scratch::new("run.npz", npz(&arrays)).read().unwrap();
        assert_eq!(lengths(&recording), LENGTHS, "{name}");
        assert_eq!(states(&recording, 0)[2], [32.5, 65.0], "{name}");
        assert_eq!(states(&recording, 2), [[20.5, 41.0], [21.5, 43.0]]);
        let note = format!(
            "episodes are padded to 5 rows; by {name}, 5 of 15 rows are padding and are left out"
        );
        assert!(roles.notes.contains(&note), "{:?}", roles.notes);
    }
}

/// Fault: where only the flags said how long episodes were, the zeros after them were data.
#[test]
fn zeros_behind_the_end_of_an_episode_are_no_data() {
    let reward = |i: usize| if i % 5 < LENGTHS[i / 5] { 1.0 } else { 0.0 };
    let rewards: Vec<f64> = (0..15).map(reward).collect();
    let actions: Vec<f64> = rewards.iter().map(|reward| 0.25 * reward).collect();
    let arrays = |end: fn(usize, usize) -> bool| {
        [
            ("observations", observations()),
            ("actions", floats(&[3, 5, 1], &actions)),
            ("rewards", floats(&[3, 5], &rewards)),
            ("terminals", mask(end)),
        ]
    };
    let (recording, roles) = Scratch::new("run.npz", npz(&arrays(|e, t| t + 1 == LENGTHS[e])))
        .read()
        .unwrap();
    assert_eq!(lengths(&recording), LENGTHS, "{roles}");
    // Rows that hold something are rows.
    let (recording, _) = Scratch::new("run.npz", npz(&arrays(|_, t| t == 0)))
        .read()
        .unwrap();
    assert_eq!(lengths(&recording), [5, 5, 5]);
}

/// Fault: rows of NaN that fill episodes up to one length were gaps.
#[test]
fn rows_of_nan_at_the_end_are_padding() {
    let value = |e: usize, t: usize| {
        if t < LENGTHS[e] {
            1.0 + t as f64
        } else {
            f64::NAN
        }
    };
    let values: Vec<f64> = (0..30).map(|i| value(i / 10, i / 2 % 5)).collect();
    let file = |values: &[f64]| {
        let arrays = [("observations", floats(&[3, 5, 2], values))];
        Scratch::new("run.npz", npz(&arrays))
    };
    let (recording, roles) = file(&values).read().unwrap();
    assert_eq!(lengths(&recording), LENGTHS);
    assert!(roles.notes[0].contains("of NaN alone"), "{:?}", roles.notes);
    let mut holes = values;
    holes[0] = f64::NAN;
    assert!(
        file(&holes)
            .refusal()
            .contains("row 1, column observations_0 is NaN")
    );
}

/// Fault: rows of a replay buffer that were not filled yet were rows of the recording.
#[test]
fn rows_that_a_buffer_has_not_filled_are_left_out() {
    let scalar = |value: f64| floats(&[], &[value]);
    let read = |full: f64| {
        let states: Vec<f64> = (0..12)
            .map(|i| if i < 8 { f64::from(i) } else { 0.0 })
            .collect();
        let ends: Vec<f64> = (0..12).map(|i| f64::from(u8::from(i == 3))).collect();
        let arrays = [
            ("observations", floats(&[12, 1], &states)),
            ("actions", floats(&[12, 1], &[1.0; 12])),
            ("dones", floats(&[12], &ends)),
            ("pos", scalar(8.0)),
            ("full", scalar(full)),
        ];
        Scratch::new("run.npz", npz(&arrays)).read().unwrap()
    };
    let (recording, roles) = read(0.0);
    assert_eq!(lengths(&recording), [4, 4]);
    assert!(
        roles.notes.iter().any(|note| note.contains("8 of 12 rows")),
        "{:?}",
        roles.notes
    );
    // A full one begins where the next row would be written.
    assert_eq!(lengths(&read(1.0).0), [8, 4]);
}

#[test]
fn a_length_beyond_the_padding_is_an_error() {
    let arrays = [
        ("observations", observations()),
        ("lengths", floats(&[3], &[3.0, 7.0, 2.0])),
    ];
    let refusal = Scratch::new("run.npz", npz(&arrays)).refusal();
    assert!(
        refusal.contains("lengths says that episode 1 has 7 rows, but the arrays hold 5"),
        "{refusal}"
    );
}

/// The lengths of poles are none of episodes, and a mask with holes masks something else.
#[test]
fn what_is_no_length_is_left_alone() {
    for (name, array) in [
        ("length", floats(&[3], &[0.5, 0.7, 0.6])),
        ("mask", mask(|_, step| step != 2)),
    ] {
        let arrays = [("observations", observations()), (name, array)];
        let (recording, _) = Scratch::new("run.npz", npz(&arrays)).read().unwrap();
        assert_eq!(lengths(&recording), [5, 5, 5], "{name}");
    }
}

/// States with a row more for each episode keep the one after its length; episodes of no rows are none.
#[test]
fn padded_episodes_have_final_states() {
    let steps = floats(&[3, 4, 1], &[0.5; 12]);
    let arrays = [
        ("observations", observations()),
        ("actions", steps),
        ("lengths", floats(&[3], &[2.0, 0.0, 1.0])),
    ];
    let (recording, _) = Scratch::new("run.npz", npz(&arrays)).read().unwrap();
    assert_eq!(names(&recording), ["0", "2"]);
    assert_eq!(lengths(&recording), [2, 1]);
    let last = |episode: usize| recording.episodes()[episode].final_state().unwrap()[0];
    assert_eq!((last(0), last(1)), (32.5, 21.5));
}

/// Fault: episodes of MATLAB's arrays, whose first index runs fastest, were refused.
#[test]
fn the_first_index_may_run_fastest() {
    let values: Vec<f64> = LENGTHS.into_iter().flat_map(states_of).collect();
    let of = |i: usize| values[(i % 3) * 10 + (i / 3 % 5) * 2 + i / 15];
    let turned: Vec<f64> = (0..30).map(of).collect();
    let order = npyz::Order::Fortran;
    let flags: Vec<f64> = (0..15)
        .map(|i| f64::from(u8::from(i / 3 < LENGTHS[i % 3])))
        .collect();
    let arrays = [
        ("observations", npy("<f8", order, &[3, 5, 2], &turned)),
        ("mask", npy("<f8", order, &[3, 5], &flags)),
    ];
    let (recording, _) = Scratch::new("run.npz", npz(&arrays)).read().unwrap();
    assert_eq!(lengths(&recording), LENGTHS);
    assert_eq!(states(&recording, 0)[2], [32.5, 65.0]);
    assert_eq!(states(&recording, 2), [[20.5, 41.0], [21.5, 43.0]]);
}

/// Steps of a walk: states, and where they led; a new one begins at each of some steps.
fn walk(starts: &[usize]) -> (Vec<f64>, Vec<f64>) {
    let (mut states, mut next) = (Vec::new(), Vec::new());
    let mut at = 0.0;
    for t in 0..20 {
        if starts.contains(&t) {
            at = 100.0 * (t as f64 + 1.0);
        }
        states.push(at);
        at += 0.5 + (t % 3) as f64;
        next.push(at);
    }
    (states, next)
}

fn d4rl(states: &[f64], next: &[f64]) -> Scratch {
    let mut ends = vec![0.0; 20];
    ends[4] = 1.0;
    let arrays = [
        ("observations", floats(&[20, 1], states)),
        ("next_observations", floats(&[20, 1], next)),
        ("actions", floats(&[20, 1], &[0.5; 20])),
        ("rewards", floats(&[20], &[1.0; 20])),
        ("terminals", floats(&[20], &ends)),
    ];
    Scratch::new("run.npz", npz(&arrays))
}

/// Fault: without `timeouts` all runs up to the next end of the system were one.
#[test]
fn a_state_that_the_step_before_did_not_lead_to_begins_an_episode() {
    let (observed, next) = walk(&[0, 5, 12]);
    let file = d4rl(&observed, &next);
    let (recording, roles) = file.read().unwrap();
    assert_eq!(lengths(&recording), [5, 7, 8]);
    assert_eq!(recording.end_flag(), EndFlag::Done);
    assert!(recording.episodes()[1].final_state().is_none());
    let said = roles.to_string();
    assert!(said.contains("the state of row 13 is not where"), "{said}");
    assert!(said.contains("next_observations_0 (next state)"), "{said}");
    let selection = RoleSelection {
        transitions: true,
        ..RoleSelection::default()
    };
    let (recording, _) = read(&file.path, &selection, MissingPolicy::Error).unwrap();
    assert_eq!(lengths(&recording), [5, 7, 8]);
    let last = recording.episodes()[1].final_state().unwrap();
    assert_eq!(last[0], next[11]);
}

/// Numbers of single precision beside others are the same.
#[test]
fn rounded_next_states_begin_no_episode() {
    let (observed, next) = walk(&[0, 5, 12]);
    let shift = |(t, x): (usize, &f64)| x + if t % 3 == 0 { 1e-5 } else { 0.0 };
    let rounded: Vec<f64> = next.iter().enumerate().map(shift).collect();
    let (recording, _) = d4rl(&observed, &rounded).read().unwrap();
    assert_eq!(lengths(&recording), [5, 7, 8]);
}

#[test]
fn next_states_of_another_scale_tell_nothing() {
    let (observed, next) = walk(&[0, 5, 12]);
    let scaled: Vec<f64> = next.iter().map(|x| x / 10.0).collect();
    let (recording, roles) = d4rl(&observed, &scaled).read().unwrap();
    assert_eq!(lengths(&recording), [5, 15]);
    assert!(roles.to_string().contains("does not tell episodes apart"));
}

/// Fault: rows of padding before the data were read as data, or the data as padding.
#[test]
fn padding_may_be_before_the_data() {
    let rows = [4, 6, 3];
    let is_data = |i: usize| i % 6 >= 6 - rows[i / 6];
    let state = |i: usize| {
        if is_data(i) {
            1.5 + (i * i) as f64
        } else {
            0.0
        }
    };
    let repeated = |i: usize| state((i..18).find(|&i| is_data(i)).unwrap_or(i));
    for (name, marked) in [
        ("mask", false),
        ("attention_mask", false),
        ("padding_mask", true),
        ("padding_mask", false),
    ] {
        for filled in [&state as &dyn Fn(usize) -> f64, &repeated] {
            let values: Vec<f64> = (0..18).map(filled).collect();
            let flags: Vec<bool> = (0..18).map(|i| is_data(i) != marked).collect();
            let arrays = [
                ("observations", floats(&[3, 6, 1], &values)),
                (name, npy("|b1", npyz::Order::C, &[3, 6], &flags)),
            ];
            let (recording, roles) = Scratch::new("run.npz", npz(&arrays)).read().unwrap();
            assert_eq!(lengths(&recording), rows, "{name}: {roles}");
            assert_eq!(states(&recording, 0)[0], [state(2)], "{name}");
            assert_eq!(states(&recording, 2)[2], [state(17)], "{name}");
        }
    }
    // A mask of rows that hold something masks something else.
    let values: Vec<f64> = (0..18).map(|i| f64::from(i * i)).collect();
    let flags: Vec<bool> = (0..18).map(is_data).collect();
    let arrays = [
        ("observations", floats(&[3, 6, 1], &values)),
        ("mask", npy("|b1", npyz::Order::C, &[3, 6], &flags)),
    ];
    let (recording, _) = Scratch::new("run.npz", npz(&arrays)).read().unwrap();
    assert_eq!(lengths(&recording), [6, 6, 6]);
}

/// Fault: rows that a column of a table says are padding were steps.
#[test]
fn rows_of_padding_in_a_table_are_left_out() {
    let table = |pad: &str, last: &str| {
        csv(&format!(
            "episode,step,obs_x,action,is_pad\n0,0,1,5,0\n0,1,2,6,0\n0,2,0,0,{pad}\n1,0,3,7,0\n1,1,{last},0,{pad}\n1,2,{last},0,{pad}\n"
        ))
    };
    for pad in ["1", "True"] {
        let (recording, roles) = table(pad, "0").read().unwrap();
        assert_eq!(states(&recording, 0), [[1.0], [2.0]]);
        assert_eq!(lengths(&recording), [2, 1]);
        assert!(
            roles.to_string().contains("3 of 6 rows are padding"),
            "{roles}"
        );
    }
    // The last state may be repeated, but not go on.
    assert_eq!(lengths(&table("1", "3").read().unwrap().0), [2, 1]);
    let (recording, roles) = table("1", "4").read().unwrap();
    assert_eq!(lengths(&recording), [3, 3]);
    assert!(
        roles.to_string().contains("not read as a flag of padding"),
        "{roles}"
    );
}
