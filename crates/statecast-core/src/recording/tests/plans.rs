//! Which rows of a plan are those of the steps ahead.

use super::super::{FutureActions, read_future_actions};
use super::*;

/// A recording of 20 rows and a plan of some rows, by their times.
fn files(times: impl Fn(usize) -> String, plan: &[usize]) -> (Recording, FutureActions) {
    let rows = (0..20).map(|i| format!("{},{},{}\n", times(i), i * i, i % 3));
    let recording = csv(&format!("time,obs_x,act_u\n{}", rows.collect::<String>()));
    let rows = plan.iter().map(|&i| format!("{},{i}\n", times(i)));
    let plan = csv(&format!("time,act_u\n{}", rows.collect::<String>()));
    let actions = read_future_actions(&plan.path, &["act_u".to_owned()], None, None).unwrap();
    (recording.read().unwrap().0, actions)
}

fn ahead(
    times: impl Fn(usize) -> String,
    plan: &[usize],
    end: usize,
) -> Result<(Vec<f64>, Option<String>), String> {
    let (recording, plan) = files(times, plan);
    let steps = plan.ahead(&recording.episodes()[0], end, 3);
    let steps = steps.map_err(|fault| fault.to_string())?;
    Ok((steps.actions.column(0).to_vec(), steps.note))
}

/// Fault: the first row of a plan was taken for the first step whatever its time was.
#[test]
fn rows_of_a_plan_are_those_of_the_times_ahead() {
    let clocks: [fn(usize) -> String; 4] = [
        |i| format!("{:.2}", 0.05 * i as f64),
        |i| format!("2024-03-{:02}", i + 1),
        |i| format!("{}-{:02}-01", 2020 + i / 12, i % 12 + 1),
        |i| format!("2024-03-01 {:02}:00:00", i),
    ];
    for (clock, missing) in
        clocks
            .into_iter()
            .zip(["1", "2024-03-21", "2021-09-01", "2024-03-01 20:00:00"])
    {
        let range = |rows: std::ops::Range<usize>| rows.collect::<Vec<usize>>();
        let next = ahead(clock, &range(20..23), 20).unwrap();
        assert_eq!(next, (vec![20.0, 21.0, 22.0], None));
        let (early, note) = ahead(clock, &range(15..23), 20).unwrap();
        assert_eq!(early, [20.0, 21.0, 22.0]);
        assert!(note.unwrap().starts_with("5 row(s) up to time "));
        // With rows held back the times are those of the rows.
        assert_eq!(
            ahead(clock, &range(15..23), 17).unwrap().0,
            [17.0, 18.0, 19.0]
        );
        let late = ahead(clock, &range(21..24), 20).unwrap_err();
        assert!(
            late.contains(&format!("no action for time {missing}; row 1 is of")),
            "{late}"
        );
        let skips = ahead(clock, &[18, 19, 20, 22, 23], 20).unwrap_err();
        assert!(skips.contains("; row 4 is of "), "{skips}");
        let short = ahead(clock, &range(15..22), 20).unwrap_err();
        assert!(
            short.contains("2 rows of actions after the context for a horizon of 3"),
            "{short}"
        );
    }
}

#[test]
fn plans_of_another_clock_are_taken_as_they_come() {
    let (recording, _) = files(|i| i.to_string(), &[0]);
    let plan = csv("step,act_u\n0,7\n1,8\n2,9\n");
    let plan = read_future_actions(&plan.path, &["act_u".to_owned()], None, None).unwrap();
    let steps = plan.ahead(&recording.episodes()[0], 20, 3).unwrap();
    assert_eq!(steps.actions.column(0).to_vec(), [7.0, 8.0, 9.0]);
    assert!(
        steps
            .note
            .unwrap()
            .contains("(step) are not those of the recording (time)")
    );
}

fn days_ahead(plan: &str) -> Result<Vec<f64>, String> {
    // From Monday, the fourth of March, without weekends.
    let day = |i: usize| 4 + i + 2 * (i / 5);
    let rows = (0..15).map(|i| format!("2024-03-{:02},{i},{}\n", day(i), i % 3));
    let recording = csv(&format!("time,obs_x,act_u\n{}", rows.collect::<String>()));
    let plan = csv(&format!("time,act_u\n{plan}"));
    let plan = read_future_actions(&plan.path, &["act_u".to_owned()], None, None).unwrap();
    let (recording, _) = recording.read().unwrap();
    let steps = plan.ahead(&recording.episodes()[0], 15, 2);
    let steps = steps.map_err(|fault| fault.to_string())?;
    Ok(steps.actions.column(0).to_vec())
}

/// Faults: a plan of another pace was read row by row, and Saturday's action was Monday's.
#[test]
fn rows_of_other_times_are_left_out() {
    let daily: String = (22..28)
        .map(|day| format!("2024-03-{day},{day}\n"))
        .collect();
    assert_eq!(days_ahead(&daily).unwrap(), [25.0, 26.0]);
    let twice: String = (22..28)
        .map(|day| format!("2024-03-{day} 00:00,{day}\n2024-03-{day} 12:00,0\n"))
        .collect();
    assert_eq!(days_ahead(&twice).unwrap(), [25.0, 26.0]);
    // Half a step off is no time of a step.
    let noons: String = (22..28)
        .map(|day| format!("2024-03-{day} 12:00,{day}\n"))
        .collect();
    let refusal = days_ahead(&noons).unwrap_err();
    assert!(
        refusal.contains("no action for time 2024-03-25"),
        "{refusal}"
    );
}

/// Fault: of a plan of the first of each month, February's action was that of January's last day.
#[test]
fn months_are_matched_by_their_number() {
    let months = ["2023-10-31", "2023-11-30", "2023-12-31"];
    let rows: String = months
        .iter()
        .map(|month| format!("{month},1,0\n"))
        .collect();
    let recording = csv(&format!("time,obs_x,act_u\n{rows}"));
    let plan = csv("time,act_u\n2023-12-01,12\n2024-01-01,1\n2024-02-01,2\n");
    let plan = read_future_actions(&plan.path, &["act_u".to_owned()], None, None).unwrap();
    let (recording, _) = recording.read().unwrap();
    let steps = plan.ahead(&recording.episodes()[0], 3, 2).unwrap();
    assert_eq!(steps.actions.column(0).to_vec(), [1.0, 2.0]);
}
