//! What each format accepts, and that all of them say the same.

use ndarray::array;
use proptest::prelude::*;
use zip::CompressionMethod;

use super::super::read_future_actions;
use super::written::{Cells, codecs, floats, npy, npz, npz_with, parquet};
use super::*;

#[test]
fn delimiters_are_found() {
    for text in [
        "x,y\n1.5,2\n3,4\n",
        "x;y\n1.5;2\n3;4\n",
        "x\ty\n1.5\t2\n3\t4\n",
        "x y\n1.5 2\n3 4\n",
        "x;y\n1,5;2,0\n3,0;4,0\n",
        "x , y\n 1.5 , 2\n 3 , 4\n",
        "\"x\",\"y\"\n\"1.5\",\"2\"\n\"3\",\"4\"\n",
        "\u{feff}x,y\r\n1.5,2\r\n3,4\r\n",
        "x,y\r1.5,2\r3,4\r",
        "# made by hand, today; twice\n#\n\nx,y\n1.5,2\n\n3,4\n\n",
        "x,y\n1.5,2\n3,4",
        "x,y\n+1.5e0,2\n3,4.\n",
    ] {
        let (recording, _) = csv(text).read().unwrap_or_else(|e| panic!("{text:?}: {e}"));
        assert_eq!(recording.state_names(), ["x", "y"], "{text:?}");
        assert_eq!(states(&recording, 0), [[1.5, 2.0], [3.0, 4.0]], "{text:?}");
    }
}

#[test]
fn a_delimiter_inside_quotes_or_units_does_not_mislead() {
    let (recording, _) = csv("\"x, m\";\"y, m\"\n1,5;2,5\n").read().unwrap();
    assert_eq!(recording.state_names(), ["x, m", "y, m"]);
    let (recording, _) = csv("x, m;y, m\n1,5;2,5\n").read().unwrap();
    assert_eq!(recording.state_names(), ["x, m", "y, m"]);
    assert_eq!(states(&recording, 0), [[1.5, 2.5]]);
}

#[test]
fn truth_words_are_numbers() {
    let (recording, _) = csv("obs_on,done\nTrue,false\nFALSE,true\n").read().unwrap();
    assert_eq!(states(&recording, 0), [[1.0], [0.0]]);
    assert_eq!(recording.episodes()[0].terminated(), [false, true]);
}

#[test]
fn columns_that_are_empty_are_ignored_and_trailing_commas_are_not_columns() {
    let (recording, roles) = csv("x,note,\n1,,\n2,,\n").read().unwrap();
    assert_eq!(recording.state_names(), ["x"]);
    assert_eq!(
        roles.to_string(),
        "state: x (guessed)\nignored: note (empty)"
    );
}

#[test]
fn labels_name_the_episodes() {
    let (recording, _) = csv("episode,x\n0.0,1\n0.0,2\nb,3\n").read().unwrap();
    assert_eq!(names(&recording), ["0", "b"]);
    assert_eq!(lengths(&recording), [2, 1]);
}

#[test]
fn flags_split_where_no_label_does() {
    let text = "obs_x,terminated,truncated\n1,0,0\n2,1,0\n3,0,1\n4,0,0\n";
    let (recording, _) = csv(text).read().unwrap();
    assert_eq!(names(&recording), ["0", "1", "2"]);
    assert_eq!(lengths(&recording), [2, 1, 1]);
    let (recording, _) = csv("x,restart\n1,1\n2,0\n3,1\n").read().unwrap();
    assert_eq!(lengths(&recording), [2, 1]);
}

#[test]
fn flags_that_disagree_with_the_labels_are_noted() {
    let (recording, roles) = csv("episode,obs_x,done\n0,1,1\n0,2,0\n1,3,0\n")
        .read()
        .unwrap();
    assert_eq!(lengths(&recording), [2, 1]);
    assert_eq!(
        roles.notes,
        ["row 2 would start an episode by its flags, but the episodes follow column episode"]
    );
}

#[test]
fn missing_cells_can_be_held_within_an_episode() {
    let file = csv("episode,x,y\n0,1,\n0,,5\n1,inf,6\n");
    let hold = |text: &str| {
        let file = csv(text);
        read(&file.path, &RoleSelection::default(), MissingPolicy::Hold)
    };
    let (recording, _) = hold("episode,x\n0,1\n0,\n,NaN\n1,7\n").unwrap();
    assert_eq!(states(&recording, 0), [[1.0], [1.0], [1.0]]);
    assert_eq!(names(&recording), ["0", "1"]);
    let result = read(&file.path, &RoleSelection::default(), MissingPolicy::Hold);
    assert_eq!(
        file.refusal_of(result),
        "run.csv: row 1, column y is NaN or missing and starts its episode, \
         so there is no value to hold; remove the row"
    );
    let file = csv("episode,x\n,1\n0,2\n");
    let result = read(&file.path, &RoleSelection::default(), MissingPolicy::Hold);
    assert!(file.refusal_of(result).contains("column episode"));
}

#[test]
fn unknown_extensions_are_read_by_content() {
    let text = Scratch::new("run.dat", "x,y\n1,2\n");
    assert_eq!(text.read().unwrap().0.state_names(), ["x", "y"]);
    let array = Scratch::new("run", floats(&[2, 1], &[1.0, 2.0]));
    assert_eq!(array.read().unwrap().0.state_names(), ["c0"]);
    let arrays = Scratch::new("run.zip", npz(&[("obs", floats(&[1], &[4.0]))]));
    assert_eq!(arrays.read().unwrap().0.state_names(), ["obs"]);
    let path = text.sibling("run.table");
    let cells = Cells::Doubles(vec![Some(1.0)]);
    parquet(&path, codecs()[0], 1, &[("x", cells)]);
    assert_eq!(read_guessing(&path).unwrap().0.state_names(), ["x"]);
}

#[test]
fn arrays_of_every_type_and_order_are_columns() {
    let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let by_column = [1.0, 3.0, 5.0, 2.0, 4.0, 6.0];
    let rows = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
    use npyz::Order::{C, Fortran};
    let arrays = [
        npy("<f8", C, &[3, 2], &values),
        npy(">f8", Fortran, &[3, 2], &by_column),
        npy("<f4", C, &[3, 2], &values.map(|v| v as f32)),
        npy(">i4", C, &[3, 2], &values.map(|v| v as i32)),
        npy("<i8", Fortran, &[3, 2], &by_column.map(|v| v as i64)),
        npy("|u1", C, &[3, 2], &values.map(|v| v as u8)),
        npy(">u2", C, &[3, 2], &values.map(|v| v as u16)),
    ];
    for array in arrays {
        let file = Scratch::new("run.npz", npz(&[("obs", array)]));
        let (recording, _) = file.read().unwrap();
        assert_eq!(recording.state_names(), ["obs_0", "obs_1"]);
        assert_eq!(states(&recording, 0), rows);
    }
}

#[test]
fn compressed_and_d4rl_archives_are_read() {
    let arrays = [
        (
            "observations",
            floats(&[4, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]),
        ),
        ("actions", floats(&[4, 1], &[0.1, 0.2, 0.3, 0.4])),
        ("rewards", floats(&[4], &[1.0, 2.0, 3.0, 4.0])),
        ("next_observations", floats(&[4, 2], &[0.0; 8])),
        (
            "terminals",
            npy("|b1", npyz::Order::C, &[4], &[false, true, false, false]),
        ),
        (
            "timeouts",
            npy("|b1", npyz::Order::C, &[4], &[false, false, false, true]),
        ),
        ("infos", floats(&[2], &[0.0; 2])),
    ];
    let file = Scratch::new("run.npz", npz_with(CompressionMethod::Deflated, &arrays));
    let (recording, roles) = file.read().unwrap();
    assert_eq!(
        recording.state_names(),
        ["observations_0", "observations_1"]
    );
    assert_eq!(lengths(&recording), [2, 2]);
    assert_eq!(recording.episodes()[1].actions(), array![[0.3], [0.4]]);
    assert_eq!(recording.episodes()[1].truncated(), [false, true]);
    assert_eq!(roles.ignored.last().unwrap().reason, "shape [2]");
}

#[test]
fn three_dimensions_are_episodes_rows_and_columns() {
    let values: Vec<f64> = (0..12).map(f64::from).collect();
    let file = Scratch::new(
        "run.npz",
        npz(&[
            ("obs", floats(&[2, 3, 2], &values)),
            ("reward", floats(&[2, 3], &values[..6])),
            ("gamma", floats(&[3], &values[..3])),
        ]),
    );
    let (recording, roles) = file.read().unwrap();
    assert_eq!(lengths(&recording), [3, 3]);
    assert_eq!(
        states(&recording, 1),
        [[6.0, 7.0], [8.0, 9.0], [10.0, 11.0]]
    );
    assert_eq!(
        recording.episodes()[1].rewards().unwrap(),
        &array![3.0, 4.0, 5.0]
    );
    assert_eq!(roles.ignored[0].reason, "shape [3]");
}

#[test]
fn a_single_array_has_invented_names() {
    let file = Scratch::new("run.npy", floats(&[2, 2], &[1.0, 2.0, 3.0, 4.0]));
    let (recording, _) = file.read().unwrap();
    assert_eq!(recording.state_names(), ["c0", "c1"]);
    assert_eq!(states(&recording, 0), [[1.0, 2.0], [3.0, 4.0]]);
}

#[test]
fn without_named_states_the_most_common_length_counts() {
    let file = Scratch::new(
        "run.npz",
        npz(&[
            ("meta", floats(&[9], &[0.0; 9])),
            ("north", floats(&[2], &[1.0, 2.0])),
            ("south", floats(&[2], &[3.0, 4.0])),
        ]),
    );
    assert_eq!(file.read().unwrap().0.state_names(), ["north", "south"]);
}

#[test]
fn parquet_columns_are_read_across_row_groups_and_codecs() {
    for codec in codecs() {
        let scratch = csv("");
        let path = scratch.sibling("run.parquet");
        parquet(
            &path,
            codec,
            2,
            &[
                ("episode", Cells::Texts(vec!["a", "a", "b", "b", "b"])),
                ("t", Cells::Longs(vec![0, 1, 0, 1, 2])),
                (
                    "obs_x",
                    Cells::Doubles([1.0, 2.0, 3.0, 4.0, 5.0].map(Some).to_vec()),
                ),
                ("note", Cells::Doubles(vec![None; 5])),
                ("done", Cells::Bools(vec![false, true, false, false, true])),
            ],
        );
        let (recording, roles) = read_guessing(&path).unwrap();
        assert_eq!(names(&recording), ["a", "b"], "{codec:?}");
        assert_eq!(states(&recording, 1), [[3.0], [4.0], [5.0]]);
        assert_eq!(recording.episodes()[0].terminated(), [false, true]);
        assert!(roles.to_string().contains("note (empty)"), "{roles}");
    }
}

#[test]
fn actions_to_come_are_found_by_name_or_as_an_array() {
    let names = ["act_b".to_owned(), "act_a".to_owned()];
    let wanted = array![[2.0, 1.0], [4.0, 3.0]];
    let file = csv("t,act_a,act_b\n0,1,2\n1,3,4\n");
    assert_eq!(
        read_future_actions(&file.path, &names, None, None)
            .unwrap()
            .actions,
        wanted
    );
    let values = [2.0, 1.0, 4.0, 3.0];
    for (name, content) in [
        (
            "plan.npz",
            npz(&[
                ("action", floats(&[2, 2], &values)),
                ("t", floats(&[2], &[0.0; 2])),
            ]),
        ),
        (
            "plan.npz",
            npz(&[
                ("act_a", floats(&[2], &[1.0, 3.0])),
                ("act_b", floats(&[2], &[2.0, 4.0])),
            ]),
        ),
        ("plan.npy", floats(&[2, 2], &values)),
        ("plan.csv", b"2,1\n4,3\n".to_vec()),
    ] {
        let file = Scratch::new(name, content);
        assert_eq!(
            read_future_actions(&file.path, &names, None, None)
                .unwrap()
                .actions,
            wanted
        );
    }
    let trained_on_array = ["action_0".to_owned(), "action_1".to_owned()];
    let file = Scratch::new("plan.npz", npz(&[("action", floats(&[2, 2], &values))]));
    assert_eq!(
        read_future_actions(&file.path, &trained_on_array, None, None)
            .unwrap()
            .actions,
        wanted
    );
}

#[test]
fn actions_to_come_that_are_not_there_are_named() {
    let names = ["act_a".to_owned(), "act_b".to_owned()];
    let file = csv("t,act_a\n0,1\n");
    assert_eq!(
        file.refusal_of(read_future_actions(&file.path, &names, None, None)),
        "run.csv: no column fits \"act_b\" for action; the file has t, act_a"
    );
    let file = Scratch::new("plan.npz", npz(&[("action", floats(&[1, 3], &[0.0; 3]))]));
    assert!(read_future_actions(&file.path, &names, None, None).is_err());
    let file = csv("act_a,act_b\n0,\n");
    assert!(
        file.refusal_of(read_future_actions(&file.path, &names, None, None))
            .contains("row 1 (line 2), column act_b is empty")
    );
}

fn tables() -> impl Strategy<Value = (Vec<[f64; 3]>, Vec<usize>)> {
    let number = prop_oneof![
        any::<f64>().prop_filter("usable", |value| value.abs() <= 1e150),
        -1e3..1e3,
        (-1000i32..1000).prop_map(f64::from),
    ];
    let rows = prop::collection::vec(prop::array::uniform3(number), 1..60);
    (rows, prop::collection::vec(1usize..10, 60))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_format_gives_back_what_was_written((rows, lengths) in tables()) {
        let labels: Vec<i64> = (0..)
            .zip(&lengths)
            .flat_map(|(label, &length)| std::iter::repeat_n(label, length))
            .take(rows.len())
            .collect();
        let mut text = String::from("episode,obs_x,obs_y,reward\n");
        for (label, [x, y, reward]) in labels.iter().zip(&rows) {
            text.push_str(&format!("{label},{x},{y:e},{reward}\n"));
        }
        let file = csv(&text);
        let count = rows.len() as u64;
        let column = |index: usize| rows.iter().map(|row| row[index]).collect::<Vec<_>>();
        let npz_path = file.sibling("run.npz");
        let arrays = npz_with(CompressionMethod::Deflated, &[
            ("episode", npy("<i8", npyz::Order::C, &[count], &labels)),
            ("obs_x", floats(&[count], &column(0))),
            ("obs_y", floats(&[count], &column(1))),
            ("reward", floats(&[count], &column(2))),
        ]);
        std::fs::write(&npz_path, arrays).unwrap();
        let parquet_path = file.sibling("run.parquet");
        let doubles = |index| Cells::Doubles(column(index).into_iter().map(Some).collect());
        parquet(&parquet_path, codecs()[1], 7, &[
            ("episode", Cells::Longs(labels.clone())),
            ("obs_x", doubles(0)),
            ("obs_y", doubles(1)),
            ("reward", doubles(2)),
        ]);
        let (from_csv, _) = file.read().unwrap();
        let mut all = Vec::new();
        for episode in from_csv.episodes() {
            let rewards = episode.rewards().unwrap();
            all.extend(episode.states().rows().into_iter().zip(rewards).map(|(row, reward)| [row[0], row[1], *reward]));
        }
        prop_assert_eq!(all, rows);
        let (from_npz, _) = read_guessing(&npz_path).unwrap();
        prop_assert_eq!(&from_csv, &from_npz);
        let (from_parquet, _) = read_guessing(&parquet_path).unwrap();
        prop_assert_eq!(&from_csv, &from_parquet);
    }
}
