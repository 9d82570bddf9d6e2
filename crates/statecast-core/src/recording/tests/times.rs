//! The order of rows, and where one series ends: a test a fault.

use super::super::{read_future_actions, read_labels, read_runs};
use super::written::{Cells, codecs, floats, npz, parquet};
use super::*;

fn column(recording: &Recording, episode: usize) -> Vec<f64> {
    recording.episodes()[episode].states().column(0).to_vec()
}

fn with(duplicates: Duplicates) -> RoleSelection {
    RoleSelection {
        duplicates,
        ..RoleSelection::default()
    }
}

/// A file of lines made of a number each.
fn lines(header: &str, rows: usize, line: impl Fn(usize) -> String) -> Scratch {
    let lines: Vec<String> = (0..rows).map(line).collect();
    csv(&format!("{header}\n{}\n", lines.join("\n")))
}

#[test]
fn newest_first_is_read_oldest_first() {
    let file = csv("date,level\n2024-01-04,4\n2024-01-03,3\n2024-01-02,2\n2024-01-01,1\n");
    let (recording, roles) = file.read().unwrap();
    assert_eq!(column(&recording, 0), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(roles.time.columns, ["date"]);
    assert_eq!(
        roles.notes,
        ["rows are newest first by date; they are read oldest first"]
    );
}

#[test]
fn shuffled_rows_are_sorted_with_all_their_columns() {
    let file = csv("t,obs_x,act_u,reward\n2,3,30,300\n0,1,10,100\n3,4,40,400\n1,2,20,200\n");
    let (recording, roles) = file.read().unwrap();
    assert_eq!(column(&recording, 0), [1.0, 2.0, 3.0, 4.0]);
    let episode = &recording.episodes()[0];
    assert_eq!(
        episode.actions().column(0).to_vec(),
        [10.0, 20.0, 30.0, 40.0]
    );
    assert_eq!(episode.rewards().unwrap()[3], 400.0);
    assert!(roles.notes[0].contains("sorted"), "{roles}");
}

#[test]
fn rows_of_a_sorted_file_keep_their_numbers_in_messages() {
    let file = csv("t,x\n2,3\n1,\n0,1\n");
    let selection = RoleSelection::default();
    assert!(
        file.refusal_of(read(&file.path, &selection, MissingPolicy::Error))
            .contains("row 2 (line 3), column x is empty")
    );
    // What is held is the value before in time, not in the file.
    let (recording, _) = read(&file.path, &selection, MissingPolicy::Hold).unwrap();
    assert_eq!(column(&recording, 0), [1.0, 1.0, 3.0]);
}

#[test]
fn duplicated_times_are_refused_kept_or_averaged() {
    let file = csv("t,x,done\n0,1,0\n1,2,1\n1,4,0\n2,5,0\n");
    let refusal = file.refusal();
    assert!(
        refusal.starts_with("run.csv: rows 2 and 3 have the same t; "),
        "{refusal}"
    );
    let with = |duplicates| read(&file.path, &with(duplicates), MissingPolicy::Error).unwrap();
    let (last, roles) = with(Duplicates::Last);
    assert_eq!(column(&last, 0), [1.0, 4.0, 5.0]);
    assert!(
        roles.notes[0].contains("1 row(s) repeat a time of t"),
        "{roles}"
    );
    let (mean, _) = with(Duplicates::Mean);
    assert_eq!(lengths(&mean), [2, 1]);
    assert_eq!(column(&mean, 0), [1.0, 3.0]);
}

#[test]
fn a_counter_that_restarts_begins_an_episode() {
    let file = csv("step,x\n0,1\n1,2\n2,3\n0,4\n1,5\n");
    let (recording, roles) = file.read().unwrap();
    assert_eq!(lengths(&recording), [3, 2]);
    assert_eq!(
        roles.notes,
        ["step starts over in row 4, which begins an episode"]
    );
    let file = csv("run,t,x\na,0,1\na,1,2\na,0,3\na,1,4\nb,0,5\nb,1,6\n");
    assert_eq!(names(&file.read().unwrap().0), ["a", "a#2", "b"]);
}

#[test]
fn gaps_of_a_regular_clock_are_said() {
    let file = lines("time,x", 20, |i| {
        format!("{},{}", i + 3 * usize::from(i > 7), i * i)
    });
    let (recording, roles) = file.read().unwrap();
    assert_eq!(lengths(&recording), [20]);
    assert_eq!(
        roles.warnings,
        [
            "time advances by 1 a row, but has 1 gap (the largest 4, before row 9); a gap is read \
             as one step"
        ]
    );
    let months = [
        "2024-01", "2024-02", "2024-03", "2024-04", "2024-05", "2024-08",
    ];
    let file = lines("Month,x", 6, |i| format!("{},{i}", months[i]));
    let (_, roles) = file.read().unwrap();
    assert!(roles.warnings[0].contains("1 month a row"), "{roles}");
    assert!(roles.warnings[0].contains("largest 3 months"), "{roles}");
}

#[test]
fn the_time_can_be_chosen_and_left_alone() {
    let file = csv("t,stamp,x\n0,9,1\n1,8,2\n2,7,3\n");
    let chosen = |time: &str| RoleSelection {
        time: Some(time.to_owned()),
        state: vec!["x".to_owned()],
        ..RoleSelection::default()
    };
    let read = |time: &str| read(&file.path, &chosen(time), MissingPolicy::Error).unwrap();
    assert_eq!(column(&read("stamp").0, 0), [3.0, 2.0, 1.0]);
    assert!(!read("stamp").1.time.guessed);
    assert_eq!(column(&read("none").0, 0), [1.0, 2.0, 3.0]);
}

#[test]
fn identifiers_split_series_however_they_are_stored() {
    for (header, one, other) in [
        ("item_id,timestamp,target", "a", "b"),
        ("unique_id,ds,y", "H1", "H2"),
        ("series,date,value", "1", "2"),
        ("vehicle_id,time,speed", "17", "4"),
        ("run,t,temperature", "first", "second"),
        ("Experiment,t,temperature", "1", "2"),
        ("trial,t,x", "1", "2"),
        ("city,date,sales", "Oslo", "Rome"),
    ] {
        // Below each other, and row by row.
        let below = |i: usize| format!("{},{},{}", [one, other][i / 6], i % 6, i * i);
        let beside = |i: usize| format!("{},{},{}", [one, other][i % 2], i / 2, i * i);
        for file in [lines(header, 12, below), lines(header, 12, beside)] {
            let (recording, roles) = file.read().unwrap();
            assert_eq!(names(&recording), [one, other], "{header}");
            assert_eq!(lengths(&recording), [6, 6], "{header}");
            let id = header.split(',').next().unwrap();
            assert_eq!(
                roles.notes[0],
                format!("2 episodes, told apart by {id}"),
                "{header}"
            );
        }
    }
}

#[test]
fn two_identifiers_split_where_one_is_not_enough() {
    let file = lines("store,item_id,date,sales", 24, |i| {
        let (store, item) = (i / 12, i / 6 % 2);
        format!("s{store},i{item},{},{}", i % 6, i * i)
    });
    let (recording, roles) = file.read().unwrap();
    assert_eq!(names(&recording), ["i0/s0", "i1/s0", "i0/s1", "i1/s1"]);
    assert_eq!(roles.episode.columns, ["item_id", "store"]);
}

#[test]
fn series_without_an_identifier_are_cut_where_the_time_goes_back() {
    let file = lines("ds,y", 30, |i| {
        let day = if i < 18 { i + 1 } else { i - 10 };
        format!("2024-03-{day:02},{}", i * i)
    });
    assert_eq!(lengths(&file.read().unwrap().0), [18, 12]);
}

#[test]
fn quantities_called_like_identifiers_stay_states() {
    let file = lines("trial,x", 12, |i| format!("{}.5,{}", i % 3, i * i));
    let (recording, _) = file.read().unwrap();
    assert_eq!(recording.state_names(), ["x", "trial"]);
    let (recording, _) = csv("series\n58\n62\n70\n").read().unwrap();
    assert_eq!(recording.state_names(), ["series"]);
    assert_eq!(column(&recording, 0), [58.0, 62.0, 70.0]);
    let (recording, _) = csv("t,torque\n0,5\n1,7\n2,4\n").read().unwrap();
    assert_eq!(recording.state_names(), ["torque"]);
}

#[test]
fn counters_of_any_name_are_no_states() {
    let file = lines("messung,zeit [s],x", 12, |i| {
        format!("{i},{:.2},{}", 0.02 * i as f64, i * i)
    });
    let (recording, roles) = file.read().unwrap();
    assert_eq!(recording.state_names(), ["x"]);
    assert_eq!(roles.ignored[0].reason, "regular as a clock or a counter");
    // A ramp that is all there is, and one that is chosen, are states.
    let file = lines("x", 12, |i| i.to_string());
    assert_eq!(file.read().unwrap().0.state_names(), ["x"]);
    let file = lines("obs_x,obs_y", 12, |i| format!("{i},{}", i * i));
    assert_eq!(file.read().unwrap().0.state_names(), ["obs_x", "obs_y"]);
}

#[test]
fn a_constant_or_broken_column_of_time_orders_nothing() {
    let (recording, roles) = csv("Ts,x\n4,3\n4,1\n4,2\n").read().unwrap();
    assert_eq!(column(&recording, 0), [3.0, 1.0, 2.0]);
    assert!(roles.time.columns.is_empty() && roles.warnings.is_empty());
    let (_, roles) = csv("t,x\n0,3\n1,1\n2,2\n,4\n").read().unwrap();
    assert!(
        roles.warnings[0].contains("column t has no time in row 4"),
        "{roles}"
    );
}

#[test]
fn a_chain_of_labels_is_in_order_and_does_not_run_across_a_seam() {
    let file = csv("day,sky\n3,sun\n2,rain\n1,cloud\n");
    let selection = RoleSelection {
        time: Some("day".to_owned()),
        ..RoleSelection::default()
    };
    let (runs, _) = read_labels(&file.path, "sky", &selection).unwrap();
    assert_eq!(runs[0].labels, ["cloud", "rain", "sun"]);
    let file = csv("city,date,sky\na,1,sun\na,2,rain\nb,1,sun\nb,2,sun\n");
    let (runs, _) = read_labels(&file.path, "sky", &RoleSelection::default()).unwrap();
    assert_eq!(runs.len(), 2);
    assert_eq!(runs[1].labels, ["sun", "sun"]);
}

#[test]
fn a_log_resumed_at_an_earlier_step_is_replaced_from_there() {
    let selection = RoleSelection {
        state: vec!["loss".to_owned()],
        ..RoleSelection::default()
    };
    let file = csv("step,loss\n0,9\n1,8\n2,7\n3,6\n2,5\n3,4\n4,3\n");
    let (runs, roles) = read_runs(&file.path, &selection).unwrap();
    assert_eq!(runs[0].values, [9.0, 8.0, 5.0, 4.0, 3.0]);
    assert_eq!(
        roles.notes,
        [
            "step goes back in row 5: the log was taken up again, and its rows replace 2 written \
             before"
        ]
    );
    let (runs, _) = read_runs(&csv("step,loss\n0,9\n1,8\n0,7\n1,6\n").path, &selection).unwrap();
    assert_eq!(runs.len(), 2);
    // A row that logs another metric of the step is no duplicate.
    let file = csv("step,loss,val\n0,9,\n0,,1\n1,8,\n1,,1\n");
    let (runs, _) = read_runs(&file.path, &selection).unwrap();
    assert_eq!(runs[0].values, [9.0, 8.0]);
    let file = csv("step,loss\n0,9\n1,8\n1,7\n");
    assert!(
        file.refusal_of(read_runs(&file.path, &selection))
            .contains("rows 2 and 3 have the same step")
    );
}

#[test]
fn plans_are_in_the_order_of_their_time() {
    let names = ["u".to_owned()];
    let file = csv("t,u\n2,3\n1,2\n0,1\n");
    let plan = read_future_actions(&file.path, &names, None, None).unwrap();
    assert_eq!(plan.actions.column(0).to_vec(), [1.0, 2.0, 3.0]);
    assert!(plan.notes[0].contains("newest first"));
    let file = csv("t,u\n0,3\n1,2\n0,1\n1,1\n");
    assert_eq!(
        file.refusal_of(read_future_actions(&file.path, &names, None, None)),
        "run.csv: holds 2 runs, the second from row 3; keep the actions of one"
    );
}

#[test]
fn arrays_and_parquet_are_put_in_order_too() {
    let file = Scratch::new(
        "run.npz",
        npz(&[
            ("t", floats(&[4], &[3.0, 2.0, 1.0, 0.0])),
            ("obs", floats(&[4, 1], &[4.0, 3.0, 2.0, 1.0])),
        ]),
    );
    assert_eq!(column(&file.read().unwrap().0, 0), [1.0, 2.0, 3.0, 4.0]);
    let path = file.sibling("run.parquet");
    let columns = [
        ("item_id", Cells::Texts(vec!["a", "b", "a", "b"])),
        (
            "ds",
            Cells::Texts(vec!["2024-01-02", "2024-01-02", "2024-01-01", "2024-01-01"]),
        ),
        ("y", Cells::Doubles([4.0, 3.0, 2.0, 1.0].map(Some).to_vec())),
    ];
    parquet(&path, codecs()[0], 3, &columns);
    let (recording, roles) = read_guessing(&path).unwrap();
    assert_eq!(names(&recording), ["a", "b"]);
    assert_eq!(column(&recording, 0), [2.0, 4.0]);
    assert_eq!(column(&recording, 1), [1.0, 3.0]);
    assert_eq!(roles.time.columns, ["ds"]);
}

/// Fault: a row repeated later was an episode of its own, and `--duplicates` did nothing.
#[test]
fn rows_repeated_later_are_duplicates() {
    for dated in [true, false] {
        let numbers: Vec<usize> = (0..20).chain([15]).chain(20..30).collect();
        let time = |at: usize| match dated {
            true => format!("2024-03-{:02}", at + 1),
            false => format!("{:.2}", 0.05 * at as f64),
        };
        let file = lines("time,x", numbers.len(), |i| {
            format!("{},{}", time(numbers[i]), i * i)
        });
        let refusal = file.refusal();
        assert!(
            refusal.contains("rows 16 and 21 have the same time"),
            "{refusal}"
        );
        let read = |duplicates| read(&file.path, &with(duplicates), MissingPolicy::Error).unwrap();
        let (last, _) = read(Duplicates::Last);
        assert_eq!(lengths(&last), [30]);
        assert_eq!(column(&last, 0)[15], 400.0);
        assert_eq!(column(&read(Duplicates::Mean).0, 0)[15], 312.5);
    }
}

/// Fault: years, months and hours in columns of their own were states, and the order was that of the file.
#[test]
fn columns_make_one_time_together() {
    let file = lines("year,month,passengers", 24, |i| {
        let i = 23 - i;
        let name = [
            "Jan", "February", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ][i % 12];
        format!("{},{name},{}", 1949 + i / 12, i * i)
    });
    let (recording, roles) = file.read().unwrap();
    assert_eq!(roles.time.columns, ["year", "month"]);
    assert_eq!(recording.state_names(), ["passengers"]);
    assert_eq!(column(&recording, 0)[23], 529.0);
    let hourly = |i: usize| format!("2023,12,{},{},{}", 30 + i / 24, i % 24, i * i);
    let file = lines("year,month,day,hour,pm", 48, hourly);
    let (recording, roles) = file.read().unwrap();
    assert_eq!(roles.time.columns, ["year", "month", "day", "hour"]);
    assert!(roles.warnings.is_empty(), "{roles}");
    assert_eq!(lengths(&recording), [48]);
    let file = lines("Date,Time,x", 48, |i| {
        format!("{}/12/2006,{:02}:00:00,{}", 16 + i / 24, i % 24, i * i)
    });
    let (_, roles) = file.read().unwrap();
    assert_eq!(roles.time.columns, ["Date", "Time"], "{roles}");
    let file = lines("dteday,hr,x", 48, |i| {
        format!("2011-01-{:02},{},{}", 1 + i / 24, i % 24, i * i)
    });
    let (recording, roles) = file.read().unwrap();
    assert_eq!(roles.time.columns, ["dteday", "hr"], "{roles}");
    assert_eq!(recording.state_names(), ["x"]);
    // An hour that no time needs is a quantity.
    let file = lines("date,x,hour", 12, |i| {
        format!("2011-01-{:02},{},{}", 1 + i, i * i, i * 7 % 24)
    });
    assert_eq!(file.read().unwrap().0.state_names(), ["x", "hour"]);
}

/// Fault: the warning did not say what could not be read.
#[test]
fn a_time_that_cannot_be_read_is_shown() {
    let file = csv("time,x\n2024-01-01,1\n2024-01-02,2\nsome day,3\n2024-01-04,4\n");
    let (_, roles) = file.read().unwrap();
    assert!(
        roles.warnings[0].contains("column time holds \"some day\" in row 3"),
        "{roles}"
    );
    let chosen = RoleSelection {
        time: Some("time".to_owned()),
        ..RoleSelection::default()
    };
    let refusal = file.refusal_of(read(&file.path, &chosen, MissingPolicy::Error));
    assert!(
        refusal.contains("row 3, column time holds \"some day\""),
        "{refusal}"
    );
}

/// Fault: which of day and month came first was not said where it was a choice.
#[test]
fn a_choice_between_day_and_month_is_said_first() {
    let file = csv("date,x\n05/01/2024,1\n05/02/2024,2\n05/03/2024,4\n05/04/2024,3\n");
    let (_, roles) = file.read().unwrap();
    assert!(roles.notes[0].contains("have two readings"), "{roles}");
    let file = csv("date,x\n12/01/2024,1\n13/01/2024,2\n14/01/2024,4\n");
    assert!(file.read().unwrap().1.notes.is_empty());
}
