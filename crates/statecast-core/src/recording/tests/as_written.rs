//! Files as offices of statistics, services, loggers of fleets of environments and spreadsheets write them.

use super::written::{floats, npy, npz};
use super::*;

fn table(header: &str, rows: impl Iterator<Item = String>) -> Scratch {
    let rows: Vec<String> = rows.collect();
    csv(&format!("{header}\n{}\n", rows.join("\n")))
}

fn column(recording: &Recording, episode: usize) -> Vec<f64> {
    states(recording, episode)
        .iter()
        .map(|row| row[0])
        .collect()
}

/// Fault: moments under other names than those of times were forecast as states, newest first.
#[test]
fn moments_of_any_name_are_times() {
    for (name, unit) in [
        ("open_time", 1e3),
        ("openTime", 1e3),
        ("dt", 1.0),
        ("start", 1.0),
        ("recv_ts", 1e6),
    ] {
        let moment =
            |i: i32| (1_700_000_000.0 + 60.0 * f64::from(i) + f64::from(i * i % 17)) * unit;
        let falling = table(
            &format!("{name},x"),
            (0..40).rev().map(|i| format!("{:.0},{i}.5", moment(i))),
        );
        let (recording, roles) = falling.read().unwrap();
        assert_eq!(roles.time.columns, [name]);
        assert_eq!(column(&recording, 0)[0], 0.5, "{name}");
    }
    let years = table(
        "year,x",
        (0..40).rev().map(|i| {
            format!(
                "{:.3},{i}.5",
                1990.0 + 0.08 * f64::from(i) + 0.001 * f64::from(i * i % 7)
            )
        }),
    );
    let (recording, roles) = years.read().unwrap();
    assert_eq!(roles.time.columns, ["year"]);
    assert_eq!(column(&recording, 0)[0], 0.5);
    // A large quantity is none, and a moment that repeats orders nothing.
    let gdp = table(
        "gdp,x",
        (0..40).map(|i| format!("{},{}", 1_700_000_000 + 1000 * i * i, i % 7)),
    );
    assert_eq!(gdp.read().unwrap().0.state_names(), ["gdp", "x"]);
    let events = table(
        "event_time,x",
        (0..40).map(|i| format!("{},{}", 1_700_000_000 + i / 2 * 7, i * i % 11)),
    );
    let (recording, roles) = events.read().unwrap();
    assert_eq!(recording.state_names(), ["x"]);
    assert!(roles.time.columns.is_empty());
}

/// Fault: flags of estimates, units, brackets and the minus of typesetters refused the file or left out the column.
#[test]
fn numbers_are_read_as_offices_and_spreadsheets_write_them() {
    let estimated = table(
        "t,x",
        (0..20).map(|i| format!("{i},{i}.5{}", if i > 15 { " p" } else { "" })),
    );
    let (recording, roles) = estimated.read().unwrap();
    assert_eq!(column(&recording, 0)[19], 19.5);
    assert!(
        roles
            .to_string()
            .contains("4 number(s) of x have the flag of an estimate"),
        "{roles}"
    );
    let speeds = table("t,x", (0..20).map(|i| format!("{i},{} km/h", i * i % 7)));
    let (recording, roles) = speeds.read().unwrap();
    assert_eq!(column(&recording, 0)[3], 2.0);
    assert!(
        roles
            .to_string()
            .contains("km/h after the numbers of x is their unit"),
        "{roles}"
    );
    let accounts = table(
        "t,x",
        (0..20).map(|i| match i % 3 {
            0 => format!("{i},\"(1,{i:03})\""),
            _ => format!("{i},\"1,{i:03}\""),
        }),
    );
    let (recording, roles) = accounts.read().unwrap();
    assert_eq!(column(&recording, 0)[3..5], [-1003.0, 1004.0]);
    assert!(
        roles.to_string().contains("are read as negative"),
        "{roles}"
    );
    let typeset = table("t,x", (0..20).map(|i| format!("{i},\u{2212}{i}.5")));
    assert_eq!(column(&typeset.read().unwrap().0, 0)[2], -2.5);
    // What differs from the first mark is refused, not taken for it.
    let mixed = table(
        "t,x",
        (0..20).map(|i| format!("{i},{}{i}", if i > 10 { "€" } else { "$" })),
    );
    assert!(mixed.read().is_err() || mixed.read().unwrap().0.state_names() != ["x"]);
}

/// Fault: environments with several episodes each were one episode each, or one of all of them.
#[test]
fn episodes_of_environments_end_by_their_flags() {
    let row = |env: i32, step: i32| {
        format!(
            "{env},{}.5,0.{step},1,{}",
            100 * env + step,
            i32::from(step % 20 == 19)
        )
    };
    let together = (0..3).flat_map(|env| (0..40).map(move |step| (env, step)));
    let in_turn = (0..40).flat_map(|step| (0..3).map(move |env| (env, step)));
    for name in ["env_id", "env", "worker", "actor_id"] {
        let header = format!("{name},obs_x,action,reward,done");
        for file in [
            table(&header, together.clone().map(|(env, step)| row(env, step))),
            table(&header, in_turn.clone().map(|(env, step)| row(env, step))),
        ] {
            let (recording, roles) = file.read().unwrap();
            assert_eq!(lengths(&recording), [20; 6], "{name}: {roles}");
            assert_eq!(column(&recording, 2)[..2], [100.5, 101.5], "{name}");
        }
        let chosen = RoleSelection {
            episode: Some(name.to_owned()),
            ..RoleSelection::default()
        };
        let file = table(&header, in_turn.clone().map(|(env, step)| row(env, step)));
        let (recording, _) = read(&file.path, &chosen, MissingPolicy::Error).unwrap();
        assert_eq!(lengths(&recording), [20; 6], "{name}");
    }
    // Episodes that are numbered in each environment.
    let numbered = table(
        "env_id,episode,obs_x,action,reward",
        in_turn
            .clone()
            .map(|(env, step)| format!("{env},{},{}.5,0.{step},1", step / 20, 100 * env + step)),
    );
    assert_eq!(lengths(&numbered.read().unwrap().0), [20; 6]);
}

/// Fault: the last observation of an episode was a step with an action of zero.
#[test]
fn last_time_steps_are_final_states() {
    let steps = (0..2).flat_map(|e| (0..11).map(move |s| (e, s)));
    let flags = |s: i32| format!("{},{}", i32::from(s == 0), i32::from(s == 10));
    let rlds = table(
        "is_first,is_last,is_terminal,obs_x,action,reward",
        steps.clone().map(|(e, s)| {
            let (action, reward) = if s == 10 { (0, 0) } else { (s + 1, 10 * s + 1) };
            format!(
                "{},{},{}.5,{action},{reward}",
                flags(s),
                i32::from(s == 10 && e == 0),
                100 * e + s
            )
        }),
    );
    let (recording, roles) = rlds.read().unwrap();
    assert_eq!(lengths(&recording), [10, 10], "{roles}");
    let [ended, cut] = [0, 1].map(|episode| &recording.episodes()[episode]);
    assert_eq!(ended.final_state().unwrap().to_vec(), [10.5]);
    assert_eq!((ended.terminated()[9], ended.truncated()[9]), (true, false));
    assert_eq!((cut.terminated()[9], cut.truncated()[9]), (false, true));
    assert_eq!(ended.rewards().unwrap()[9], 91.0);

    // Rewards that stand beside the state they led to, and actions that do.
    for late_actions in [false, true] {
        let file = table(
            "step_type,obs_x,action,reward,discount",
            steps.clone().map(|(e, s)| {
                let kind = if s == 0 {
                    0
                } else if s == 10 {
                    2
                } else {
                    1
                };
                let action = match late_actions {
                    true => s,
                    false => (s + 1) % 11,
                };
                format!(
                    "{kind},{}.5,{action},{},{}",
                    100 * e + s,
                    10 * s,
                    i32::from(s < 10 || e == 1)
                )
            }),
        );
        let (recording, roles) = file.read().unwrap();
        assert_eq!(lengths(&recording), [10, 10], "{roles}");
        let episode = &recording.episodes()[0];
        assert_eq!(
            episode.rewards().unwrap().to_vec(),
            (1..=10).map(|s| 10.0 * f64::from(s)).collect::<Vec<_>>()
        );
        assert_eq!(
            episode.actions().column(0).to_vec(),
            (1..=10).map(f64::from).collect::<Vec<_>>()
        );
        assert!(episode.terminated()[9] && !recording.episodes()[1].terminated()[9]);
    }
}

/// Fault: rows after the end that repeat its state were steps of another episode, zeros of one state were values.
#[test]
fn repeated_ends_and_zeros_of_one_state_are_noticed() {
    let long = [12, 7, 9];
    let state = |e: usize, s: usize| (100 * e + s.min(long[e] - 1)) as f64 + 0.5;
    let of = |value: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
        (0..3)
            .flat_map(|e| (0..12).map(move |s| (e, s)))
            .map(|(e, s)| value(e, s))
            .collect()
    };
    let done: Vec<bool> = (0..3)
        .flat_map(|e| (0..12).map(move |s| s + 1 >= long[e]))
        .collect();
    let repeated = Scratch::new(
        "run.npz",
        npz(&[
            ("observations", floats(&[3, 12, 1], &of(&state))),
            ("rewards", floats(&[3, 12], &of(&|_, _| 1.0))),
            ("dones", npy("|b1", npyz::Order::C, &[3, 12], &done)),
        ]),
    );
    let (recording, roles) = repeated.read().unwrap();
    assert_eq!(lengths(&recording), long, "{roles}");
    let zeros = Scratch::new(
        "run.npz",
        npz(&[
            (
                "observations",
                floats(
                    &[3, 12, 1],
                    &of(&|e, s| if s < long[e] { state(e, s) } else { 0.0 }),
                ),
            ),
            ("actions", floats(&[3, 12, 1], &of(&|_, s| s as f64))),
        ]),
    );
    let (_, roles) = zeros.read().unwrap();
    assert!(
        roles
            .warnings
            .iter()
            .any(|w| w.contains("hold nothing but zeros")),
        "{roles}"
    );
}

/// Fault: a sum below a table was its last row, a title above two columns their header, `12/2023` no month.
#[test]
fn titles_sums_and_months_are_what_they_are() {
    let month = |i: i32| format!("{}/{}", i % 12 + 1, 2020 + i / 12);
    let summed = table(
        "date,x",
        (0..24)
            .map(|i| format!("{},{i}.5", month(i)))
            .chain([",276".to_owned()]),
    );
    let (recording, roles) = summed.read().unwrap();
    assert_eq!(lengths(&recording), [24], "{roles}");
    assert_eq!(roles.time.columns, ["date"]);
    for title in ["Report of 2024", "Report of 2024,"] {
        let body: Vec<String> = (0..20)
            .map(|i| format!("{}.5,{}", i * i, i * i % 7))
            .collect();
        let (recording, roles) = csv(&format!("{title}\nx,y\n{}\n", body.join("\n")))
            .read()
            .unwrap();
        assert_eq!(recording.state_names(), ["x", "y"], "{roles}");
        assert_eq!(lengths(&recording), [20]);
    }
    for (header, time) in [
        (
            "week,x",
            (1..=30)
                .rev()
                .map(|week| format!("2023-{week:02}"))
                .collect::<Vec<_>>(),
        ),
        (
            "season,x",
            (1991..2021)
                .rev()
                .map(|year| format!("{year}-{:02}", (year + 1) % 100))
                .collect(),
        ),
        (
            "fy,x",
            (1991..2021).rev().map(|year| format!("FY{year}")).collect(),
        ),
    ] {
        let file = table(
            header,
            time.iter()
                .enumerate()
                .map(|(i, time)| format!("{time},{i}.5")),
        );
        let (recording, roles) = file.read().unwrap();
        assert_eq!(column(&recording, 0)[0], 29.5, "{header}: {roles}");
    }
}

/// Fault: the end of the system was forgotten where its flag stood in the row of the final state.
#[test]
fn the_flag_of_a_final_row_ends_the_step_before() {
    let row = |e: i32, s: i32| match s {
        5 => format!("{e},{s}.5,,,1"),
        _ => format!("{e},{s}.5,0.{s},1,0"),
    };
    let file = table(
        "episode,obs_x,action,reward,terminated",
        (0..3).flat_map(|e| (0..6).map(move |s| row(e, s))),
    );
    let (recording, roles) = file.read().unwrap();
    assert_eq!(lengths(&recording), [5; 3], "{roles}");
    for episode in recording.episodes() {
        assert_eq!(episode.terminated(), [false, false, false, false, true]);
        assert_eq!(episode.final_state().unwrap().to_vec(), [5.5]);
    }
}

/// Fault: ends that CleanRL keeps with first steps ended episodes a step late where a table held them.
#[test]
fn ends_that_mark_first_steps_are_told_in_tables() {
    let file = table(
        "obs_x,actions,rewards,dones",
        (0..60).map(|i| format!("{}.5,0.{i},1,{}", i % 10, i32::from(i > 0 && i % 10 == 0))),
    );
    let (recording, roles) = file.read().unwrap();
    assert_eq!(lengths(&recording), [10; 6], "{roles}");
    assert!(roles.to_string().contains("marks first steps"), "{roles}");
}

/// Fault: of a recording whose rows hold the action and reward that led to them, rewards went to the next action.
#[test]
fn actions_and_rewards_that_led_to_a_row_are_those_of_the_row_before() {
    let file = table(
        "obs,action,reward,is_first",
        (0..60).map(|i| {
            let s = i % 10;
            let (action, reward) = if s == 0 { (0, 0) } else { (s % 2, s) };
            format!("{s}.5,{action},{reward},{}", i32::from(s == 0))
        }),
    );
    let (recording, roles) = file.read().unwrap();
    assert_eq!(lengths(&recording), [9; 6], "{roles}");
    let episode = &recording.episodes()[2];
    let led: Vec<f64> = (1..10).map(f64::from).collect();
    assert_eq!(episode.rewards().unwrap().to_vec(), led);
    assert_eq!(episode.final_state().unwrap().to_vec(), [9.5]);
    assert!(
        roles
            .to_string()
            .contains("those that led to the state of their row"),
        "{roles}"
    );
}

/// Fault: 136 steps of three environments were 136 episodes of three steps.
#[test]
fn the_longer_axis_is_that_of_time_where_nothing_else_tells() {
    let noise = |i: usize| (i as f64 * 12.9898).sin().mul_add(43758.5453, 0.0).fract();
    let values: Vec<f64> = (0..136 * 3).map(noise).collect();
    let file = Scratch::new(
        "run.npz",
        npz(&[
            ("observations", floats(&[136, 3, 1], &values)),
            ("rewards", floats(&[136, 3], &values)),
        ]),
    );
    let (recording, roles) = file.read().unwrap();
    assert_eq!(lengths(&recording), [136; 3], "{roles}");
}

/// Fault: series that two columns tell apart together could not be chosen.
#[test]
fn two_identifiers_can_be_chosen_together() {
    let keys = (0..20).flat_map(|day| (0..2).flat_map(move |a| (0..3).map(move |b| (day, a, b))));
    let file = table(
        "date,north,south,sales",
        keys.map(|(day, a, b)| format!("2024-01-{:02},{a},{b},{}.5", day + 1, 100 * a + day)),
    );
    let chosen = RoleSelection {
        episode: Some("north,south".to_owned()),
        ..RoleSelection::default()
    };
    let (recording, _) = read(&file.path, &chosen, MissingPolicy::Error).unwrap();
    assert_eq!(lengths(&recording), [20; 6]);
    assert_eq!(recording.state_names(), ["sales"]);
}

/// Fault: hours written as where they begin and end were words, and the newest came first.
#[test]
fn intervals_are_where_they_begin() {
    let hour = |i: i32| format!("{:02}.03.2024 {:02}:00", i / 24 + 1, i % 24);
    let file = table(
        "MTU (CET),Price",
        (0..60)
            .rev()
            .map(|i| format!("{} - {},{}.5", hour(i), hour(i + 1), i * i)),
    );
    let (recording, roles) = file.read().unwrap();
    assert_eq!(roles.time.columns, ["MTU (CET)"]);
    assert_eq!(column(&recording, 0)[..2], [0.5, 1.5]);
    let measured = table(
        "measured,x",
        (0..40)
            .rev()
            .map(|i| format!("{},{i}.5", 1_700_000_000 + 60 * i + i * i % 7)),
    );
    assert_eq!(column(&measured.read().unwrap().0, 0)[0], 0.5);
}
