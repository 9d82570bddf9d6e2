//! Arithmetic expressions: text to a short program for a stack of numbers.
//!
//! The crates that do this are under the AGPL (evalexpr), no longer maintained (meval, fasteval) or
//! do not say where an error stands (exmex).

mod parser;

use std::f64::consts::PI;
use std::str::FromStr;

use parser::Parser;
pub(crate) use parser::{begins_name, goes_on_name};

/// Longest text, in bytes.
const MAX_LENGTH: usize = 4096;

/// Deepest nesting of parentheses, signs and powers.
const MAX_DEPTH: usize = 64;

/// The beginning of a text that is too long for a message.
pub(crate) fn shortened(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Why a text is no expression. Positions count the expression's characters from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpressionError {
    /// More text than is read.
    #[error("{0} bytes are too long: an expression has at most {MAX_LENGTH}")]
    TooLong(usize),
    /// More nesting than is read.
    #[error("position {0}: nested more than {MAX_DEPTH} levels deep")]
    TooDeep(usize),
    /// A character that cannot stand where it stands.
    #[error("position {position}: '{found}' where {expected} should be")]
    Unexpected {
        /// Where it stands.
        position: usize,
        /// The character.
        found: char,
        /// What could stand there.
        expected: &'static str,
    },
    /// The text ends too early.
    #[error("it ends where {0} should be")]
    Ended(&'static str),
    /// A quoted name without its end.
    #[error("position {0}: the quotation mark is not closed")]
    Unclosed(usize),
    /// A function that does not exist.
    #[error(
        "position {position}: no function '{}'; there are {}",
        shortened(name),
        functions()
    )]
    UnknownFunction {
        /// Where it stands.
        position: usize,
        /// Its name.
        name: String,
    },
    /// A function with too many or too few arguments.
    #[error("position {position}: {name} takes {expected}, not {found}")]
    Arguments {
        /// Where the function stands.
        position: usize,
        /// Its name.
        name: &'static str,
        /// How many it takes.
        expected: &'static str,
        /// How many are given.
        found: usize,
    },
    /// A number that is infinite or none.
    #[error("position {0}: numbers must be finite")]
    NotFinite(usize),
    /// A comparison of a comparison, as `0 < x < 1`.
    #[error("position {0}: one comparison after another; write 'a < b and b < c'")]
    Chained(usize),
    /// A name that nothing has.
    #[error(
        "position {position}: no variable '{}'; there are {known}",
        shortened(name)
    )]
    UnknownName {
        /// Where it stands.
        position: usize,
        /// The name.
        name: String,
        /// Names that there are, or the first of them.
        known: String,
    },
}

type OfOne = fn(f64) -> f64;
type OfTwo = fn(f64, f64) -> f64;

/// Functions of one number.
const UNARY: [(&str, OfOne); 10] = [
    ("sin", f64::sin),
    ("cos", f64::cos),
    ("tan", f64::tan),
    ("asin", f64::asin),
    ("acos", f64::acos),
    ("atan", f64::atan),
    ("sqrt", f64::sqrt),
    ("exp", f64::exp),
    ("log", f64::ln),
    ("abs", f64::abs),
];

/// Functions of two numbers.
const BINARY: [(&str, OfTwo); 2] = [("atan2", f64::atan2), ("hypot", f64::hypot)];

/// Functions of two or more numbers. One that is not a number is not passed over, as by
/// [`f64::min`].
const FOLDS: [(&str, OfTwo); 2] = [("min", least), ("max", greatest)];

fn least(a: f64, b: f64) -> f64 {
    if b < a || b.is_nan() { b } else { a }
}

fn greatest(a: f64, b: f64) -> f64 {
    if b > a || b.is_nan() { b } else { a }
}

fn functions() -> String {
    let unary = UNARY.iter().map(|(name, _)| *name);
    let more = BINARY.iter().chain(&FOLDS).map(|(name, _)| *name);
    unary.chain(more).collect::<Vec<_>>().join(", ")
}

/// One step of a program.
#[derive(Debug, Clone, Copy)]
enum Step {
    Number(f64),
    /// The value of a name, by its place among the expression's names.
    Name(usize),
    Negative,
    /// Replaces the last number by a function of it.
    Unary(OfOne),
    /// Replaces the last two numbers by a function of them.
    Binary(OfTwo),
}

/// A name in an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mention {
    name: String,
    /// Of its first mention, from 1.
    position: usize,
    /// Whether it was written in quotation marks.
    quoted: bool,
}

/// An expression of numbers, names, operators and functions, whose names mean nothing yet.
///
/// It has `+ - * / ^`, parentheses, numbers, `pi`, names (in quotation marks where they hold other characters than letters,
/// digits, `_` and `.`), the functions `sin cos tan asin acos atan atan2 sqrt exp log abs min max hypot` (`log` is the
/// natural logarithm, angles are in radians), the comparisons `< <= > >= == !=`, which are 1 where they hold and 0 elsewhere,
/// and `and` and `or`, for which every number but 0 holds.
///
/// ```
/// use statecast::expression::Expression;
/// let fallen: Expression = "abs(theta) > pi / 15 or abs(x) > 2.4".parse()?;
/// let fallen = fallen.bind(&["x".to_owned(), "theta".to_owned()])?;
/// assert_eq!(fallen.value(&[0.0, 0.3]), 1.0);
/// assert_eq!(fallen.value(&[0.0, 0.1]), 0.0);
/// # Ok::<(), statecast::expression::ExpressionError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Expression {
    text: String,
    steps: Vec<Step>,
    mentions: Vec<Mention>,
}

/// An expression whose names are columns of rows.
#[derive(Debug, Clone)]
pub struct Program(Vec<Step>);

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl std::fmt::Display for Expression {
    /// The text that it was read from.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Expression {
    type Err = ExpressionError;

    fn from_str(text: &str) -> Result<Self, ExpressionError> {
        if text.len() > MAX_LENGTH {
            return Err(ExpressionError::TooLong(text.len()));
        }
        Parser::new(text.trim()).parse()
    }
}

impl Expression {
    /// Names that stand in it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.mentions.iter().map(|mention| &mention.name[..])
    }

    /// The program on rows whose columns have these names.
    ///
    /// # Errors
    /// [`ExpressionError::UnknownName`], or [`ExpressionError::NotFinite`] for `inf` and `nan`.
    pub fn bind(&self, names: &[String]) -> Result<Program, ExpressionError> {
        self.bind_by(names, |name| names.iter().position(|known| known == name))
    }

    /// The program on rows in which `column` finds a name's place. Errors list the names `known`.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn bind_by(
        &self,
        known: &[String],
        column: impl Fn(&str) -> Option<usize>,
    ) -> Result<Program, ExpressionError> {
        let meanings = self
            .mentions
            .iter()
            .map(|mention| match column(&mention.name) {
                Some(column) => Ok(Step::Name(column)),
                None if mention.name == "pi" && !mention.quoted => Ok(Step::Number(PI)),
                None if is_not_finite(&mention.name) && !mention.quoted => {
                    Err(ExpressionError::NotFinite(mention.position))
                }
                None => Err(ExpressionError::UnknownName {
                    position: mention.position,
                    name: mention.name.clone(),
                    known: listed(known),
                }),
            });
        let meanings: Vec<Step> = meanings.collect::<Result<_, _>>()?;
        let steps = self.steps.iter().map(|&step| match step {
            Step::Name(mention) => meanings[mention],
            other => other,
        });
        Ok(Program(steps.collect()))
    }
}

/// Whether a name is that of a number which is infinite or none.
fn is_not_finite(name: &str) -> bool {
    name.parse().is_ok_and(|number: f64| !number.is_finite())
}

/// Names, at most so many that they can be read.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 20;
    let first: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

impl Program {
    /// The value in a row, NaN if that of a part is not finite.
    ///
    /// # Panics
    /// If the row has fewer columns than it was bound to.
    pub fn value(&self, row: &[f64]) -> f64 {
        self.value_with(row, &mut Vec::new())
    }

    /// The same with scratch room, for many rows.
    pub(crate) fn value_with(&self, row: &[f64], stack: &mut Vec<f64>) -> f64 {
        stack.clear();
        for step in &self.0 {
            let pushed = match *step {
                Step::Number(number) => number,
                Step::Name(column) => row[column],
                Step::Negative => -popped(stack),
                Step::Unary(function) => function(popped(stack)),
                Step::Binary(function) => {
                    let second = popped(stack);
                    function(popped(stack), second)
                }
            };
            if !pushed.is_finite() {
                return f64::NAN;
            }
            stack.push(pushed);
        }
        popped(stack)
    }
}

fn popped(stack: &mut Vec<f64>) -> f64 {
    stack
        .pop()
        .expect("the parser puts the operands of every step before it")
}

#[cfg(test)]
mod tests {
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
}
