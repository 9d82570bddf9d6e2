//! Recordings of simulators and measured series that lie beside some checkouts.

use super::*;

/// The CSV files hold the first rows of the NPZ files, printed with six digits.
#[test]
fn csv_and_npz_of_a_recording_agree() {
    let Some(folder) = shared("data/trajectories") else {
        return;
    };
    let mut compared = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let npz = entry.unwrap().path();
        if npz.extension().is_none_or(|extension| extension != "npz") {
            continue;
        }
        let (full, npz_roles) = read_guessing(&npz).unwrap();
        let (part, csv_roles) = read_guessing(&npz.with_extension("csv")).unwrap();
        let file = npz.display();
        assert_eq!(npz_roles.state.columns[0], "obs_0");
        assert!(csv_roles.state.columns[0].starts_with("obs_"));
        assert_eq!(full.reward_name(), Some("reward"));
        let episodes = part.episodes().len();
        for (index, (a, b)) in part.episodes().iter().zip(full.episodes()).enumerate() {
            assert_eq!(a.name(), b.name(), "{file}");
            let rows = a.rows();
            // The last episode of a CSV file may be cut off.
            if index + 1 < episodes {
                assert_eq!(rows, b.rows(), "{file}");
            }
            assert_eq!(a.terminated(), &b.terminated()[..rows], "{file}");
            assert_eq!(a.truncated(), &b.truncated()[..rows], "{file}");
            let near = |x: f64, y: f64| (x - y).abs() <= 1e-5 * x.abs().max(y.abs());
            let pairs = a.states().into_iter().zip(b.states());
            let pairs = pairs.chain(a.actions().into_iter().zip(b.actions()));
            let pairs = pairs.chain(a.rewards().unwrap().iter().zip(b.rewards().unwrap()));
            for (x, y) in pairs {
                assert!(near(*x, *y), "{file}: {x} and {y}");
            }
        }
        assert_eq!(
            part.episodes()[0].states().ncols(),
            full.state_names().len()
        );
        compared += 1;
    }
    assert!(compared > 0);
}

#[test]
fn pendulum_recordings_have_the_shape_their_notes_say() {
    let Some(folder) = shared("data/trajectories") else {
        return;
    };
    let (recording, roles) = read_guessing(&folder.join("Pendulum-v1__random.npz")).unwrap();
    assert_eq!(lengths(&recording), [200; 20]);
    assert_eq!(recording.state_names().len(), 3);
    assert_eq!(recording.action_names(), ["action_0"]);
    let episode = &recording.episodes()[19];
    assert_eq!(episode.name(), "19");
    assert!(episode.truncated()[199] && !episode.truncated()[198]);
    let reason = |name: &str| {
        let column = roles.ignored.iter().find(|column| column.name == name);
        column.map(|column| column.reason.clone())
    };
    assert_eq!(reason("initial_state").as_deref(), Some("shape [20, 2]"));
    assert_eq!(roles.time.columns, ["t"]);
    assert_eq!(reason("next_obs_0").as_deref(), Some("next state"));
}

#[test]
fn names_in_the_last_comment_are_those_of_the_columns() {
    let Some(folder) = shared("data/traces") else {
        return;
    };
    let (recording, _) = read_guessing(&folder.join("pendulum.csv")).unwrap();
    assert_eq!(recording.state_names()[..2], ["th", "thdot"]);
    assert_eq!(recording.action_names(), ["u"]);
    assert_eq!(states(&recording, 0)[0][0], 0.8711030826580101);
}

#[test]
fn measured_series_need_no_options() {
    let Some(folder) = shared("public-series") else {
        return;
    };
    let cases = [
        (
            "darts/gasrate_co2.csv",
            vec!["GasRate(ft3/min)", "CO2%"],
            296,
        ),
        ("darts/heart_rate.csv", vec!["Heart rate"], 1800),
        ("darts/monthly-sunspots.csv", vec!["Sunspots"], 2820),
        (
            "sysid/cascaded_tanks.csv",
            vec!["uEst", "uVal", "yEst", "yVal"],
            1024,
        ),
    ];
    for (file, columns, rows) in cases {
        let (recording, roles) = read_guessing(&folder.join(file)).unwrap();
        assert_eq!(recording.state_names(), columns, "{file}");
        assert_eq!(recording.rows(), rows, "{file}");
        assert_eq!(lengths(&recording).len(), 1, "{file}");
        assert!(roles.state.guessed);
    }
}

#[test]
fn restarts_split_a_measured_recording_whose_last_rows_have_no_action() {
    let Some(folder) = shared("public-series/rl_simulator/inverted_pendulum/data") else {
        return;
    };
    let path = folder.join("X_train.csv");
    let (recording, roles) = read_guessing(&path).unwrap();
    assert_eq!(
        recording.state_names(),
        ["pos", "pole_angle", "vel", "pole_vel"]
    );
    assert_eq!(recording.action_names(), ["action"]);
    assert_eq!(roles.restart.columns, ["restart"]);
    assert_eq!(lengths(&recording), [100; 50]);
    assert_eq!(names(&recording)[49], "49");
    let last = recording.episodes()[0].final_state().unwrap();
    assert_eq!(last[0], -0.5350357698666419);
}
