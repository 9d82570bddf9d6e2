//! Folders of files, and files of several series.

use super::super::TimeStamp;
use super::written::{floats, npz};
use super::*;

fn folder(files: &[(&str, &str)]) -> Scratch {
    let scratch = csv("");
    let path = scratch.sibling("runs");
    std::fs::create_dir(&path).unwrap();
    for (name, content) in files {
        std::fs::write(path.join(name), content).unwrap();
    }
    Scratch { path, ..scratch }
}

#[test]
fn files_of_a_folder_are_an_episode_each() {
    let runs = folder(&[
        ("b.csv", "t,x\n0,5\n1,6\n2,8\n"),
        ("a.csv", "t,x\n0,1\n1,2\n"),
        ("README.md", "what this is"),
        (".hidden.csv", "nothing"),
    ]);
    let (recording, roles) = runs.read().unwrap();
    assert_eq!(names(&recording), ["a", "b"]);
    assert_eq!(lengths(&recording), [2, 3]);
    assert_eq!(states(&recording, 1), [[5.0], [6.0], [8.0]]);
    assert_eq!(roles.time.columns, ["t"]);
    assert!(
        roles.to_string().contains("the folder's 2 file(s)"),
        "{roles}"
    );
}

/// Episodes of one number in two files are two episodes.
#[test]
fn files_of_a_folder_may_number_their_episodes_alike() {
    let text = "episode,x\n0,1\n0,2\n1,3\n1,4\n";
    let runs = folder(&[("a.csv", text), ("b.csv", text)]);
    let (recording, _) = runs.read().unwrap();
    assert_eq!(names(&recording), ["a/0", "a/1", "b/0", "b/1"]);
    let runs = folder(&[]);
    let arrays = npz(&[("obs", floats(&[2, 3, 1], &[1.0, 2.0, 4.0, 5.0, 6.0, 8.0]))]);
    for name in ["a.npz", "b.npz"] {
        std::fs::write(runs.path.join(name), &arrays).unwrap();
    }
    let (recording, _) = runs.read().unwrap();
    assert_eq!(names(&recording), ["a/0", "a/1", "b/0", "b/1"]);
    assert_eq!(states(&recording, 3), [[5.0], [6.0], [8.0]]);
}

/// A state more than actions is the final state of each file.
#[test]
fn files_of_a_folder_may_have_final_states() {
    let runs = folder(&[]);
    for name in ["a.npz", "b.npz"] {
        let states = floats(&[3, 1], &[1.0, 2.0, 4.0]);
        let arrays = npz(&[("obs", states), ("action", floats(&[2, 1], &[7.0, 9.0]))]);
        std::fs::write(runs.path.join(name), arrays).unwrap();
    }
    let (recording, _) = runs.read().unwrap();
    assert_eq!(lengths(&recording), [2, 2]);
    assert_eq!(recording.episodes()[1].actions()[[1, 0]], 9.0);
}

/// Fault: a folder with a README.txt or the manifest of a result was refused.
#[test]
fn descriptions_beside_the_files_of_a_folder_are_left_out() {
    let text = "x\n1\n2\n";
    let beside = [("README.txt", "Two runs."), ("a.manifest.json", "{}")];
    let runs = folder(&[("a.csv", text), ("b.csv", text), beside[0], beside[1]]);
    let (recording, roles) = runs.read().unwrap();
    assert_eq!(names(&recording), ["a", "b"]);
    let said = "2 .txt or .json file(s) beside them are left out";
    assert!(roles.to_string().contains(said), "{roles}");
}

#[test]
fn folders_that_are_no_recording_say_what_they_hold() {
    for (files, says) in [
        (
            &[("a.csv", "x\n1\n"), ("b.tsf", "")][..],
            "holds files of several formats, a.csv and b.tsf",
        ),
        (&[("notes.md", "")], "is a folder and holds no recordings"),
        (
            &[("a.csv", "x,y\n1,2\n"), ("b.csv", "x,z\n1,2\n")],
            "has the columns x, z, but the first file of its folder has x, y",
        ),
        (
            &[("a.csv", "x\n1\n"), ("b.csv", "x\nq\n")],
            "b.csv: row 1 (line 2), column x",
        ),
    ] {
        let runs = folder(files);
        let refusal = runs.refusal_of(runs.read());
        assert!(refusal.contains(says), "{refusal}");
    }
}

const SERIES: &str = "# Monash\n@relation r\n@attribute series_name string\n\
    @attribute start_timestamp date\n@frequency monthly\n@horizon 8\n@missing false\n\
    @equallength false\n@data\nT1:1979-11-01 00-00-00:1.5,2,4\nT2:1980-01-01 00-00-00:7,8\n";

/// Fault: a file of the Monash archive was a table without rows.
#[test]
fn series_of_the_monash_archive_are_an_episode_each() {
    for name in ["m.tsf", "m.txt"] {
        let (recording, roles) = Scratch::new(name, SERIES).read().unwrap();
        assert_eq!(names(&recording), ["T1", "T2"]);
        assert_eq!(states(&recording, 0), [[1.5], [2.0], [4.0]]);
        assert_eq!(states(&recording, 1), [[7.0], [8.0]]);
        assert_eq!(roles.time.columns, ["time"]);
        let times = recording.episodes()[1].times().unwrap();
        let third = times.at(2);
        assert_eq!(third, Some(TimeStamp::Date("1980-03-01".to_owned())));
    }
}

#[test]
fn damaged_files_of_the_monash_archive_are_refused() {
    for (from, to, says) in [
        ("@data\n", "", "it has no line @data"),
        (
            "T2:1980-01-01 00-00-00:",
            "",
            "line 11 has 1 cells but the header has 3",
        ),
        ("7,8", "7,?", "row 5, column value is NaN"),
        ("7,8", "7,x", "column value holds \"x\""),
    ] {
        let refusal = Scratch::new("m.tsf", SERIES.replace(from, to)).refusal();
        assert!(refusal.contains(says), "{refusal}");
    }
}
