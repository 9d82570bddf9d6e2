//! Clocks as recorders and people write them: full ones, two digits of a year, offices, totals below.

use super::super::{TimeStamp, read_future_actions};
use super::*;

fn lines(header: &str, rows: usize, line: impl Fn(usize) -> String) -> Scratch {
    let rows: Vec<String> = (0..rows).map(line).collect();
    csv(&format!("{header}\n{}\n", rows.join("\n")))
}

fn ahead(recording: &Recording, row: usize) -> String {
    match recording.episodes()[0].times().unwrap().at(row) {
        Some(TimeStamp::Number(number)) => number.to_string(),
        Some(TimeStamp::Date(date)) => date,
        None => String::new(),
    }
}

fn noted(roles: &Roles, what: &str) {
    assert!(
        roles.notes.iter().any(|note| note.contains(what)),
        "{roles}"
    );
}

/// Fault: rows after the end of the week came before those that it followed.
#[test]
fn full_clocks_count_on() {
    let file = lines("tow,x", 60, |i| {
        format!("{},{}", (604_790 + i) % 604_800, i * i)
    });
    let (recording, roles) = file.read().unwrap();
    assert_eq!(roles.time.columns, ["tow"]);
    assert_eq!(recording.state_names(), ["x"]);
    assert_eq!(
        (lengths(&recording), states(&recording, 0)[10][0]),
        (vec![60], 100.0)
    );
    assert_eq!(ahead(&recording, 60), "50");
    noted(&roles, "tow is full at 604800 in row 11");
    // Of any name, if it is regular.
    let file = lines("n,x", 600, |i| {
        format!("{},{}", (250 + i) % 256, i * i % 77)
    });
    assert_eq!(file.read().unwrap().0.state_names(), ["x"]);
    // Episodes of a byte's length are none.
    let file = lines("step,x", 512, |i| format!("{},{}", i % 256, i * i % 77));
    assert_eq!(lengths(&file.read().unwrap().0), [256, 256]);
}

/// Fault: December 1968 was a hundred years after January 1969.
#[test]
fn two_digits_of_a_year_are_of_one_century() {
    let date = |i: usize| format!("{:02}/15/{:02}", i % 12 + 1, 65 + i / 12);
    let file = lines("date,x", 84, |i| format!("{},{i}", date(i)));
    let (recording, _) = file.read().unwrap();
    assert_eq!(lengths(&recording), [84]);
    assert_eq!(
        (ahead(&recording, 0), ahead(&recording, 84)),
        ("1965-01-15".into(), "1972-01-15".into())
    );
    // The turn of the century stays where it is.
    let file = lines("date,x", 84, |i| {
        format!("{:02}/15/{:02},{i}", i % 12 + 1, (95 + i / 12) % 100)
    });
    assert_eq!(ahead(&file.read().unwrap().0, 84), "2002-01-15");
    let file = lines("date,x", 30, |i| {
        format!("{}-Jan-{:02},{i}", 1 + i % 3, 60 + i)
    });
    assert_eq!(ahead(&file.read().unwrap().0, 0), "1960-01-01");
}

/// Fault: a row of totals made the file one without times.
#[test]
fn totals_below_a_table_are_no_rows() {
    for last in ["Total,999", "Grand total,999\nMean,4", "Sum:,999"] {
        let rows: String = (1..=12)
            .map(|m| format!("2023-{m:02},{}\n", m * m))
            .collect();
        let (recording, roles) = csv(&format!("month,sales\n{rows}{last}\n")).read().unwrap();
        assert_eq!(lengths(&recording), [12], "{last}");
        assert_eq!(ahead(&recording, 12), "2024-01-01");
        noted(&roles, "rows from 13 on are totals by month");
    }
    // Among the rows it is no total.
    let (_, roles) = csv("date,x\n2024-01-01,1\nTotal,2\n2024-01-03,3\n")
        .read()
        .unwrap();
    assert!(roles.warnings[0].contains("\"Total\" in row 2"), "{roles}");
}

/// Fault: years alone were left out, years and weeks or days were states.
#[test]
fn years_alone_or_with_weeks_or_days_are_times() {
    let (recording, roles) = lines("year,x", 30, |i| format!("{},{}", 1990 + i, i * i))
        .read()
        .unwrap();
    assert_eq!(roles.time.columns, ["year"]);
    assert_eq!(
        (recording.state_names(), ahead(&recording, 30)),
        (&["x".to_owned()][..], "2020".to_owned())
    );
    let week = |i: usize| format!("{},{},{}", 2021 + i / 52, i % 52 + 1, i * i % 91);
    let (recording, roles) = lines("year,week,x", 104, week).read().unwrap();
    assert_eq!(roles.time.columns, ["year", "week"]);
    assert_eq!(
        (ahead(&recording, 0), ahead(&recording, 104)),
        ("2021-01-04".into(), "2023-01-02".into())
    );
    assert!(roles.warnings.is_empty(), "{roles}");
    let day = |i: usize| format!("{},{},{}", 2021 + i / 365, i % 365 + 1, i * i % 91);
    let (recording, roles) = lines("year,doy,x", 400, day).read().unwrap();
    assert_eq!(roles.time.columns, ["year", "doy"]);
    assert_eq!(ahead(&recording, 400), "2022-02-05");
    // Of a panel in which years repeat, they are no clock and no state.
    let panel = |i: usize| format!("{},{},{}", 1990 + i / 3, i * i % 7, i % 3);
    let (recording, roles) = lines("year,x,y", 30, panel).read().unwrap();
    assert_eq!(recording.state_names(), ["x", "y"], "{roles}");
    assert_eq!(lengths(&recording), [30]);
}

/// Fault: hours such as 0000 to 2300 were the time without their date, and began an episode every day.
#[test]
fn hours_and_minutes_in_one_number_belong_to_their_date() {
    for zeros in [true, false] {
        let time = |i: usize| match zeros {
            true => format!("{:02}30", i % 24),
            false => (100 * (i % 24) + 30).to_string(),
        };
        let file = lines("date,time,x", 60, |i| {
            format!("2024-01-{:02},{},{}", 1 + i / 24, time(i), i * i)
        });
        let (recording, roles) = file.read().unwrap();
        assert_eq!(roles.time.columns, ["date", "time"], "{roles}");
        assert_eq!(
            (lengths(&recording), ahead(&recording, 60)),
            (vec![60], "2024-01-03T12:30:00".to_owned())
        );
    }
}

/// Fault: the hour after an office's last one was in its night.
#[test]
fn clocks_of_offices_leave_out_nights() {
    let file = lines("date,x", 45, |i| {
        format!(
            "2024-01-{:02} {:02}:00,{}",
            1 + i / 9,
            9 + i % 9,
            i * i % 31
        )
    });
    let (recording, _) = file.read().unwrap();
    assert_eq!(ahead(&recording, 45), "2024-01-06T09:00:00");
    // Weeks from Sunday to Thursday.
    let day = |i: usize| format!("2024-01-{:02},{}", 7 + 7 * (i / 5) + i % 5, i * i % 31);
    assert_eq!(
        ahead(&lines("date,x", 15, day).read().unwrap().0, 15),
        "2024-01-28"
    );
}

/// Fault: a plan's 3rd of February was the 2nd of March where the recording wrote days first.
#[test]
fn dates_of_a_plan_are_read_as_those_of_the_recording() {
    let recorded = lines("date,x,action", 31, |i| {
        format!("{:02}/01/2024,{},{i}", i + 1, i * i % 31)
    });
    let plan = lines("date,action", 8, |i| format!("{:02}/02/2024,{i}", i + 1));
    let (recording, _) = recorded.read().unwrap();
    let episode = &recording.episodes()[0];
    let names = ["action".to_owned()];
    let read = |recorded| read_future_actions(&plan.path, &names, None, recorded).unwrap();
    let planned = read(episode.timeline());
    assert!(planned.notes.is_empty(), "{:?}", planned.notes);
    let steps = planned.ahead(episode, 31, 3).unwrap();
    assert_eq!(steps.actions.column(0).to_vec(), [0.0, 1.0, 2.0]);
    assert!(read(None).ahead(episode, 31, 3).is_err());
}

/// Fault: a column with thousands was text, or an error from the first one on.
#[test]
fn quoted_thousands_are_numbers() {
    let file = csv("x,y\n\"1,234\",0.5\n937,1\n\"-12,345,678\",2\n");
    assert_eq!(
        states(&file.read().unwrap().0, 0),
        [[1234.0, 0.5], [937.0, 1.0], [-12_345_678.0, 2.0]]
    );
    for decimal in ["\"0,123\"", "\"1,25\"", "\"1,2345\""] {
        assert!(
            csv(&format!("x,y\n1,2\n{decimal},3\n")).read().is_err(),
            "{decimal}"
        );
    }
}

/// Fault: rows were sorted by the temperature `T`, or it was left out beside a date.
#[test]
fn quantities_under_the_name_of_a_time_are_states() {
    let wave = |i: usize| 10.0 + 3.0 * (i as f64 * 0.7).sin() + (i * 7 % 5) as f64 / 10.0;
    let row = |i: usize| format!("{:.3},{},{}", wave(i), i * i % 31, i * 3 % 17);
    let (recording, roles) = lines("T,RH,P", 60, row).read().unwrap();
    assert_eq!(recording.state_names(), ["RH", "P", "T"], "{roles}");
    let dated = |i: usize| format!("2024-01-01 {:02}:00,{:.3},{}", i, wave(i), i * i % 31);
    for header in ["Date Time,T (degC),rh (%)", "date,T,rh"] {
        let (recording, roles) = lines(header, 24, dated).read().unwrap();
        assert_eq!(recording.state_names().len(), 2, "{roles}");
    }
    // A clock that was shuffled is one.
    let (recording, roles) = lines("t,x", 50, |i| format!("{},{}", i * 7 % 50, i * i))
        .read()
        .unwrap();
    assert_eq!(
        (recording.state_names(), roles.time.columns.len()),
        (&["x".to_owned()][..], 1)
    );
    let (recording, _) = lines("t [s],x", 50, |i| format!("{i},{}", i * i))
        .read()
        .unwrap();
    assert_eq!(recording.state_names(), ["x"]);
}

/// Fault: periods and dates in other words were left out without a word where the newest stood first.
#[test]
fn times_in_words_that_cannot_be_read_are_said() {
    for (header, time) in [
        ("Datum,x", "{} Feb 24 Uhr"),
        ("period,x", "{} or so"),
        ("Quarter,x", "{}. Quartal"),
        ("season,x", "{}/00"),
    ] {
        let file = lines(header, 20, |i| {
            format!("{},{i}", time.replace("{}", &(2030 - i).to_string()))
        });
        let (_, roles) = file.read().unwrap();
        assert!(
            roles
                .warnings
                .iter()
                .any(|warning| warning.contains("cannot be read as a time")),
            "{header}: {roles}"
        );
    }
    let (recording, roles) = lines("TIME_PERIOD,x", 24, |i| {
        format!("{}-M{:02},{i}", 2015 - i / 12, 12 - i % 12)
    })
    .read()
    .unwrap();
    assert_eq!(ahead(&recording, 24), "2016-01-01", "{roles}");
    assert_eq!(states(&recording, 0)[0], [23.0]);
    let (recording, _) = lines("MESS_DATUM,x", 30, |i| {
        format!("202401{:02}{:02},{i}", 1 + i / 24, i % 24)
    })
    .read()
    .unwrap();
    assert_eq!(ahead(&recording, 30), "2024-01-02T06:00:00");
    let row = |i: usize| {
        format!(
            "202401{:02},{},{i}",
            1 + i / 48,
            i % 48 / 2 * 100 + i % 2 * 30
        )
    };
    let (recording, roles) = lines("date,time,x", 100, row).read().unwrap();
    assert_eq!(
        (roles.time.columns.len(), lengths(&recording)),
        (2, vec![100]),
        "{roles}"
    );
    let nasa = |i: usize| format!("2024,1,{},{},{}", 1 + i / 24, i % 24, i * i);
    assert_eq!(
        lines("YEAR,MO,DY,HR,T2M", 50, nasa)
            .read()
            .unwrap()
            .0
            .state_names(),
        ["T2M"]
    );
}

/// Fault: of a file without a header the first row was one if a date stood in it.
#[test]
fn rows_that_begin_with_a_date_are_no_header() {
    let file = csv("2024-01-01,10.5\n2024-01-02,11.5\n2024-01-03,12.25\n");
    let (recording, roles) = file.read().unwrap();
    assert_eq!(states(&recording, 0), [[10.5], [11.5], [12.25]], "{roles}");
    assert_eq!(ahead(&recording, 3), "2024-01-04");
    // Dates as names of columns, and a name beside a year, are headers.
    let file = csv("x,2020\n1,2\n2,3\n4,5\n");
    assert_eq!(file.read().unwrap().0.state_names(), ["x", "2020"]);
}

/// Fault: a share of what was done ended an episode in every row.
#[test]
fn shares_are_no_flags() {
    let (recording, roles) = lines("x,done", 60, |i| {
        format!("{},{}", i * i % 31, i as f64 / 59.0)
    })
    .read()
    .unwrap();
    assert_eq!(lengths(&recording), [60]);
    assert!(
        roles
            .warnings
            .iter()
            .any(|warning| warning.contains("called like a flag")),
        "{roles}"
    );
}

/// Fault: the hour that comes twice in autumn was called rows of one time, of which one is to be kept.
#[test]
fn clocks_that_are_put_back_are_told_from_repeated_rows() {
    let hours = [22, 23, 24, 25, 26, 26, 27, 28, 29];
    let rows = |at: &dyn Fn(usize, i32) -> String| -> String {
        let rows = hours.iter().enumerate();
        let rows = rows.map(|(i, &hour)| format!("{},{}\n", at(i, hour), i * i % 7));
        format!("time,x\n{}", rows.collect::<String>())
    };
    let at = |month: &'static str| {
        move |_: usize, hour: i32| {
            let day = 26 + hour / 24;
            format!("2024-{month}-{day} {:02}:00", hour % 24)
        }
    };
    let refusal = csv(&rows(&at("10"))).refusal();
    assert!(
        refusal
            .starts_with("run.csv: row 6 has time 2024-10-27 02:00:00 again: the clock went back"),
        "{refusal}"
    );
    assert!(refusal.contains("UTC"), "{refusal}");
    // No clock is put back in July, and none at noon.
    let refusal = csv(&rows(&at("07"))).refusal();
    assert!(
        refusal.contains("rows 5 and 6 have the same time"),
        "{refusal}"
    );
    // With their offsets the hours are two.
    let offset = |i: usize, hour: i32| {
        format!(
            "{}{}",
            at("10")(i, hour),
            ["+02:00", "+01:00"][usize::from(i > 4)]
        )
    };
    assert!(csv(&rows(&offset)).read().is_ok());
}

#[test]
fn quarters_of_the_hour_that_comes_twice_are_of_it() {
    let quarters = (0..8).chain(4..12).map(|quarter| {
        let (hour, minute) = (1 + quarter / 4, 15 * (quarter % 4));
        format!(
            "2024-10-27 {hour:02}:{minute:02},{}\n",
            quarter * quarter % 7
        )
    });
    let refusal = csv(&format!("time,x\n{}", quarters.collect::<String>())).refusal();
    assert!(refusal.contains("the clock went back"), "{refusal}");
}

/// The hour that is missing in spring is no gap of the recording.
#[test]
fn a_gap_of_the_hour_that_is_left_out_says_so() {
    let of = |day: &str| {
        let hours =
            [0, 1, 3, 4, 5, 6, 7].map(|hour| format!("{day} {hour:02}:00,{}\n", hour * hour % 7));
        let (_, roles) = csv(&format!("time,x\n{}", hours.concat())).read().unwrap();
        roles.warnings.join(" ")
    };
    let spring = of("2024-03-31");
    assert!(
        spring.contains("1 gap") && spring.contains("the clock went forward"),
        "{spring}"
    );
    let summer = of("2024-07-31");
    assert!(
        summer.contains("1 gap") && !summer.contains("the clock"),
        "{summer}"
    );
}

/// Fault: rows after the end of a counter of four digits were sorted before the others, and counters under names that say
/// nothing were states.
#[test]
fn counters_of_any_number_count_on() {
    for (first, modulus) in [(9_970, 10_000), (970, 1_000), (37, 80)] {
        let file = |name: &str| {
            lines(&format!("{name},x"), 200, |i| {
                format!("{},{}", (first + i) % modulus, i * i % 37)
            })
        };
        let (recording, roles) = file("counter").read().unwrap();
        assert_eq!(lengths(&recording), [200]);
        assert_eq!(states(&recording, 0)[100], [100.0 * 100.0 % 37.0]);
        noted(&roles, &format!("counter is full at {modulus}"));
        assert_eq!(
            ahead(&recording, 200),
            ((first + 200) % modulus).to_string()
        );
        let (recording, _) = file("pkt").read().unwrap();
        assert_eq!(recording.state_names(), ["x"]);
    }
    // Steps of episodes of one length, of which the first is cut off.
    let file = lines("step,obs_x,action", 200, |i| {
        format!("{},{},0.5", (37 + i) % 80, i * i % 37)
    });
    let (recording, _) = file.read().unwrap();
    assert_eq!(lengths(&recording), [43, 80, 77]);
}
