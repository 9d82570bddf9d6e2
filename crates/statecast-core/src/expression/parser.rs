//! Text of an expression to the steps of a program.
//!
//! A recursive-descent parser, bounded in length and depth, so that no text can exhaust the stack.
//!
//! ```text
//! either  = both { "or" both }
//! both    = order { "and" order }
//! order   = sum [ ("<" | "<=" | ">" | ">=" | "==" | "!=") sum ]
//! sum     = product { ("+" | "-") product }
//! product = sign { ("*" | "/") sign }
//! sign    = ("-" | "+") sign | power
//! power   = atom [ "^" sign ]                    right to left: -x^2 is -(x^2), 2^-1 is a half
//! atom    = number | name | function "(" either { "," either } ")" | "(" either ")"
//! ```

use std::iter::Peekable;
use std::str::CharIndices;

use super::{BINARY, Expression, ExpressionError, FOLDS, MAX_DEPTH, Mention, OfTwo, Step, UNARY};

/// What is left of a text, and what was read of it.
pub(super) struct Parser<'t> {
    text: &'t str,
    left: Peekable<CharIndices<'t>>,
    depth: usize,
    expression: Expression,
}

impl<'t> Parser<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            left: text.char_indices().peekable(),
            depth: 0,
            expression: Expression {
                text: text.to_owned(),
                steps: Vec::new(),
                mentions: Vec::new(),
            },
        }
    }

    /// The whole text as an expression.
    pub(super) fn parse(mut self) -> Result<Expression, ExpressionError> {
        self.either()?;
        match self.peek() {
            Some(_) => Err(self.unexpected("an operator or the end")),
            None => Ok(self.expression),
        }
    }

    /// The next character that is no white space.
    fn peek(&mut self) -> Option<char> {
        while self.left.next_if(|(_, c)| c.is_whitespace()).is_some() {}
        self.left.peek().map(|&(_, c)| c)
    }

    /// Whether the next character is this one, which is then taken.
    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.left.next();
        }
        found
    }

    /// Bytes before the next character.
    fn offset(&mut self) -> usize {
        self.left.peek().map_or(self.text.len(), |&(at, _)| at)
    }

    /// Position of the next character, from 1.
    fn position(&mut self) -> usize {
        let before = self.offset();
        self.text[..before].chars().count() + 1
    }

    fn unexpected(&mut self, expected: &'static str) -> ExpressionError {
        match self.peek() {
            Some(found) => ExpressionError::Unexpected {
                position: self.position(),
                found,
                expected,
            },
            None => ExpressionError::Ended(expected),
        }
    }

    fn push(&mut self, step: Step) {
        self.expression.steps.push(step);
    }

    /// Runs a rule one level deeper.
    fn deeper(
        &mut self,
        rule: fn(&mut Self) -> Result<(), ExpressionError>,
    ) -> Result<(), ExpressionError> {
        if self.depth == MAX_DEPTH {
            return Err(ExpressionError::TooDeep(self.position()));
        }
        self.depth += 1;
        rule(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn either(&mut self) -> Result<(), ExpressionError> {
        self.both()?;
        while self.take_word("or") {
            self.both()?;
            self.push(Step::Binary(|a, b| truth(a != 0.0 || b != 0.0)));
        }
        Ok(())
    }

    fn both(&mut self) -> Result<(), ExpressionError> {
        self.order()?;
        while self.take_word("and") {
            self.order()?;
            self.push(Step::Binary(|a, b| truth(a != 0.0 && b != 0.0)));
        }
        Ok(())
    }

    /// One comparison: a chain of them, as 0 < x < 1, would not mean what it says.
    fn order(&mut self) -> Result<(), ExpressionError> {
        self.sum()?;
        let Some(function) = self.comparison() else {
            return Ok(());
        };
        self.sum()?;
        self.push(Step::Binary(function));
        match self.comparison() {
            Some(_) => Err(ExpressionError::Chained(self.position())),
            None => Ok(()),
        }
    }

    /// A comparison, which is then taken.
    fn comparison(&mut self) -> Option<OfTwo> {
        self.peek();
        let rest = &self.text[self.offset()..];
        let found = COMPARISONS
            .iter()
            .find(|(sign, _)| rest.starts_with(sign))?;
        found.0.chars().for_each(|_| {
            self.left.next();
        });
        Some(found.1)
    }

    /// Whether the next word is this one, which is then taken.
    fn take_word(&mut self, word: &str) -> bool {
        self.peek();
        let rest = self.text[self.offset()..].strip_prefix(word);
        let found = rest.is_some_and(|rest| !rest.starts_with(goes_on_name));
        if found {
            word.chars().for_each(|_| {
                self.left.next();
            });
        }
        found
    }

    fn sum(&mut self) -> Result<(), ExpressionError> {
        self.product()?;
        loop {
            let function: OfTwo = match self.peek() {
                Some('+') => |a, b| a + b,
                Some('-') => |a, b| a - b,
                _ => return Ok(()),
            };
            self.left.next();
            self.product()?;
            self.push(Step::Binary(function));
        }
    }

    fn product(&mut self) -> Result<(), ExpressionError> {
        self.sign()?;
        loop {
            let function: OfTwo = match self.peek() {
                Some('*') => |a, b| a * b,
                Some('/') => |a, b| a / b,
                _ => return Ok(()),
            };
            self.left.next();
            self.sign()?;
            self.push(Step::Binary(function));
        }
    }

    fn sign(&mut self) -> Result<(), ExpressionError> {
        if self.take('-') {
            self.deeper(Self::sign)?;
            self.push(Step::Negative);
            return Ok(());
        }
        match self.take('+') {
            true => self.deeper(Self::sign),
            false => self.power(),
        }
    }

    fn power(&mut self) -> Result<(), ExpressionError> {
        self.atom()?;
        if self.take('^') {
            self.deeper(Self::sign)?;
            self.push(Step::Binary(f64::powf));
        }
        Ok(())
    }

    fn atom(&mut self) -> Result<(), ExpressionError> {
        match self.peek() {
            Some('(') => {
                self.left.next();
                self.deeper(Self::either)?;
                match self.take(')') {
                    true => Ok(()),
                    false => Err(self.unexpected("an operator or ')'")),
                }
            }
            Some(c) if c.is_ascii_digit() || c == '.' => self.number(),
            Some(quote @ ('"' | '\'' | '`')) => self.quoted(quote),
            Some(c) if begins_name(c) => self.word(),
            _ => Err(self.unexpected("a number, a name or '('")),
        }
    }

    fn number(&mut self) -> Result<(), ExpressionError> {
        let (start, position) = (self.offset(), self.position());
        self.digits();
        if self.left.next_if(|(_, c)| *c == '.').is_some() {
            self.digits();
        }
        // An exponent needs a digit; without one the letter is not part of the number.
        let rest = self.text[self.offset()..].strip_prefix(['e', 'E']);
        let rest = rest.map(|rest| rest.strip_prefix(['+', '-']).unwrap_or(rest));
        if rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
            self.left.next();
            self.left.next_if(|(_, c)| matches!(c, '+' | '-'));
            self.digits();
        }
        let end = self.offset();
        let number = self.text[start..end].parse();
        let number = number.map_err(|_| ExpressionError::Unexpected {
            position,
            found: '.',
            expected: "a number",
        })?;
        match f64::is_finite(number) {
            true => {
                self.push(Step::Number(number));
                Ok(())
            }
            false => Err(ExpressionError::NotFinite(position)),
        }
    }

    fn digits(&mut self) {
        while self.left.next_if(|(_, c)| c.is_ascii_digit()).is_some() {}
    }

    fn quoted(&mut self, quote: char) -> Result<(), ExpressionError> {
        let position = self.position();
        self.left.next();
        let start = self.offset();
        while self.left.next_if(|(_, c)| *c != quote).is_some() {}
        let end = self.offset();
        if self.left.next().is_none() {
            return Err(ExpressionError::Unclosed(position));
        }
        self.mention(self.text[start..end].to_owned(), position, true);
        Ok(())
    }

    /// A name or a function with its arguments.
    fn word(&mut self) -> Result<(), ExpressionError> {
        let (start, position) = (self.offset(), self.position());
        while self.left.next_if(|(_, c)| goes_on_name(*c)).is_some() {}
        let end = self.offset();
        let name = &self.text[start..end];
        if self.peek() != Some('(') {
            self.mention(name.to_owned(), position, false);
            return Ok(());
        }
        self.left.next();
        let mut found = 0;
        // After each argument but the first, what folds is applied at once.
        let fold = FOLDS.iter().find(|(known, _)| *known == name);
        loop {
            self.deeper(Self::either)?;
            found += 1;
            if let (Some((_, function)), true) = (fold, found > 1) {
                self.push(Step::Binary(*function));
            }
            if self.take(')') {
                break;
            }
            if !self.take(',') {
                return Err(self.unexpected("an operator, ',' or ')'"));
            }
        }
        self.call(name, position, found)
    }

    /// Applies a function to arguments that have been read.
    fn call(&mut self, name: &str, position: usize, found: usize) -> Result<(), ExpressionError> {
        let unary = UNARY.iter().find(|(known, _)| *known == name);
        let binary = BINARY.iter().find(|(known, _)| *known == name);
        let fold = FOLDS.iter().find(|(known, _)| *known == name);
        let wrong = |name, expected| {
            Err(ExpressionError::Arguments {
                position,
                name,
                expected,
                found,
            })
        };
        match (unary, binary, fold) {
            (Some((name, _)), ..) if found != 1 => wrong(*name, "1 argument"),
            (_, Some((name, _)), _) if found != 2 => wrong(*name, "2 arguments"),
            (.., Some((name, _))) if found < 2 => wrong(*name, "2 or more arguments"),
            (Some((_, function)), ..) => {
                self.push(Step::Unary(*function));
                Ok(())
            }
            (_, Some((_, function)), _) => {
                self.push(Step::Binary(*function));
                Ok(())
            }
            (.., Some(_)) => Ok(()),
            _ => Err(ExpressionError::UnknownFunction {
                position,
                name: name.to_owned(),
            }),
        }
    }

    fn mention(&mut self, name: String, position: usize, quoted: bool) {
        let mentions = &mut self.expression.mentions;
        let known = mentions
            .iter()
            .position(|m| m.name == name && m.quoted == quoted);
        let place = known.unwrap_or_else(|| {
            mentions.push(Mention {
                name,
                position,
                quoted,
            });
            mentions.len() - 1
        });
        self.push(Step::Name(place));
    }
}

/// Comparisons, the longer of two that begin alike first.
const COMPARISONS: [(&str, OfTwo); 6] = [
    ("<=", |a, b| truth(a <= b)),
    (">=", |a, b| truth(a >= b)),
    ("==", |a, b| truth(a == b)),
    ("!=", |a, b| truth(a != b)),
    ("<", |a, b| truth(a < b)),
    (">", |a, b| truth(a > b)),
];

fn truth(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

pub(crate) fn begins_name(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

pub(crate) fn goes_on_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '.'
}
