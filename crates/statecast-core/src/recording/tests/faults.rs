//! Files that must be refused: one test a fault, and then files that nobody would write.

use proptest::prelude::*;
use zip::CompressionMethod;

use super::written::{Cells, codecs, floats, forged, npz, npz_with, parquet};
use super::*;

#[test]
fn a_file_that_is_not_there() {
    let scratch = csv("");
    let path = scratch.sibling("absent.csv");
    let refusal = scratch.refusal_of(read_guessing(&path));
    assert!(
        refusal.starts_with("absent.csv: cannot be read ("),
        "{refusal}"
    );
}

#[test]
fn a_folder() {
    let scratch = csv("");
    let path = scratch.sibling("runs.csv");
    std::fs::create_dir(&path).unwrap();
    let refusal = scratch.refusal_of(read_guessing(&path));
    assert!(
        refusal.starts_with("runs.csv: is a folder and holds no recordings"),
        "{refusal}"
    );
}

#[test]
fn files_without_bytes() {
    for name in ["run.csv", "run.npz", "run.npy", "run.parquet", "run"] {
        let refusal = Scratch::new(name, "").refusal();
        assert!(refusal.contains("is empty"), "{refusal}");
    }
    for text in ["\n\n", "# only a remark\n", "\u{feff}", "\r\n\r\n", "  \n"] {
        let refusal = csv(text).refusal();
        assert!(refusal.contains("is empty"), "{text:?}: {refusal}");
    }
}

#[test]
fn files_without_rows() {
    let wanted = "has columns but no rows; record at least one time step";
    for text in ["obs_x,obs_y\n", "obs_x,obs_y"] {
        assert_eq!(csv(text).refusal(), format!("run.csv: {wanted}"));
    }
    let file = Scratch::new("run.npz", npz(&[("obs", floats(&[0, 2], &[]))]));
    assert_eq!(file.refusal(), format!("run.npz: {wanted}"));
    let path = file.sibling("run.parquet");
    parquet(&path, codecs()[0], 1, &[("obs_x", Cells::Doubles(vec![]))]);
    assert_eq!(
        file.refusal_of(read_guessing(&path)),
        format!("run.parquet: {wanted}")
    );
}

#[test]
fn no_column_of_numbers() {
    assert_eq!(
        csv("name,city\nann,oslo\n").refusal(),
        "run.csv: no numeric column to forecast among name (text), city (text); name the state columns"
    );
}

/// Fault: a gap in the first row was advised to be held, where there is no value before it.
#[test]
fn a_gap_in_the_first_row_has_nothing_to_hold() {
    let refusal = csv("x,y\n,1\n2,3\n").refusal();
    assert!(
        refusal.contains("row 1") && !refusal.contains("fill"),
        "{refusal}"
    );
    assert!(csv("x,y\n4,1\n2,\n").refusal().contains("or fill it"));
}

#[test]
fn an_unknown_format() {
    let refusal = Scratch::new("run.bin", [0u8, 159, 146, 150]).refusal();
    assert_eq!(
        refusal,
        "run.bin: is not CSV, JSON, TSF, NPZ, NPY, Parquet, Arrow, HDF5 or MAT; convert it to one of them"
    );
}

#[test]
fn a_binary_file_called_csv() {
    let refusal = Scratch::new("run.csv", npz(&[("x", floats(&[1], &[1.0]))])).refusal();
    assert!(refusal.contains("starts like NPZ"), "{refusal}");
    let refusal = Scratch::new("run.csv", b"x,y\n\0\0\0\x01").refusal();
    assert!(refusal.contains("binary or UTF-16"), "{refusal}");
}

#[test]
fn a_ragged_row_names_its_line() {
    for (text, line, found) in [
        ("x,y\n1,2\n3\n", 3, 1),
        ("x,y\n1,2,3\n", 2, 3),
        ("# a\nx,y\n\n1,2\n\n\n3,4,5\n", 7, 3),
        ("x,y\r\n1,2\r\n\r\n3,4,5\r\n", 4, 3),
        ("x,y\n1,2\n3,4,5", 3, 3),
    ] {
        assert_eq!(
            csv(text).refusal(),
            format!("run.csv: line {line} has {found} cells but the header has 2; repair the row"),
            "{text:?}"
        );
    }
}

#[test]
fn a_blank_line_in_a_file_of_one_column_is_a_lost_value() {
    let refusal = csv("x\r\n1\r\n\r\n2\r\n").refusal();
    assert!(refusal.contains("line 3 has 0 cells"), "{refusal}");
    assert!(csv("x\n1\n2\n\n\n").read().is_ok());
}

#[test]
fn empty_and_infinite_cells_name_their_place() {
    for (cell, what) in [
        ("", "empty"),
        ("  ", "empty"),
        ("NA", "empty"),
        ("nan", "NaN"),
        ("-inf", "infinite"),
        ("1e999", "infinite"),
    ] {
        assert_eq!(
            csv(&format!("t,x\n0,1\n1,{cell}\n")).refusal(),
            format!(
                "run.csv: row 2 (line 3), column x is {what}; \
                 repair it, leave the column out, or fill it"
            )
        );
    }
    let file = Scratch::new(
        "run.npz",
        npz(&[("obs", floats(&[2, 2], &[1.0, 2.0, 3.0, f64::NAN]))]),
    );
    assert!(
        file.refusal()
            .contains("row 2, column obs_1 is NaN or missing")
    );
    let path = file.sibling("run.parquet");
    parquet(
        &path,
        codecs()[0],
        9,
        &[("x", Cells::Doubles(vec![Some(1.0), None]))],
    );
    let refusal = file.refusal_of(read_guessing(&path));
    assert!(
        refusal.contains("row 2, column x is NaN or missing"),
        "{refusal}"
    );
}

#[test]
fn values_whose_squares_are_not_finite_name_their_place() {
    assert_eq!(
        csv("t,obs_x,reward\n0,1,0\n1,2,-1e300\n").refusal(),
        "run.csv: row 2, column reward is -1e300, more than 1e150 in size; \
         give the column in a larger unit"
    );
    let refusal = csv("x\n1e308\n1e308\n").refusal();
    assert!(refusal.contains("row 1, column x is 1e308"), "{refusal}");
    let file = csv("x\n1e15\n-1e149\n");
    assert!(file.read().is_ok());
    // Networks, which learn from transitions, have single precision.
    let selection = RoleSelection {
        transitions: true,
        ..RoleSelection::default()
    };
    let refusal = file.refusal_of(read(&file.path, &selection, MissingPolicy::Error));
    assert!(refusal.contains("more than 1e15 in size"), "{refusal}");
}

#[test]
fn words_in_a_column_of_numbers_name_their_place() {
    assert_eq!(
        csv("t,x\n0,1\n\n1,1.2.3\n").refusal(),
        "run.csv: row 2 (line 4), column x holds \"1.2.3\", not a number; \
         choose other columns, correct it, or empty it and give `missing=hold`"
    );
    let long = "w".repeat(1000);
    let refusal = csv(&format!("x\n1\n{long}\n")).refusal();
    assert!(refusal.len() < 200, "{refusal}");
    let file = csv("");
    let path = file.sibling("run.parquet");
    parquet(&path, codecs()[0], 9, &[("x", Cells::Texts(vec!["a"]))]);
    let selection = RoleSelection {
        state: vec!["x".to_owned()],
        ..RoleSelection::default()
    };
    let refusal = file.refusal_of(read(&path, &selection, MissingPolicy::Error));
    assert!(refusal.contains("row 1, column x holds \"a\""), "{refusal}");
}

#[test]
fn text_that_is_not_utf8() {
    let refusal = Scratch::new("run.csv", b"x,\xff\n1,2\n").refusal();
    assert_eq!(
        refusal,
        "run.csv: line 1 is not UTF-8 text; save the file as UTF-8, or name its \
         encoding (`encoding=latin1`)"
    );
    let refusal = Scratch::new("run.csv", b"x,y\n1,2\n1,\xe9\n").refusal();
    assert_eq!(
        refusal,
        "run.csv: line 3 is not UTF-8 text; save the file as UTF-8, or name its \
         encoding (`encoding=latin1`)"
    );
    // In a column that is not used it does no harm.
    assert!(Scratch::new("run.csv", b"x,y\n1,\xe9\n").read().is_ok());
}

#[test]
fn an_episode_that_comes_back() {
    assert_eq!(
        csv("episode,x\n0,1\n1,2\n0.0,3\n").refusal(),
        "run.csv: episode 0 starts again at row 3; sort the rows by episode and time"
    );
}

#[test]
fn a_line_without_end() {
    let file = csv(&format!("x,y\n1,2\n\"{}", "3,4\n".repeat(6 << 20)));
    assert_eq!(
        file.refusal(),
        "run.csv: line 3 is longer than 16777216 bytes; check its quotes and line ends"
    );
}

#[test]
fn more_columns_than_a_recording_has() {
    let header: Vec<String> = (0..70_000).map(|i| format!("x{i}")).collect();
    let refusal = csv(&header.join(",")).refusal();
    assert!(refusal.contains("more than 65536 columns"), "{refusal}");
    let arrays = npz(&[
        ("a", floats(&[1, 40_000], &[0.0; 40_000])),
        ("b", floats(&[1, 40_000], &[0.0; 40_000])),
    ]);
    let refusal = Scratch::new("run.npz", arrays).refusal();
    assert!(refusal.contains("more than 65536 columns"), "{refusal}");
}

#[test]
fn pickled_and_structured_arrays_are_never_loaded() {
    for (descr, what) in [
        ("'|O'", "a pickled Python object, which is never loaded"),
        ("[('a', '<f4'), ('b', '|O')]", "it has named fields"),
        ("'<U8'", "is text"),
        ("'<c16'", "is complex"),
    ] {
        let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (2,), }}\n");
        let array = forged(&header, b"\x80\x04junk");
        let refusal = Scratch::new("run.npz", npz(&[("obs", array.clone())])).refusal();
        assert!(
            refusal.starts_with("run.npz: column obs cannot be used: "),
            "{refusal}"
        );
        assert!(refusal.contains(what), "{refusal}");
        let refusal = Scratch::new("run.npy", array.clone()).refusal();
        assert!(refusal.contains(what), "{refusal}");
        // Beside arrays that can be read it does no harm.
        let both = npz(&[("obs", floats(&[2], &[1.0, 2.0])), ("info", array)]);
        assert!(Scratch::new("run.npz", both).read().is_ok());
    }
}

#[test]
fn an_array_of_another_length_cannot_be_chosen() {
    let file = Scratch::new(
        "run.npz",
        npz(&[
            ("obs", floats(&[2], &[1.0, 2.0])),
            ("start", floats(&[1], &[1.0])),
        ]),
    );
    let selection = RoleSelection {
        state: vec!["obs".to_owned(), "start".to_owned()],
        ..RoleSelection::default()
    };
    assert_eq!(
        file.refusal_of(read(&file.path, &selection, MissingPolicy::Error)),
        "run.npz: column start cannot be used: shape [1]"
    );
}

#[test]
fn headers_that_lie_about_their_size_allocate_nothing() {
    for shape in [
        "(1000000000000000,)",
        "(18446744073709551615, 2)",
        "(4294967296, 4294967296)",
        "(3, 18446744073709551615)",
        "(18446744073709551615, 18446744073709551615, 2)",
        "(1000000000000000, 2)",
        "(1000000000, 1000000000, 2)",
    ] {
        for order in ["True", "False"] {
            let header =
                format!("{{'descr': '<f8', 'fortran_order': {order}, 'shape': {shape}, }}\n");
            let array = forged(&header, &[0; 64]);
            let refusal = Scratch::new("run.npy", array.clone()).refusal();
            assert!(refusal.starts_with("run.npy: "), "{refusal}");
            for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
                let file = Scratch::new("run.npz", npz_with(method, &[("obs", array.clone())]));
                file.refusal();
            }
        }
    }
}

#[test]
fn damaged_archives() {
    let refusal = Scratch::new("run.npz", b"PK\x03\x04 and nothing else").refusal();
    assert!(
        refusal.starts_with("run.npz: cannot be read as NPZ: "),
        "{refusal}"
    );
    let refusal = Scratch::new("run.npz", "x,y\n1,2\n").refusal();
    assert!(
        refusal.starts_with("run.npz: cannot be read as NPZ: "),
        "{refusal}"
    );
    let refusal = Scratch::new("run.npz", npz(&[])).refusal();
    assert!(refusal.contains("it holds no arrays"), "{refusal}");
    let refusal = Scratch::new("run.npz", npz(&[("obs", b"junk".to_vec())])).refusal();
    assert!(
        refusal.contains("array obs: it ends inside its header"),
        "{refusal}"
    );
    let mut flipped = npz(&[("obs", floats(&[4], &[1.0, 2.0, 3.0, 4.0]))]);
    let value = flipped
        .windows(8)
        .position(|w| w == 3.0f64.to_le_bytes())
        .unwrap();
    flipped[value + 7] ^= 1;
    let refusal = Scratch::new("run.npz", flipped).refusal();
    assert!(refusal.contains("checksum"), "{refusal}");
}

/// Files of every binary format that read well.
fn good_files() -> Vec<(&'static str, Vec<u8>)> {
    let values: Vec<f64> = (0..600).map(|i| f64::from(i).sin()).collect();
    let arrays = [
        ("obs", floats(&[300, 2], &values)),
        ("reward", floats(&[300], &values[..300])),
    ];
    let scratch = csv("");
    let path = scratch.sibling("run.parquet");
    let mut files = vec![
        ("run.npz", npz(&arrays)),
        ("run.npz", npz_with(CompressionMethod::Deflated, &arrays)),
        ("run.npy", arrays[0].1.clone()),
    ];
    for codec in codecs() {
        let cells = Cells::Doubles(
            values
                .iter()
                .enumerate()
                .map(|(row, &value)| (value > -0.9 || row % 50 == 0).then_some(value))
                .collect(),
        );
        let columns = [
            ("obs_x", cells),
            ("episode", Cells::Longs((0..600).map(|i| i / 50).collect())),
            ("done", Cells::Bools(vec![false; 600])),
        ];
        parquet(&path, codec, 250, &columns);
        files.push(("run.parquet", std::fs::read(&path).unwrap()));
    }
    files
}

#[test]
fn files_cut_off_anywhere_are_refused() {
    for (name, bytes) in good_files() {
        let file = Scratch::new(name, &bytes);
        read(&file.path, &RoleSelection::default(), MissingPolicy::Hold).unwrap();
        for part in 1..16 {
            let cut = &bytes[..bytes.len() * part / 16];
            Scratch::new(name, cut).refusal();
        }
        Scratch::new(name, &bytes[..bytes.len() - 1]).refusal();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Neither a panic nor a hang: any answer will do.
    #[test]
    fn damaged_files_get_an_answer(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        for (name, mut bytes) in good_files() {
            for (place, value) in &flips {
                let place = place.index(bytes.len());
                bytes[place] = *value;
            }
            let file = Scratch::new(name, bytes);
            let _ = file.read();
        }
    }

    #[test]
    fn any_bytes_get_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for name in [
            "run.csv", "run.npz", "run.npy", "run.parquet", "run", "run.json", "run.arrow", "run.h5",
            "run.mat",
        ] {
            let _ = Scratch::new(name, &bytes).read();
        }
        for start in [
            &b"PK\x03\x04"[..],
            b"\x93NUMPY\x01\x00",
            b"PAR1",
            b"a,b\n",
            b"\x1f\x8b\x08\x00",
            b"\x28\xb5\x2f\xfd",
            b"ARROW1\0\0",
            b"\xff\xff\xff\xff\x10\0\0\0",
            b"\x89HDF\r\n\x1a\n\0",
            b"{\"x\": ",
        ] {
            let _ = Scratch::new("run", [start, &bytes].concat()).read();
        }
    }

    #[test]
    fn any_text_gets_an_answer(text in "[a-z0-9,;\"\n\r.\t# -]{0,200}") {
        let _ = csv(&text).read();
    }
}

/// Fault: the header of a page, which says what it unpacks to, had two gibibytes taken for it.
#[test]
fn a_page_that_claims_too_much_is_refused_before_memory_is_taken() {
    let values: Vec<Option<f64>> = (0..4000).map(|i| Some(f64::from(i % 7))).collect();
    for codec in codecs().into_iter().skip(1) {
        let file = csv("");
        let path = file.sibling("run.parquet");
        let columns = [("obs_x", Cells::Doubles(values.clone()))];
        parquet(&path, codec, 4000, &columns);
        let mut bytes = std::fs::read(&path).unwrap();
        // The first page: its kind, its bytes, its packed bytes, each a field of the next number.
        assert_eq!((bytes[4], bytes[6]), (0x15, 0x15));
        let packed = 7 + bytes[7..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
        let short = packed - 7;
        let rest = bytes.split_off(packed);
        bytes.truncate(7);
        bytes.extend([0xfe, 0xff, 0xff, 0xff, 0x0f]);
        // The file keeps its length: what is after the header is damaged, but never looked at.
        let end = rest.len() - 8;
        let footer = u32::from_le_bytes(rest[end..end + 4].try_into().unwrap());
        let pages = end - footer as usize;
        bytes.extend(&rest[..pages - (5 - short)]);
        bytes.extend(&rest[pages..]);
        std::fs::write(&path, bytes).unwrap();
        let refusal = file.refusal_of(read_guessing(&path));
        assert!(
            refusal.contains("would unpack to 2147483647 bytes, more than 67108864"),
            "{codec:?}: {refusal}"
        );
    }
}
