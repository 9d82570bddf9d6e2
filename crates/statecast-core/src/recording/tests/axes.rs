//! Arrays whose first axis is time, or channels, and arrays that say where episodes end.

use super::written::{floats, npy, npz};
use super::*;

const STEPS: usize = 60;
const ENVIRONMENTS: usize = 4;

/// A slow wave of an environment and a channel, which starts over at some steps.
fn wave(step: usize, environment: usize, channel: usize) -> f64 {
    let phase = (1.7 * environment as f64 + channel as f64).powi(2);
    let episode = (step + 5 * environment) / 20;
    (0.04 * step as f64 + phase + 2.3 * episode as f64).sin()
}

fn is_start(step: usize, environment: usize) -> bool {
    step == 0 || (step + 5 * environment).is_multiple_of(20)
}

/// `[steps, environments, 2]`, or with the first two axes turned.
fn observations(turned: bool) -> Vec<u8> {
    let value = |i: usize, j: usize, k: usize| match turned {
        true => wave(j, i, k),
        false => wave(i, j, k),
    };
    let (first, second) = match turned {
        true => (ENVIRONMENTS, STEPS),
        false => (STEPS, ENVIRONMENTS),
    };
    let mut values = Vec::new();
    for i in 0..first {
        for j in 0..second {
            values.extend([0, 1].map(|k| value(i, j, k)));
        }
    }
    floats(&[first as u64, second as u64, 2], &values)
}

fn flags(of: fn(usize, usize) -> bool) -> Vec<u8> {
    let all = (0..STEPS).flat_map(|t| (0..ENVIRONMENTS).map(move |e| of(t, e)));
    let shape = [STEPS as u64, ENVIRONMENTS as u64];
    npy("|b1", npyz::Order::C, &shape, &all.collect::<Vec<_>>())
}

fn actions() -> Vec<u8> {
    let shape = [STEPS as u64, ENVIRONMENTS as u64];
    let value = |i: usize| ((i * 7919) % 5) as f64;
    floats(
        &shape,
        &(0..STEPS * ENVIRONMENTS).map(value).collect::<Vec<_>>(),
    )
}

/// Fault: rollout buffers were read with their environments as steps.
#[test]
fn rollout_buffers_have_steps_in_front() {
    for (name, flag) in [
        ("episode_starts", flags(is_start)),
        // Kept with each step is whether the one before was the last.
        ("dones", flags(|t, e| t > 0 && is_start(t, e))),
        ("terminals", flags(|t, e| is_start(t + 1, e))),
    ] {
        let arrays = [
            ("obs", observations(false)),
            ("actions", actions()),
            (name, flag),
        ];
        let (recording, roles) = Scratch::new("run.npz", npz(&arrays)).read().unwrap();
        let expected: Vec<usize> = (0..ENVIRONMENTS)
            .flat_map(|e| {
                let starts: Vec<usize> = (0..STEPS).filter(|&t| is_start(t, e)).collect();
                let ends = starts.iter().skip(1).copied().chain([STEPS]);
                let pairs: Vec<usize> = ends.zip(&starts).map(|(end, start)| end - start).collect();
                pairs
            })
            .collect();
        assert_eq!(lengths(&recording), expected, "{name}: {roles}");
        // The second environment.
        let second = expected.iter().scan(0, |all, length| {
            *all += length;
            Some(*all)
        });
        let second = second.take_while(|&rows| rows <= STEPS).count();
        assert_eq!(
            states(&recording, second)[1],
            [wave(1, 1, 0), wave(1, 1, 1)]
        );
        let said = "the first axis is taken for time and the second for 4 environments";
        assert!(roles.notes[0].contains(said), "{roles}");
    }
    let arrays = [("obs", observations(true))];
    let (recording, roles) = Scratch::new("run.npz", npz(&arrays)).read().unwrap();
    assert_eq!(lengths(&recording), [STEPS; ENVIRONMENTS]);
    assert!(roles.notes.is_empty(), "{roles}");
}

/// Where the values do not tell, the first axis is that of episodes, and that is said.
#[test]
fn an_axis_that_is_not_clear_is_said() {
    let noise = |i: usize| ((i * 7919 + i * i * 31) % 1009) as f64;
    let values: Vec<f64> = (0..240).map(noise).collect();
    let arrays = [("obs", floats(&[10, 12, 2], &values))];
    let (recording, roles) = Scratch::new("run.npz", npz(&arrays)).read().unwrap();
    assert_eq!(lengths(&recording), [12; 10]);
    assert!(
        roles.notes[0].contains("the first axis is taken for episodes and the second for time"),
        "{roles}"
    );
    // Flags of starts tell.
    let starts: Vec<f64> = (0..120)
        .map(|i| f64::from(u8::from(i < 12 || i == 40)))
        .collect();
    let arrays = [
        ("obs", floats(&[10, 12, 2], &values)),
        ("episode_starts", floats(&[10, 12], &starts)),
    ];
    let (recording, roles) = Scratch::new("run.npz", npz(&arrays)).read().unwrap();
    assert_eq!(recording.episodes().len(), 13, "{roles}");
}

/// Fault: of `[channels, rows]` every value of a channel was a column.
#[test]
fn an_array_with_a_row_for_each_channel_is_turned() {
    let values: Vec<f64> = (0..3 * 200).map(|i| wave(i % 200, 0, i / 200)).collect();
    let array = floats(&[3, 200], &values);
    for (name, bytes) in [
        ("run.npy", array.clone()),
        ("run.npz", npz(&[("x", array.clone())])),
    ] {
        let (recording, roles) = Scratch::new(name, bytes).read().unwrap();
        assert_eq!(lengths(&recording), [200]);
        assert_eq!(
            states(&recording, 0)[7],
            [0, 1, 2].map(|channel| wave(7, 0, channel))
        );
        assert!(
            roles.notes[0].contains("is read as 3 channel(s) of 200 rows"),
            "{roles}"
        );
    }
    // Beside as many actions they are rows, and so are those that do not go on smoothly.
    let arrays = [("x", array), ("u", floats(&[3], &[0.0, 1.0, 0.0]))];
    let (recording, _) = Scratch::new("run.npz", npz(&arrays)).read().unwrap();
    assert_eq!(lengths(&recording), [3]);
    let noise: Vec<f64> = (0..600).map(|i| ((i * 7919) % 1009) as f64).collect();
    let arrays = [("x", floats(&[3, 200], &noise))];
    let (recording, _) = Scratch::new("run.npz", npz(&arrays)).read().unwrap();
    assert_eq!(lengths(&recording), [3]);
}

/// Fault: arrays of ends beside concatenated rows were left out, and all rows were one episode.
#[test]
fn arrays_of_boundaries_cut_concatenated_rows() {
    let values: Vec<f64> = (0..60).map(|i| (0.4 * f64::from(i)).sin()).collect();
    for (name, boundaries) in [
        ("episode_ends", [9.0, 24.0, 30.0]),
        ("ends", [8.0, 23.0, 29.0]),
        ("episode_starts", [0.0, 9.0, 24.0]),
        ("episode_lengths", [9.0, 15.0, 6.0]),
    ] {
        let arrays = [
            ("state", floats(&[30, 2], &values)),
            ("action", floats(&[30, 1], &values[..30])),
            (name, floats(&[3], &boundaries)),
        ];
        let (recording, roles) = Scratch::new("run.npz", npz(&arrays)).read().unwrap();
        assert_eq!(lengths(&recording), [9, 15, 6], "{name}");
        let note = format!("3 episodes, told apart by {name}");
        assert!(roles.notes.contains(&note), "{roles}");
    }
    // What does not fit the rows is left alone.
    let arrays = [
        ("state", floats(&[30, 2], &values)),
        ("episode_ends", floats(&[2], &[9.0, 24.0])),
    ];
    let (recording, _) = Scratch::new("run.npz", npz(&arrays)).read().unwrap();
    assert_eq!(lengths(&recording), [30]);
}

/// Fault: flags that are 1 in rows of padding were taken for nothing, and the padding for data.
#[test]
fn masks_of_padding_leave_out_the_marked_rows() {
    let rows = [4, 6, 3];
    let state = |i: usize| {
        if i % 6 < rows[i / 6] {
            1.5 + i as f64
        } else {
            0.0
        }
    };
    let values: Vec<f64> = (0..18).map(state).collect();
    for (name, marked) in [
        ("padding_mask", true),
        ("pad_mask", true),
        ("is_pad", true),
        ("action_is_pad", true),
        // Called so, too, where it marks what is no padding.
        ("pad_mask", false),
    ] {
        let flags: Vec<bool> = (0..18).map(|i| (i % 6 >= rows[i / 6]) == marked).collect();
        let arrays = [
            ("observations", floats(&[3, 6, 1], &values)),
            (name, npy("|b1", npyz::Order::C, &[3, 6], &flags)),
        ];
        let (recording, _) = Scratch::new("run.npz", npz(&arrays)).read().unwrap();
        assert_eq!(lengths(&recording), rows, "{name}");
    }
}

/// Fault: arrays were turned by how smooth they are, though flags or times of the file said which axis is time.
#[test]
fn flags_and_times_of_the_file_say_which_axis_is_time() {
    // Runs from a grid of starts: smoother from run to run than from step to step.
    let value = |run: usize, step: usize| {
        let jump = [0.0, 3.0, -2.0, 4.0, 1.0, -3.0][step];
        0.05 * run as f64 + jump
    };
    let (runs, steps) = (20, 6);
    let of = |turned: bool, value: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
        let (first, second) = if turned { (steps, runs) } else { (runs, steps) };
        let pairs = (0..first).flat_map(|i| (0..second).map(move |j| (i, j)));
        pairs
            .map(|(i, j)| if turned { value(j, i) } else { value(i, j) })
            .collect()
    };
    let last = |_, step| f64::from(u8::from(step == 5));
    let time = |_, step| 0.1 * step as f64;
    let times: Vec<f64> = (0..steps).map(|step| time(0, step)).collect();
    for turned in [false, true] {
        let shape = if turned { [6, 20] } else { [20, 6] };
        let observed = floats(&[shape[0], shape[1], 1], &of(turned, &value));
        for (name, array) in [
            ("terminated", floats(&shape, &of(turned, &last))),
            ("truncated", floats(&shape, &of(turned, &last))),
            ("t", floats(&shape, &of(turned, &time))),
            ("t", floats(&[6], &times)),
        ] {
            let arrays = [("obs", observed.clone()), (name, array)];
            let (recording, roles) = Scratch::new("run.npz", npz(&arrays)).read().unwrap();
            assert_eq!(lengths(&recording), [6; 20], "{name}, {turned}: {roles}");
            assert_eq!(states(&recording, 3)[2], [value(3, 2)], "{name}");
        }
    }
}

/// Fault: of a field with a row for each place every time was a column.
#[test]
fn fields_beside_their_times_have_a_row_for_each_time() {
    let field: Vec<f64> = (0..30 * 12).map(|i| wave(i % 12, i / 12, 0)).collect();
    let rising = |count: usize| (0..count).map(|i| 0.5 * i as f64).collect::<Vec<f64>>();
    for shape in [vec![12], vec![12, 1], vec![1, 12]] {
        let arrays = [
            ("usol", floats(&[30, 12], &field)),
            ("t", floats(&shape, &rising(12))),
            ("x", floats(&[1, 30], &rising(30))),
        ];
        let (recording, roles) = Scratch::new("run.npz", npz(&arrays)).read().unwrap();
        assert_eq!(lengths(&recording), [12], "{roles}");
        assert_eq!(states(&recording, 0)[3][7], wave(3, 7, 0));
    }
}

/// Fault: actions beside states of a step more, both with steps first, were left out.
#[test]
fn a_step_more_of_all_environments_is_their_final_state() {
    // The first environment starts over after its third step, the second after its last.
    let since = |i: u32| match i % 3 {
        0 if i >= 9 => i / 3 - 3,
        1 if i >= 18 => 0,
        _ => i / 3,
    };
    let value = |i: u32| f64::from(i % 3) + 0.1 * f64::from(since(i) * since(i));
    let observations: Vec<f64> = (0..7 * 3).map(value).collect();
    let actions: Vec<f64> = (0..6 * 3).map(|i| f64::from(i) + 0.5).collect();
    let file = |ends: &[(usize, usize)]| {
        let set = |i: usize| ends.contains(&(i / 3, i % 3));
        let ends: Vec<bool> = (0..18).map(set).collect();
        let arrays = [
            ("observations", floats(&[7, 3, 1], &observations)),
            ("actions", floats(&[6, 3, 1], &actions)),
            ("dones", npy("|b1", npyz::Order::C, &[6, 3], &ends)),
        ];
        Scratch::new("run.npz", npz(&arrays)).read().unwrap()
    };
    let (recording, roles) = file(&[]);
    assert_eq!(lengths(&recording), [6, 6, 6]);
    let episode = &recording.episodes()[1];
    assert_eq!(episode.actions()[[1, 0]], 4.5);
    assert_eq!(episode.states()[[2, 0]], observations[7]);
    assert_eq!(episode.final_state().unwrap()[0], observations[19]);
    assert!(
        roles.to_string().contains("states begin with [7, 3]"),
        "{roles}"
    );
    // After an end there is the first state of the next episode.
    let (recording, _) = file(&[(2, 0), (5, 1)]);
    assert_eq!(lengths(&recording), [3, 3, 6, 6]);
    let known = recording
        .episodes()
        .iter()
        .map(|e| e.final_state().is_some());
    assert_eq!(known.collect::<Vec<_>>(), [false, true, false, true]);
}
