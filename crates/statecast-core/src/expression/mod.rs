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
mod tests;
