//! Headers of common recorders and loggers, and what their columns are.

use super::*;

/// Roles by a letter: s state, a action, r reward, e episode, t time, d terminated, n truncated,
/// b restart, l log probability; `-` for what is left out.
fn letters(header: &str, line: impl Fn(usize) -> String) -> String {
    let lines: Vec<String> = (0..12).map(line).collect();
    let selection = RoleSelection {
        transitions: true,
        ..RoleSelection::default()
    };
    let file = csv(&format!("{header}\n{}\n", lines.join("\n")));
    let (_, roles) = read(&file.path, &selection, MissingPolicy::Error)
        .unwrap_or_else(|fault| panic!("{header}: {fault}"));
    let of = [
        ('s', &roles.state),
        ('a', &roles.action),
        ('r', &roles.reward),
        ('e', &roles.episode),
        ('t', &roles.time),
        ('d', &roles.terminated),
        ('n', &roles.truncated),
        ('b', &roles.restart),
        ('l', &roles.log_probability),
    ];
    let letter = |name: &str| {
        let role = of
            .iter()
            .find(|(_, role)| role.columns.iter().any(|c| c == name));
        role.map_or('-', |(letter, _)| *letter)
    };
    header.split(',').map(letter).collect()
}

#[test]
fn columns_of_the_usual_loggers_are_known() {
    let cases = [
        // RLlib's sample batches.
        (
            "obs,actions,rewards,dones,eps_id,agent_index,t,unroll_id,infos,vf_preds,action_logp,\
             action_dist_inputs,advantages,value_targets",
            "sarde-t---l---",
        ),
        // Monitor files of Stable-Baselines3: an episode a row.
        ("r,l,t", "sst"),
        // Columns of d3rlpy and D4RL.
        ("observations,actions,rewards,terminals,timeouts", "sardn"),
        (
            "observations,actions,rewards,terminals,episode_terminals",
            "sardn",
        ),
        // LeRobot.
        (
            "episode_index,frame_index,timestamp,index,task_index,next.done,next.reward,\
             observation.state,action",
            "e-t--drsa",
        ),
        // Minari.
        (
            "id,observations,actions,rewards,terminations,truncations,infos",
            "-sardn-",
        ),
        // Gymnasium by hand.
        ("t,obs_x,act_u,rew,done,action_mask,action_prob", "tsard--"),
        ("t,obs_x,acts,rews,dones,action_dist,log_prob", "tsard-l"),
        // Exports of Weights & Biases, TensorBoard, Lightning, Keras, Stable-Baselines3.
        ("_step,_runtime,_timestamp,loss", "--ts"),
        ("Wall time,Step,Value", "t-s"),
        ("epoch,step,train_loss", "-ts"),
        ("epoch,loss", "ts"),
        ("time/total_timesteps,rollout/ep_rew_mean", "ts"),
        ("Step,a - loss,a - loss__MIN,a - loss__MAX", "ts--"),
        // Control and measurement.
        ("Time [s],x,u", "tsa"),
        ("time_s,throttle,tau,cmd,ctrl,speed", "taaaas"),
        ("unix,level", "ts"),
        ("timestamp_ms,level", "ts"),
        ("Unnamed: 0,level", "ts"),
        ("frame_index,level", "ts"),
        ("seq,level", "ts"),
        // Tables of series.
        ("item_id,timestamp,target", "ets"),
        ("unique_id,ds,y", "ets"),
    ];
    for (header, expected) in cases {
        let line = |row: usize| {
            let cells = header.split(',').map(|name| match name {
                "eps_id" | "episode_index" | "item_id" | "unique_id" | "agent_index" => {
                    "7".to_owned()
                }
                "dones" | "done" | "next.done" | "terminals" | "timeouts" | "truncations"
                | "terminations" | "episode_terminals" | "task_index" => "0".to_owned(),
                "infos" => "{}".to_owned(),
                "t" | "step" | "Step" | "_step" | "index" | "frame_index" | "seq" | "id" => {
                    row.to_string()
                }
                name => (row * row + name.len()).to_string(),
            });
            cells.collect::<Vec<_>>().join(",")
        };
        assert_eq!(letters(header, line), expected, "{header}");
    }
}

#[test]
fn the_first_line_of_a_monitor_file_is_skipped() {
    let text = "#{\"t_start\": 1700000000.5, \"env_id\": \"Pendulum-v1\"}\nr,l,t\n-900.5,200,1.1\n-850,200,2.3\n-700,200,3.2\n";
    let (recording, roles) = csv(text).read().unwrap();
    assert_eq!(recording.state_names(), ["r", "l"]);
    assert_eq!(roles.time.columns, ["t"]);
}

/// Fault: without a byte order mark a line `sep=;` was the header.
#[test]
fn the_line_that_names_the_delimiter_is_none_of_the_table() {
    for (line, delimiter, end) in [
        ("sep=;", ";", "\n"),
        ("\u{feff}sep=;", ";", "\n"),
        ("\"sep=;\"", ";", "\n"),
        ("SEP=;", ";", "\r\n"),
        ("sep=,", ",", "\n"),
        ("sep=\t", "\t", "\r\n"),
    ] {
        for others in [["x", "0.5", "0.7"], ["x;y", "0.5;3", "0.7;4"]] {
            let lines = [line, "t;", "0;", "1;"].map(str::to_owned);
            let mut text = lines[0].clone() + end;
            for (start, rest) in lines[1..].iter().zip(others) {
                text += &format!("{start}{rest}").replace(';', delimiter);
                text += end;
            }
            let (recording, roles) = csv(&text).read().unwrap();
            assert_eq!(recording.state_names()[0], "x", "{text:?}: {roles}");
            assert_eq!(states(&recording, 0)[1][0], 0.7, "{text:?}");
            assert_eq!(roles.time.columns, ["t"]);
        }
    }
}

/// Fault: names that are numbers were a row, and a row with a word was the header.
#[test]
fn first_lines_are_told_by_the_rows_below() {
    for (text, names, rows) in [
        (
            ",400001,400017\n2024-01-01,0.5,1\n2024-01-02,0.7,3\n",
            "400001 400017",
            2,
        ),
        (",0,1\n0,0.5,1\n1,0.7,3\n", "0 1", 2),
        ("0,1\n0.5,1\n0.7,3\n", "0 1", 2),
        ("AAPL,2024-01-01,0.5\nAAPL,2024-01-02,0.7\n", "c2", 2),
        (
            "U,20240130,TMAX,5\nU,20240131,TMAX,7\nU,20240201,TMAX,6\n",
            "c3",
            3,
        ),
        ("0.5,1.5,a\n0.7,1.25,b\n0.25,1.75,a\n", "c0 c1", 3),
        (
            "  0.000  1.0000D+02\n  0.100  9.9000D+01\n  0.200  9.7000D+01\n",
            "c0 c1",
            3,
        ),
    ] {
        let (recording, roles) = csv(text).read().unwrap();
        assert_eq!(recording.state_names().join(" "), names, "{text}: {roles}");
        assert_eq!(recording.rows(), rows, "{text}");
    }
}

/// Fault: the units in the second comment were the names, and two of them are alike.
#[test]
fn names_in_a_comment_stand_above_their_units() {
    let row = |i: usize| {
        let wave = if i == 3 {
            "  MM".to_owned()
        } else {
            format!("{:4.1}", 1.0 + 0.1 * i as f64)
        };
        let (day, hour) = (1 + i / 24, i % 24);
        format!(
            "2024 05 {day:02} {hour:02} 50 {:3}  {:.1} {wave}   MM",
            200 + i * i % 7,
            5.0 + 0.3 * (i * i % 5) as f64
        )
    };
    let rows: Vec<String> = (0..30).rev().map(row).collect();
    let names = "#YY  MM DD hh mm WDIR WSPD WVHT MWD";
    let units = "#yr  mo dy hr mn degT m/s    m degT";
    let file = csv(&format!("{names}\n{units}\n{}\n", rows.join("\n")));
    let (recording, roles) =
        read(&file.path, &RoleSelection::default(), MissingPolicy::Hold).unwrap();
    assert_eq!(recording.state_names(), ["WDIR", "WSPD", "WVHT"]);
    assert_eq!(roles.time.columns, ["YY", "MM", "DD", "hh", "mm"]);
    let found = states(&recording, 0);
    assert_eq!((found[0][2], found[2][2], found[3][2]), (1.0, 1.2, 1.2));
    assert_eq!(roles.held, 1);
    let refusal = file.refusal();
    assert!(
        refusal.contains("column WVHT is \"MM\" (missing)"),
        "{refusal}"
    );
    // A sentence above the names has other words.
    let (recording, _) = csv("# made by hand\n# t x v\n0 1 2\n1 3 5\n")
        .read()
        .unwrap();
    assert_eq!(recording.state_names(), ["x", "v"]);
}

#[test]
fn years_of_two_digits_and_quantities_called_mm() {
    let rows: Vec<String> = (0..12)
        .map(|i| format!("98,{},{},{}", 1 + i / 6, 1 + i % 6, i * i))
        .collect();
    let (recording, roles) = csv(&format!("YY,MM,DD,x\n{}\n", rows.join("\n")))
        .read()
        .unwrap();
    assert_eq!(recording.state_names(), ["x"]);
    assert_eq!(roles.time.columns, ["YY", "MM", "DD"]);
    let times = recording.episodes()[0].times().unwrap();
    assert!(format!("{times:?}").contains("1998"), "{times:?}");
    let rows: Vec<String> = (0..12)
        .map(|i| format!("2024,1,{},{}", 1 + i, i * i))
        .collect();
    let (recording, _) = csv(&format!("year,month,day,mm\n{}\n", rows.join("\n")))
        .read()
        .unwrap();
    assert_eq!(recording.state_names(), ["mm"]);
}

/// Fault: a column that held nothing but the number for a missing value could not be held.
#[test]
fn columns_of_missing_values_alone_are_left_out() {
    let rows: Vec<String> = (0..12)
        .map(|i| format!("{i},{},99.0,{}", i * i, if i == 5 { 99 } else { i % 3 }))
        .collect();
    let file = csv(&format!("t,x,DPD,WVHT\n{}\n", rows.join("\n")));
    let selection = RoleSelection {
        missing_values: vec![99.0],
        ..RoleSelection::default()
    };
    let (recording, roles) = read(&file.path, &selection, MissingPolicy::Hold).unwrap();
    assert_eq!(recording.state_names(), ["x", "WVHT"]);
    assert_eq!(states(&recording, 0)[5], [25.0, 1.0]);
    assert!(
        roles.to_string().contains("DPD is missing in all rows"),
        "{roles}"
    );
}
