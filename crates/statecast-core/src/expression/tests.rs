use super::*;
use proptest::prelude::*;

const ROW: [f64; 3] = [3.0, -4.0, 0.5];

fn names() -> Vec<String> {
    ["x", "y.dot", "theta (rad)"].map(str::to_owned).into()
}

fn value(text: &str) -> f64 {
    let program = text.parse::<Expression>().unwrap().bind(&names()).unwrap();
    program.value(&ROW)
}

fn error(text: &str) -> String {
    let parsed = text.parse::<Expression>().and_then(|e| e.bind(&names()));
    parsed.unwrap_err().to_string()
}

#[test]
fn operators_bind_as_in_mathematics() {
    let cases = [
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("8 - 3 - 2", 3.0),
        ("8 / 4 / 2", 1.0),
        ("2 ^ 3 ^ 2", 512.0),
        ("-2 ^ 2", -4.0),
        ("(-2) ^ 2", 4.0),
        ("2 ^ -1", 0.5),
        ("2 * -3", -6.0),
        ("- - 2", 2.0),
        ("1.5e2 + .5 + 2E-1 + 3.", 153.7),
    ];
    for (text, expected) in cases {
        assert!((value(text) - expected).abs() < 1e-12, "{text}");
    }
}

#[test]
fn functions_and_names_have_their_values() {
    let cases = [
        ("sqrt(x^2 + y.dot^2)", 5.0),
        ("hypot(x, y.dot)", 5.0),
        ("atan2(y.dot, x)", (-4.0f64).atan2(3.0)),
        ("min(x, y.dot, 1) + max(1, 2, x)", -1.0),
        ("\"theta (rad)\" + `x` + 'x'", 6.5),
        ("sin(pi / 6) + cos(0) + tan(0)", 1.5),
        ("asin(1) + acos(1) + atan(0)", PI / 2.0),
        ("log(exp(2)) * abs(y.dot)", 8.0),
    ];
    for (text, expected) in cases {
        assert!((value(text) - expected).abs() < 1e-12, "{text}");
    }
    assert!(value("sqrt(y.dot)").is_nan());
    assert!(value("max(sqrt(y.dot), 1)").is_nan() && value("min(1, sqrt(y.dot))").is_nan());
}

#[test]
fn comparisons_are_1_or_0() {
    let cases = [
        ("x > 2", 1.0),
        ("x >= 3 and y.dot<=-4", 1.0),
        ("x < 3 or x != 3 or x == 2", 0.0),
        ("1 + 2 > 2 + 0", 1.0),
        ("0 or 5", 1.0),
        ("1 or 0 and 0", 1.0),
        ("(1 or 0) and 0", 0.0),
        ("2 * (x > 2) - (x < 2)", 2.0),
        ("max(x > 2, 0) + min(x<2, 1)", 1.0),
    ];
    for (text, expected) in cases {
        assert_eq!(value(text), expected, "{text}");
    }
    assert!(value("1 / 0 > 1 or 1").is_nan());
}

/// A name that begins or ends as a word of the language is a name.
#[test]
fn names_hold_words() {
    let names = ["order", "android", "or"].map(str::to_owned);
    let program = "order + android and 'or'".parse::<Expression>().unwrap();
    assert_eq!(program.bind(&names).unwrap().value(&[1.0, 1.0, 2.0]), 1.0);
    assert_eq!(program.to_string(), "order + android and 'or'");
}

#[test]
fn a_variable_may_be_called_pi() {
    let program = "2 * pi".parse::<Expression>().unwrap();
    let program = program.bind(&["pi".to_owned()]).unwrap();
    assert_eq!(program.value(&[3.0]), 6.0);
}

#[test]
fn errors_say_where_and_what() {
    let cases = [
        ("", "it ends where a number, a name or '(' should be"),
        ("x +", "it ends where a number"),
        ("1 + ) ", "position 5: ')' where a number"),
        ("2 x", "position 3: 'x' where an operator"),
        ("2e", "position 2: 'e' where an operator"),
        (
            "ä * vz",
            "position 1: no variable 'ä'; there are x, y.dot, theta (rad)",
        ),
        ("x * vz", "position 5: no variable 'vz'"),
        ("x + \"pi\"", "no variable 'pi'"),
        (
            "sinus(x)",
            "position 1: no function 'sinus'; there are sin, ",
        ),
        ("1 + sqrt(x, x)", "position 5: sqrt takes 1 argument, not 2"),
        ("hypot(x)", "hypot takes 2 arguments, not 1"),
        ("min(x)", "min takes 2 or more arguments, not 1"),
        ("(x", "it ends where an operator or ')'"),
        ("sin(x", "it ends where an operator, ',' or ')'"),
        ("sin()", "position 5: ')' where a number"),
        ("'x", "position 1: the quotation mark is not closed"),
        (".", "position 1: '.' where a number"),
        ("2 * Infinity", "position 5: numbers must be finite"),
        ("x + nan", "position 5: numbers must be finite"),
        ("x * 1e999", "position 5: numbers must be finite"),
        ("x = 2", "position 3: '=' where an operator"),
        ("0 < x < 1", "position 8: one comparison after another"),
        ("x > ", "it ends where a number"),
        ("x and", "it ends where a number"),
    ];
    for (text, says) in cases {
        assert!(error(text).contains(says), "{text}: {}", error(text));
    }
}

#[test]
fn no_text_exhausts_the_stack() {
    let nested = |n: usize| format!("{}x{}", "(".repeat(n), ")".repeat(n));
    assert!(nested(MAX_DEPTH).parse::<Expression>().is_ok());
    assert!(error(&nested(MAX_DEPTH + 1)).contains("nested more than 64"));
    assert!(error(&"-".repeat(2000)).contains("nested"));
    assert!(error(&format!("x{}", "^x".repeat(2000))).contains("nested"));
    assert!(error(&"sin(".repeat(1000)).contains("nested"));
    assert!(error(&"x+".repeat(MAX_LENGTH)).contains("too long"));
    assert!(value(&format!("0{}", "+1".repeat(2000))) == 2000.0);
}

proptest! {
    #[test]
    fn any_text_is_an_expression_or_an_error(text in "[-x0-9.e+*/^(), '\"a-z<>=!\u{e4}]{0,40}") {
        if let Ok(program) = text.parse::<Expression>().and_then(|e| e.bind(&names())) {
            program.value(&ROW);
        }
    }

    /// What is printed is read as what it was.
    #[test]
    fn trees_are_read_as_they_are_printed((text, expected) in trees()) {
        let found = value(&text);
        let parsed: Expression = text.parse().unwrap();
        prop_assert_eq!(parsed.to_string(), text.clone());
        prop_assert!(
            found == expected || (found.is_nan() && expected.is_nan()),
            "{}: {} {}", text, found, expected
        );
    }
}

/// Texts of random trees, with their values in [`ROW`]: NaN where a part is not finite.
fn trees() -> impl Strategy<Value = (String, f64)> {
    let leaves = prop_oneof![
        (0u8..100).prop_map(|n| (format!("{n}"), f64::from(n))),
        Just(("x".to_owned(), ROW[0])),
        Just(("y.dot".to_owned(), ROW[1])),
        Just(("\"theta (rad)\"".to_owned(), ROW[2])),
        Just(("pi".to_owned(), PI)),
    ];
    fn defined(value: f64) -> f64 {
        if value.is_finite() { value } else { f64::NAN }
    }
    leaves.prop_recursive(5, 40, 2, |inner| {
        let operators: [(&str, OfTwo); 9] = [
            ("+", |a, b| a + b),
            ("-", |a, b| a - b),
            ("*", |a, b| a * b),
            ("/", |a, b| a / b),
            ("<", |a, b| f64::from(a < b)),
            (">=", |a, b| f64::from(a >= b)),
            ("!=", |a, b| f64::from(a != b)),
            ("and", |a, b| f64::from(a != 0.0 && b != 0.0)),
            ("or", |a, b| f64::from(a != 0.0 || b != 0.0)),
        ];
        let of_two = (
            prop::sample::select(operators.to_vec()),
            inner.clone(),
            inner.clone(),
        );
        let of_one = (prop::sample::select(UNARY.to_vec()), inner);
        let both = |a: f64, b: f64| a.is_finite() && b.is_finite();
        prop_oneof![
            of_two.prop_map(move |((sign, function), (a, x), (b, y))| {
                let value = if both(x, y) {
                    defined(function(x, y))
                } else {
                    f64::NAN
                };
                (format!("({a} {sign} {b})"), value)
            }),
            of_one.prop_map(|((name, function), (a, x))| {
                let value = if x.is_finite() {
                    defined(function(x))
                } else {
                    f64::NAN
                };
                (format!("{name}({a})"), value)
            }),
        ]
    })
}
