//! Logs of training, exports of robots and tables of pandas: what counts their rows.

use super::super::{LoggedRun, TimeStamp, read_labels, read_runs};
use super::*;

fn runs(file: &Scratch, column: &str) -> (Vec<LoggedRun>, Roles) {
    let selection = RoleSelection {
        state: vec![column.to_owned()],
        ..RoleSelection::default()
    };
    read_runs(&file.path, &selection).unwrap()
}

/// Fault: a log whose steps start over with the epoch was a run an epoch.
#[test]
fn epochs_are_one_run() {
    let rows = |runs: &[&str]| -> String {
        let each = runs.iter().flat_map(|run| {
            let name = if runs.len() > 1 {
                format!("{run},")
            } else {
                String::new()
            };
            (0..40)
                .map(move |i| format!("{name}{},{},{}\n", i / 10, i % 10, 2.0 / f64::from(i + 1)))
        });
        each.collect()
    };
    let one = csv(&format!("epoch,step,loss\n{}", rows(&["a"])));
    let (recording, roles) = one.read().unwrap();
    assert_eq!(
        (lengths(&recording), roles.notes.len()),
        (vec![40], 0),
        "{roles}"
    );
    assert_eq!(roles.time.columns, ["epoch", "step"]);
    let (logged, _) = runs(&one, "loss");
    assert_eq!(logged.len(), 1);
    assert_eq!(logged[0].steps.as_ref().unwrap()[25], 25.0);
    let two = csv(&format!("run_id,epoch,step,loss\n{}", rows(&["a", "b"])));
    assert_eq!(lengths(&two.read().unwrap().0), [40, 40]);
    let (logged, _) = runs(&two, "loss");
    assert_eq!([logged[0].values.len(), logged[1].values.len()], [40, 40]);
    // Recordings with actions have episodes.
    let text: String = (0..40)
        .map(|i| format!("{},{},{i},1\n", i / 10, i % 10))
        .collect();
    let recording = csv(&format!("epoch,step,obs_x,act_u\n{text}"));
    assert_eq!(lengths(&recording.read().unwrap().0), [10; 4]);
}

/// Fault: records of evaluations and the summary stood between those of steps.
#[test]
fn the_state_of_a_trainer_is_one_run_of_steps() {
    let mut records = Vec::new();
    for step in 1..=20 {
        let (epoch, loss) = (f64::from(step) / 10.0, 2.0 / f64::from(step));
        records.push(format!(
            r#"{{"epoch": {epoch}, "loss": {loss}, "lr": 0.1, "step": {step}}}"#
        ));
        if step % 5 == 0 {
            records.push(format!(
                r#"{{"epoch": 1, "eval_loss": {step}, "step": {step}}}"#
            ));
        }
    }
    records.push(r#"{"epoch": 2, "step": 20, "train_loss": 9, "train_runtime": 100}"#.to_owned());
    let text = format!(
        r#"{{"best_metric": null, "global_step": 20, "log_history": [{}], "max_steps": 20}}"#,
        records.join(",")
    );
    let file = Scratch::new("trainer_state.json", text);
    let (recording, roles) = file.read().unwrap();
    let note = "5 of 25 records of log_history say nothing of loss and are left out";
    assert_eq!(roles.notes, [note]);
    assert_eq!(recording.state_names(), ["loss", "lr"]);
    assert_eq!(
        (lengths(&recording), roles.time.columns),
        (vec![20], vec!["step".to_owned()])
    );
    let (logged, _) = runs(&file, "eval_loss");
    assert_eq!(logged[0].values, [5.0, 10.0, 15.0, 20.0]);
    let (logged, _) = runs(&file, "loss");
    assert_eq!(logged[0].values.len(), 20);
}

/// Fault: rows of `orient="index"` were columns, and dates of the index were lost.
#[test]
fn tables_of_pandas_are_read_whatever_their_orientation() {
    let day = |row: usize| format!("2020-01-{:02}T00:00:00.000", row + 1);
    for dated in [false, true] {
        let label = |row: usize| if dated { day(row) } else { row.to_string() };
        let rows = || 0..12;
        let object = |of: &dyn Fn(usize) -> String| {
            let fields: Vec<String> = rows()
                .map(|r| format!("\"{}\":{}", label(r), of(r)))
                .collect();
            format!("{{{}}}", fields.join(","))
        };
        let value = |row: usize, column: usize| (row * row + 40 * column) as f64 + 0.5;
        let index = object(&|r| format!(r#"{{"a":{},"b":{}}}"#, value(r, 0), value(r, 1)));
        let columns = [0, 1].map(|c| object(&|r| value(r, c).to_string()));
        let columns = format!(r#"{{"a":{},"b":{}}}"#, columns[0], columns[1]);
        let data: Vec<String> = rows()
            .map(|r| format!("[{},{}]", value(r, 0), value(r, 1)))
            .collect();
        let labels: Vec<String> = rows()
            .map(|r| {
                if dated {
                    format!("\"{}\"", label(r))
                } else {
                    label(r)
                }
            })
            .collect();
        let split = format!(
            r#"{{"columns":["a","b"],"index":[{}],"data":[{}]}}"#,
            labels.join(","),
            data.join(",")
        );
        for text in [index, columns, split] {
            let (recording, roles) = Scratch::new("run.json", &text).read().unwrap();
            assert_eq!(recording.state_names(), ["a", "b"], "{text}");
            assert_eq!(states(&recording, 0)[3], [9.5, 49.5]);
            let time = recording.episodes()[0]
                .times()
                .and_then(|times| times.at(11));
            match dated {
                true => assert_eq!(
                    time,
                    Some(TimeStamp::Date("2020-01-12".to_owned())),
                    "{roles}"
                ),
                false => assert_eq!(time, None),
            }
        }
    }
}

/// Fault: seconds and nanoseconds of a stamp were states.
#[test]
fn stamps_of_ros_are_one_clock() {
    for (names, start) in [
        (
            "header.seq,header.stamp.secs,header.stamp.nsecs",
            1_600_000_000u64,
        ),
        ("header.frame,stamp.sec,stamp.nanosec", 1_600_000_000),
        ("n,header.stamp.secs,header.stamp.nsecs", 3),
    ] {
        let row = |i: u64| {
            let nanos = i * 250_000_000;
            let (seconds, nanos) = (start + nanos / 1_000_000_000, nanos % 1_000_000_000);
            format!("{i},{seconds},{nanos},{}\n", (i * i) as f64 + 0.5)
        };
        let rows: String = (0..20).map(row).collect();
        let (recording, roles) = csv(&format!("{names},pose.x\n{rows}")).read().unwrap();
        assert_eq!(recording.state_names(), ["pose.x"], "{roles}");
        assert_eq!(roles.time.columns.len(), 2);
        let time = recording.episodes()[0].times().unwrap().at(5);
        let expected = match start {
            3 => TimeStamp::Number(4.25),
            _ => TimeStamp::Date("2020-09-13T12:26:41.25".to_owned()),
        };
        assert_eq!(time, Some(expected), "{names}");
    }
    let rows: String = (0..20u64)
        .map(|i| {
            format!(
                "{},base,{}\n",
                1_600_000_000_000_000_000 + i * 250_000_000,
                i * i
            )
        })
        .collect();
    let (recording, roles) = csv(&format!("%time,field.header.frame_id,field.x\n{rows}"))
        .read()
        .unwrap();
    assert_eq!(recording.state_names(), ["field.x"]);
    assert!(
        roles.warnings.is_empty() && roles.time.columns == ["time"],
        "{roles}"
    );
}

fn sky(row: u32) -> &'static str {
    ["sun", "rain", "sun", "fog"][row as usize % 4]
}

/// Fault: a counter with no known name was a state, and a file that was newest first was read backwards.
#[test]
fn counters_of_any_name_order_rows() {
    for (name, skipped) in [("Trial no.", 99), ("Jour", 99), ("n", 11)] {
        let rows: String = (0..30)
            .rev()
            .filter(|&row| row != skipped)
            .map(|row| format!("{row},{},{}\n", f64::from(row * row) + 0.5, sky(row)))
            .collect();
        let file = csv(&format!("{name},y,sky\n{rows}"));
        let (recording, roles) = file.read().unwrap();
        assert_eq!(recording.state_names(), ["y"], "{roles}");
        assert_eq!(states(&recording, 0)[2], [4.5]);
        let (logged, _) = runs(&file, "y");
        assert_eq!(logged[0].values[2], 4.5);
        let (labels, roles) = read_labels(&file.path, "sky", &RoleSelection::default()).unwrap();
        assert_eq!(
            labels[0].labels[..4],
            ["sun", "rain", "sun", "fog"],
            "{roles}"
        );
        assert_eq!(
            labels[0].breaks,
            if skipped == 11 { vec![11] } else { vec![] }
        );
        let note = format!("rows are newest first by {name}; they are read oldest first");
        assert!(roles.notes.contains(&note), "{roles}");
    }
}

/// Fault: quantities that fell by one, such as fuel, were taken for numbers of rows, and these were read backwards.
#[test]
fn quantities_that_fall_do_not_turn_the_rows() {
    for (name, least) in [
        ("RUL", 0),
        ("fuel", 1),
        ("battery", 40),
        ("soc", 0),
        ("n", 40),
    ] {
        let rows: String = (least..least + 30)
            .rev()
            .map(|row| format!("{row},{}\n", row * row))
            .collect();
        let (recording, roles) = csv(&format!("{name},y\n{rows}")).read().unwrap();
        let first = f64::from(least + 29);
        assert_eq!(states(&recording, 0)[0], [first, first * first], "{roles}");
        assert!(
            roles.warnings[0].contains("name it with `time=`"),
            "{roles}"
        );
    }
}

/// Fault: the durations of laps and trials ordered them.
#[test]
fn durations_beside_a_counter_are_states() {
    let duration = |i: u32| 90.0 + f64::from(i * i).sin();
    for name in ["lap", "trial"] {
        let rows: String = (0..20)
            .map(|i| format!("{},{},{}\n", i + 1, duration(i), i % 2))
            .collect();
        let (recording, roles) = csv(&format!("{name},time,fuel\n{rows}")).read().unwrap();
        assert_eq!(recording.state_names(), ["fuel", "time"], "{roles}");
        assert_eq!(states(&recording, 0)[1], [1.0, duration(1)]);
    }
}

/// Fault: years and months without a header were units and their cycles, and hours and minutes, too.
#[test]
fn years_without_a_header_are_dates() {
    let rows: String = (0..36)
        .map(|i| format!("{};{:02};{}.5\n", 1990 + i / 12, i % 12 + 1, i * i))
        .collect();
    let (recording, roles) = csv(&rows).read().unwrap();
    assert_eq!(lengths(&recording), [36], "{roles}");
    assert_eq!(recording.state_names(), ["c2"]);
    assert_eq!(roles.time.columns, ["c0", "c1"]);
    let rows: String = (0..36)
        .map(|i| format!("{},{},{}.5\n", i / 12, i % 12, i * i))
        .collect();
    let (recording, roles) = csv(&rows).read().unwrap();
    assert_eq!(lengths(&recording), [36], "{roles}");
}

/// Fault: units and cycles of engines without a header were states of one run.
#[test]
fn units_and_cycles_without_a_header_are_episodes_and_time() {
    let lengths_of = [12, 20, 9];
    let rows: String = (0..3)
        .flat_map(|unit| (0..lengths_of[unit]).map(move |cycle| (unit + 1, cycle + 1)))
        .map(|(unit, cycle)| {
            format!(
                "{unit} {cycle} -0.0007 0.0003 518.67 {}.5  \n",
                640 + cycle * cycle % 7
            )
        })
        .collect();
    let (recording, roles) = Scratch::new("train_FD001.txt", rows).read().unwrap();
    assert_eq!(lengths(&recording), lengths_of, "{roles}");
    assert_eq!(names(&recording), ["1", "2", "3"]);
    assert_eq!(recording.state_names(), ["c2", "c3", "c4", "c5"]);
    assert_eq!(roles.time.columns, ["c1"]);
}

/// Fault: probabilities under the name of their logarithms made weights of importance sampling that were wrong.
#[test]
fn probabilities_are_told_from_their_logarithms() {
    let first_of = |name: &str, action: &dyn Fn(u32) -> f64, value: &dyn Fn(u32) -> f64| {
        let rows: String = (0..20)
            .map(|i| format!("{},{},0,{}\n", i * i, action(i), value(i)))
            .collect();
        let file = csv(&format!("obs_x,action,reward,{name}\n{rows}"));
        let selection = RoleSelection {
            transitions: true,
            ..RoleSelection::default()
        };
        let (recording, roles) = read(&file.path, &selection, MissingPolicy::Error).unwrap();
        let first = recording.episodes()[0].log_probabilities().unwrap()[0];
        (first, roles.warnings.join("; "))
    };
    let whole = |i: u32| f64::from(i % 2);
    let real = |i: u32| 0.3 + f64::from(i);
    let share = |i: u32| -> f64 { [0.25, 0.75][i as usize % 2] };
    let log = |i: u32| share(i).ln();
    let (first, warned) = first_of("log_prob", &whole, &share);
    assert!(
        first == 0.25f64.ln() && warned.contains("are read as probabilities"),
        "{warned}"
    );
    let (first, warned) = first_of("log_prob", &whole, &log);
    assert!(first == 0.25f64.ln() && warned.is_empty(), "{warned}");
    let (first, warned) = first_of("logp", &real, &share);
    assert!(
        first == 0.25 && warned.contains("write their logarithms"),
        "{warned}"
    );
    let (first, warned) = first_of("prob", &whole, &log);
    assert!(
        first == 0.25f64.ln() && warned.contains("are read as log probabilities"),
        "{warned}"
    );
    let (first, warned) = first_of("action_prob", &whole, &share);
    assert!(first == 0.25f64.ln() && warned.is_empty(), "{warned}");
}
