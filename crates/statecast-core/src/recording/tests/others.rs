//! Files that other people's programs write, beyond the layouts of `tests/layouts`.

use ndarray::array;

use super::super::TimeStamp;
use super::written::{floats, npy, npz};
use super::*;

fn of(name: &str, content: &[u8]) -> Scratch {
    Scratch::new(name, content)
}

/// Fault: arrays of actions beside states with a row more were left out.
#[test]
fn a_state_more_than_actions_is_the_final_state() {
    let file = of(
        "run.npz",
        &npz(&[
            ("obs", floats(&[4, 1], &[1.0, 2.0, 3.0, 4.0])),
            ("t", floats(&[4], &[0.0, 0.1, 0.2, 0.3])),
            ("actions", floats(&[3], &[5.0, 6.0, 7.0])),
        ]),
    );
    let (recording, roles) = file.read().unwrap();
    let episode = &recording.episodes()[0];
    assert_eq!(episode.states(), array![[1.0], [2.0], [3.0]]);
    assert_eq!(episode.final_state(), Some(&array![4.0]));
    assert_eq!(roles.time.columns, ["t"]);
    assert!(roles.to_string().contains("final state"), "{roles}");
}

#[test]
fn final_states_of_joined_runs_follow_their_ends() {
    let arrays = |ends: [bool; 4]| {
        npz(&[
            ("obs", floats(&[6], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])),
            ("action", floats(&[4], &[0.0; 4])),
            ("done", npy("|b1", npyz::Order::C, &[4], &ends)),
        ])
    };
    let (recording, _) = of("run.npz", &arrays([false, true, false, true]))
        .read()
        .unwrap();
    assert_eq!(states(&recording, 0), [[1.0], [2.0]]);
    assert_eq!(states(&recording, 1), [[4.0], [5.0]]);
    let last = recording.episodes()[1].final_state();
    assert_eq!(last, Some(&array![6.0]));
    // Three ends and two rows more do not fit.
    let refusal = of("run.npz", &arrays([true, true, false, true])).refusal();
    assert!(
        refusal.contains("some arrays have 6 rows and others 4"),
        "{refusal}"
    );
}

/// Fault: a table of a run whose last row has no action could not be read.
#[test]
fn a_last_row_without_an_action_is_the_final_state() {
    let text = "ep,obs_x,act,reward\n0,1,5,1\n0,2,6,1\n0,3,,\n1,4,7,1\n1,5,,\n";
    let (recording, _) = csv(text).read().unwrap();
    assert_eq!(lengths(&recording), [2, 1]);
    let finals = recording.episodes().iter().map(|e| e.final_state());
    assert_eq!(
        finals.collect::<Vec<_>>(),
        [Some(&array![3.0]), Some(&array![5.0])]
    );
    // An action that is missing elsewhere is an error as before, with its line.
    let refusal = csv("obs_x,act\n1,5\n2,\n3,6\n").refusal();
    assert!(
        refusal.contains("row 2 (line 3), column act is empty"),
        "{refusal}"
    );
}

/// Fault: with names in a comment, a first row that held a word was taken for the header.
#[test]
fn rows_under_names_in_a_comment_are_rows() {
    let text = "%time,x,frame\n0,1,base\n1,2,base\n";
    let (recording, roles) = csv(text).read().unwrap();
    assert_eq!(states(&recording, 0), [[1.0], [2.0]]);
    assert_eq!(roles.time.columns, ["time"]);
    let (recording, _) = csv("# made by hand, in a hurry\nx,y\n1,2\n")
        .read()
        .unwrap();
    assert_eq!(recording.state_names(), ["x", "y"]);
}

/// Fault: names that hold commas could not be chosen.
#[test]
fn names_with_commas_are_chosen_in_parts() {
    let file = csv("\"x, m\",\"x\",\"y, m\"\n1,2,3\n");
    let parts = ["x", " m", "y", " m"].map(str::to_owned).to_vec();
    let selection = RoleSelection {
        state: parts,
        ..RoleSelection::default()
    };
    let (recording, _) = read(&file.path, &selection, MissingPolicy::Error).unwrap();
    assert_eq!(recording.state_names(), ["x, m", "y, m"]);
}

#[test]
fn lines_of_units_are_told_from_rows() {
    let (recording, roles) = csv("t,x\n[s],[m]\n0,1\n1,2\n").read().unwrap();
    assert_eq!(states(&recording, 0), [[1.0], [2.0]]);
    assert!(roles.notes[0].contains("line 2"), "{roles}");
    // A word for what is missing comes back.
    for text in ["t,x\n0,?\n1,2\n2,?\n", "x,y\n?,?\n1,2\n?,3\n"] {
        let refusal = csv(text).refusal();
        assert!(refusal.contains("column x is \"?\" (missing)"), "{refusal}");
    }
}

#[test]
fn lines_before_a_table_are_told_from_ragged_rows() {
    let (recording, roles) = csv("a log\nunit,m,s,kg\nx,y\n1,2\n3,4\n5,6\n")
        .read()
        .unwrap();
    assert_eq!(recording.state_names(), ["x", "y"]);
    assert!(roles.notes[0].contains("first 2 lines"), "{roles}");
    for text in [
        "x,y\n1,2,3\n4,5\n6,7\n8,9\n",
        "x,y\n1,2\n3\n4,5\n6,7\n8,9\n",
    ] {
        let refusal = csv(text).refusal();
        assert!(refusal.contains("repair the row"), "{text:?}: {refusal}");
    }
}

#[test]
fn encodings_are_named_and_unknown_ones_refused() {
    let file = of("run.csv", b"Gr\xf6\xdfe\n1\n2\n");
    let with = |encoding: &str| RoleSelection {
        encoding: Some(encoding.to_owned()),
        ..RoleSelection::default()
    };
    assert!(file.refusal().contains("`encoding="));
    let (recording, _) = read(&file.path, &with("latin-1"), MissingPolicy::Error).unwrap();
    assert_eq!(recording.state_names(), ["Größe"]);
    let refusal = file.refusal_of(read(&file.path, &with("klingon"), MissingPolicy::Error));
    assert!(refusal.contains("no encoding \"klingon\""), "{refusal}");
}

#[test]
fn what_is_packed_in_other_ways_says_what_to_do() {
    let zip = |names: &[&str]| {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for name in names {
            let options = zip::write::SimpleFileOptions::default();
            zip.start_file(*name, options).unwrap();
            std::io::Write::write_all(&mut zip, b"x\n1\n").unwrap();
        }
        zip.finish().unwrap().into_inner()
    };
    let sas = [
        &[0; 12][..],
        b"\xc2\xea\x81\x60\xb3\x14\x11\xcf\xbd\x92\x08\0\x09",
    ]
    .concat();
    for (name, content, says) in [
        ("run.csv.bz2", b"BZh91AY".to_vec(), "compressed by bzip2"),
        ("run.csv.xz", b"\xfd7zXZ\0\0".to_vec(), "compressed by xz"),
        ("runs.zip", zip(&["a.csv", "b.csv"]), "holds 2 files"),
        (
            "run.xlsx",
            zip(&["[Content_Types].xml", "xl/a.xml"]),
            "office document",
        ),
        (
            "run.ods",
            zip(&["mimetype", "content.xml", "meta.xml"]),
            "office document",
        ),
        ("run.csv.gz", b"\x1f\x8b\x08junk".to_vec(), "gzip"),
        // Known by their first bytes, whatever they are called.
        ("run.csv", b"BZh91AY&SY".to_vec(), "(.gz), zstd (.zst) or"),
        (
            "run",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0".to_vec(),
            ".xls",
        ),
        ("run.csv", b"SQLite format 3\0\x10".to_vec(), "SQLite"),
        ("run", b"\x80\x04\x95\x0a\0".to_vec(), "is a program"),
        ("run.rds", b"X\n\0\0\0\x03\0".to_vec(), "an R object"),
        ("run", sas, "SAS"),
        // The oldest pickles are text.
        ("run.pkl", b"(dp0\nVx\np1\nI1\ns.".to_vec(), "never read"),
    ] {
        let refusal = of(name, &content).refusal();
        assert!(refusal.contains(says), "{refusal}");
    }
    assert!(of("run.zip", &zip(&["a.csv"])).read().is_ok());
    // Some programs call a table of text so.
    assert!(of("run.xls", b"x\ty\n1\t2\n").read().is_ok());
    assert!(of("run.csv", b"BZh,y\n1,2\n").read().is_ok());
}

/// Fault: JSON lines were taken for CSV.
#[test]
fn json_lines_are_no_table_of_text() {
    let lines = "{\"t\": 0, \"x\": 1.5}\n{\"t\": 1, \"x\": null}\n{\"t\": 2, \"x\": 2}\n";
    let file = of("run.csv", lines.as_bytes());
    let refusal = file.refusal();
    assert!(
        refusal.contains("row 2, column x is NaN or missing"),
        "{refusal}"
    );
    let held = read(&file.path, &RoleSelection::default(), MissingPolicy::Hold);
    assert_eq!(states(&held.unwrap().0, 0), [[1.5], [1.5], [2.0]]);
    let refusal = of("run.json", b"{\"x\": [1, 2}").refusal();
    assert!(refusal.contains("cannot be read as JSON"), "{refusal}");
}

#[test]
fn episodes_know_when_rows_are() {
    let text = "date,x\n1/30/2024,1\n1/31/2024,2\n2/1/2024,3\n";
    let (recording, _) = csv(text).read().unwrap();
    let times = recording.episodes()[0].times().unwrap();
    let date = |text: &str| Some(TimeStamp::Date(text.to_owned()));
    assert_eq!(times.at(0), date("2024-01-30"));
    assert_eq!(times.at(4), date("2024-02-03"));
    let (recording, _) = csv("x\n1\n2\n").read().unwrap();
    assert!(recording.episodes()[0].times().is_none());
}

/// Fault: `NaN`, as Python writes it, was no JSON.
#[test]
fn json_has_numbers_that_are_none() {
    let text = "{\"obs_x\": 1.0, \"act\": 0}\n{\"obs_x\": NaN, \"act\": 1}\n{\"obs_x\": 3.0, \"act\": 0}\n";
    let refusal = of("run.jsonl", text.as_bytes()).refusal();
    assert!(
        refusal.contains("row 2") && refusal.contains("obs_x"),
        "{refusal}"
    );
}

/// Fault: rows of several sensors at times of their own were one series without a word.
#[test]
fn what_may_be_series_is_said() {
    let row = |i: usize| format!("{},{},{}\n", i, ["a", "b", "c"][i % 3], 100 * (i % 3) + i);
    let text: String = (0..30).map(row).collect();
    let (_, roles) = csv(&format!("time,sensor,obs_x\n{text}")).read().unwrap();
    let warned = roles.warnings.join("; ");
    assert!(warned.contains("sensor has 3 values"), "{warned}");
    assert!(warned.contains("`episode=sensor`"), "{warned}");
}
