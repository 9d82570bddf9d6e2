//! Which column is what.

use super::written::{floats, npz};
use super::*;

fn chosen(state: &[&str]) -> RoleSelection {
    RoleSelection {
        state: state.iter().map(|&name| name.to_owned()).collect(),
        ..RoleSelection::default()
    }
}

fn read_choosing(
    file: &Scratch,
    selection: &RoleSelection,
) -> Result<(Recording, Roles), RecordingError> {
    read(&file.path, selection, MissingPolicy::Error)
}

const CONTROL: &str = "\
episode,t,obs_x,obs_v,act_u,reward,next_x,next_v,terminated,truncated,seed,x_position
0,0,1,2,3,4,5,6,0,0,7,8
0,1,9,10,11,12,13,14,1,0,15,16
";

#[test]
fn control_recordings_are_understood_by_their_names() {
    let (recording, roles) = csv(CONTROL).read().unwrap();
    assert_eq!(recording.state_names(), ["obs_x", "obs_v"]);
    assert_eq!(recording.action_names(), ["act_u"]);
    assert_eq!(recording.reward_name(), Some("reward"));
    let episode = &recording.episodes()[0];
    assert_eq!(episode.name(), "0");
    assert_eq!(episode.actions(), ndarray::array![[3.0], [11.0]]);
    assert_eq!(episode.rewards().unwrap(), &ndarray::array![4.0, 12.0]);
    assert_eq!(episode.terminated(), [false, true]);
    assert_eq!(episode.truncated(), [false, false]);
    assert_eq!(
        roles.to_string(),
        "state: obs_x, obs_v (guessed)\n\
         action: act_u (guessed); reward: reward (guessed); episode: episode (guessed); \
         time: t (guessed); terminated: terminated (guessed); truncated: truncated (guessed)\n\
         ignored: next_x, next_v (next state); seed (bookkeeping); \
         x_position (not named like a state)"
    );
}

#[test]
fn without_conventions_numbers_are_states_and_times_are_not() {
    let file = csv("Date,step,name,north,south\n1749-01,0,a,1,2\n1749-02,1,b,3,4\n");
    let (recording, roles) = file.read().unwrap();
    assert_eq!(recording.state_names(), ["north", "south"]);
    assert_eq!(
        roles.to_string(),
        "state: north, south (guessed)\ntime: Date (guessed)\n\
         ignored: step (time or index); name (text)"
    );
}

/// Fault: `steps` or `index` beside a date was no series.
#[test]
fn the_only_number_beside_a_date_is_the_series() {
    for name in ["steps", "hr", "index"] {
        let file = csv(&format!(
            "date,{name}\n2024-01-01,60\n2024-01-02,67\n2024-01-03,61\n"
        ));
        let (recording, roles) = file.read().unwrap();
        assert_eq!(recording.state_names(), [name]);
        assert_eq!(roles.time.columns, ["date"], "{name}");
    }
}

/// Fault: runs of several seeds that number their episodes alike were refused.
#[test]
fn seeds_tell_episodes_of_one_number_apart() {
    let file = csv(
        "seed,episode,obs_0,action\n0,0,1,1\n0,0,2,1\n0,1,3,1\n0,1,4,1\n1,0,5,1\n1,0,6,1\n1,1,7,1\n1,1,8,1\n",
    );
    let (recording, roles) = file.read().unwrap();
    assert_eq!(lengths(&recording), [2, 2, 2, 2]);
    assert_eq!(roles.episode.columns, ["episode", "seed"]);
}

#[test]
fn a_row_number_without_a_name_is_no_state() {
    let (recording, roles) = csv(",level\n0,5\n1,6\n").read().unwrap();
    assert_eq!(recording.state_names(), ["level"]);
    assert_eq!(roles.time.columns, ["c0"]);
}

#[test]
fn names_and_globs_choose_columns_in_the_order_given() {
    let file = csv(CONTROL);
    let (recording, roles) = read_choosing(&file, &chosen(&["next_v", "obs_*", "obs_x"])).unwrap();
    assert_eq!(recording.state_names(), ["next_v", "obs_x", "obs_v"]);
    assert!(!roles.state.guessed);
    assert!(roles.action.guessed);
    assert!(
        roles
            .to_string()
            .starts_with("state: next_v, obs_x, obs_v\n")
    );
}

#[test]
fn a_chosen_column_is_not_guessed_for_anything_else() {
    let (recording, roles) = read_choosing(&csv(CONTROL), &chosen(&["obs_x", "reward"])).unwrap();
    assert_eq!(recording.state_names(), ["obs_x", "reward"]);
    assert_eq!(recording.reward_name(), None);
    assert!(roles.reward.columns.is_empty());
}

#[test]
fn a_name_with_glob_characters_is_a_name_first() {
    let file = csv("x[0],x[1],x0\n1,2,3\n");
    let (recording, _) = read_choosing(&file, &chosen(&["x[1]"])).unwrap();
    assert_eq!(recording.state_names(), ["x[1]"]);
    let (recording, _) = read_choosing(&file, &chosen(&["x[0-9]"])).unwrap();
    assert_eq!(recording.state_names(), ["x0"]);
}

#[test]
fn array_names_and_column_names_both_choose() {
    let file = Scratch::new(
        "run.npz",
        npz(&[
            ("pose", floats(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])),
            ("speed", floats(&[2], &[7.0, 8.0])),
        ]),
    );
    let (recording, _) = read_choosing(&file, &chosen(&["pose"])).unwrap();
    assert_eq!(recording.state_names(), ["pose_0", "pose_1", "pose_2"]);
    let (recording, _) = read_choosing(&file, &chosen(&["speed", "pose_[12]"])).unwrap();
    assert_eq!(recording.state_names(), ["speed", "pose_1", "pose_2"]);
    assert_eq!(states(&recording, 0), [[7.0, 2.0, 3.0], [8.0, 5.0, 6.0]]);
}

#[test]
fn long_lists_are_shortened() {
    let header: Vec<String> = (0..20).map(|i| format!("obs_{i}")).collect();
    let file = csv(&format!("{}\n{}\n", header.join(","), ["1"; 20].join(",")));
    let (_, roles) = file.read().unwrap();
    assert_eq!(
        roles.to_string(),
        "state: obs_0, obs_1, obs_2, … obs_19 [20] (guessed)"
    );
}

#[test]
fn a_glob_without_a_match_lists_the_columns() {
    let file = csv("a,b\n1,2\n");
    let refusal = file.refusal_of(read_choosing(&file, &chosen(&["obs_*"])));
    assert_eq!(
        refusal,
        "run.csv: no column fits \"obs_*\" for state; the file has a, b"
    );
}

#[test]
fn a_malformed_glob_is_refused() {
    let file = csv("a,b\n1,2\n");
    let refusal = file.refusal_of(read_choosing(&file, &chosen(&["a["])));
    assert!(
        refusal.contains("\"a[\" is neither a column nor a glob"),
        "{refusal}"
    );
}

#[test]
fn a_column_has_one_role() {
    let file = csv(CONTROL);
    let selection = RoleSelection {
        reward: Some("obs_x".to_owned()),
        ..chosen(&["obs_*"])
    };
    assert_eq!(
        file.refusal_of(read_choosing(&file, &selection)),
        "run.csv: column obs_x is chosen as state and as reward; choose one"
    );
}

#[test]
fn the_reward_is_one_column() {
    let file = csv(CONTROL);
    let selection = RoleSelection {
        reward: Some("next_*".to_owned()),
        ..RoleSelection::default()
    };
    assert_eq!(
        file.refusal_of(read_choosing(&file, &selection)),
        "run.csv: \"next_*\" fits next_x, next_v but reward is one column; choose one"
    );
}

#[test]
fn two_used_columns_cannot_share_a_name() {
    let file = csv("x,x,y\n1,2,3\n");
    assert_eq!(
        file.refusal(),
        "run.csv: two columns are called x; rename one"
    );
    let (recording, _) = read_choosing(&file, &chosen(&["y"])).unwrap();
    assert_eq!(recording.state_names(), ["y"]);
}

#[test]
fn the_usual_flag_name_wins_over_its_synonym() {
    let (recording, roles) = csv("obs_x,done,terminated\n1,1,0\n2,1,1\n").read().unwrap();
    assert_eq!(roles.terminated.columns, ["terminated"]);
    // The other one says where an episode was cut off, too.
    assert_eq!(roles.truncated.columns, ["done"]);
    let [cut, ended] = recording.episodes() else {
        panic!("{roles}");
    };
    assert_eq!(
        (cut.terminated(), cut.truncated()),
        (&[false][..], &[true][..])
    );
    assert_eq!(
        (ended.terminated(), ended.truncated()),
        (&[true][..], &[false][..])
    );
}

#[test]
fn what_only_policies_need_is_read_when_asked_for() {
    let file = csv("episode,obs_x,act_u,logp,reward,next_x,terminated\n\
         0,1,0,-0.5,1,2,0\n0,2,0,-0.25,1,3,1\n1,5,0,-1,1,6,0\n");
    let (plain, roles) = read_choosing(&file, &RoleSelection::default()).unwrap();
    assert_eq!(plain.episodes()[0].final_state(), None);
    assert_eq!(plain.episodes()[0].log_probabilities(), None);
    assert!(roles.to_string().contains("next_x (next state)"), "{roles}");
    let selection = RoleSelection {
        transitions: true,
        ..RoleSelection::default()
    };
    let (asked, roles) = read_choosing(&file, &selection).unwrap();
    let [first, second] = asked.episodes() else {
        panic!("two episodes")
    };
    assert_eq!(first.final_state().unwrap()[0], 3.0);
    assert_eq!(second.final_state().unwrap()[0], 6.0);
    assert_eq!(first.log_probabilities().unwrap()[1], -0.25);
    assert_eq!(roles.next_state.columns, ["next_x"]);
}

#[test]
fn states_without_all_their_successors_have_no_final_state() {
    let file = csv("obs_x,obs_v,next_x\n1,0,2\n2,0,3\n");
    let selection = RoleSelection {
        transitions: true,
        ..RoleSelection::default()
    };
    let (recording, roles) = read_choosing(&file, &selection).unwrap();
    assert_eq!(recording.episodes()[0].final_state(), None);
    assert!(roles.next_state.columns.is_empty());
}
