//! The columns of an Arrow file, by its schema.

use super::arrow_data::{Field, Type};
use super::flat::{Flat, Items};
use super::source::{Kind, MAX_COLUMNS, Precision};

/// Fields in fields that are looked into.
const DEEPEST: usize = 8;

/// What is said of metadata that cannot be read.
pub(super) fn damaged() -> String {
    "its metadata is damaged".to_owned()
}

impl Field {
    pub(super) fn has_lists(&self) -> bool {
        matches!(self.of, Type::List(_) | Type::FixedList(_))
            || self.children.iter().any(Self::has_lists)
    }

    pub(super) fn with_dictionary(&self, id: i64) -> Option<&Self> {
        match &self.dictionary {
            Some((known, _)) if *known == id => Some(self),
            _ => self
                .children
                .iter()
                .find_map(|child| child.with_dictionary(id)),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self.of {
            Type::Null => Kind::Blank,
            Type::Bool | Type::Signed(_) | Type::Unsigned(_) | Type::Float(_) => Kind::Number,
            Type::Decimal(..) => Kind::Number,
            Type::Time(..) => Kind::Date(Precision::Time),
            Type::Text(_) | Type::TextView => Kind::Text,
            Type::Struct | Type::List(_) | Type::FixedList(_) => {
                Kind::Unusable("nested; save one column per number".to_owned())
            }
            Type::Other(_, reason) => Kind::Unusable(reason.to_owned()),
        }
    }
}

/// The fields of a schema or of a field.
pub(super) fn fields(items: Items, depth: usize) -> Result<Vec<Field>, String> {
    if depth > DEEPEST {
        return Err("its columns are nested too deeply".to_owned());
    }
    if items.count > MAX_COLUMNS {
        return Err(format!("it has more than {MAX_COLUMNS} columns"));
    }
    let field = |index| {
        let field = items.table(index).ok_or_else(damaged)?;
        let dictionary = field.table(4).map(|dictionary| {
            let of = dictionary
                .table(1)
                .map_or(Type::Signed(4), |index| integer(&index));
            (dictionary.long(0).unwrap_or(0), of)
        });
        Ok(Field {
            name: field.text(0).unwrap_or_default(),
            of: field_type(&field),
            children: fields(field.items(5, 4).ok_or_else(damaged)?, depth + 1)?,
            dictionary,
        })
    };
    (0..items.count).map(field).collect()
}

fn integer(of: &Flat) -> Type {
    let size = match of.int(0) {
        Some(bits @ (8 | 16 | 32 | 64)) => bits as usize / 8,
        _ => return Type::Other(2, "an integer of an unusual size"),
    };
    match of.byte(1) == Some(1) {
        true => Type::Signed(size),
        false => Type::Unsigned(size),
    }
}

fn field_type(field: &Flat) -> Type {
    const SECOND: i128 = 1_000_000_000;
    let unit = |number: Option<i16>| match number.unwrap_or(0) {
        0 => SECOND,
        1 => SECOND / 1000,
        2 => 1000,
        _ => 1,
    };
    let empty = || Type::Other(0, "of a type that is not known");
    let Some(of) = field.table(3) else {
        return empty();
    };
    match field.byte(2).unwrap_or(0) {
        1 => Type::Null,
        2 => integer(&of),
        3 => Type::Float(match of.short(0).unwrap_or(0) {
            0 => 2,
            1 => 4,
            _ => 8,
        }),
        4 => Type::Other(3, "raw bytes"),
        5 => Type::Text(4),
        6 => Type::Bool,
        7 => match of.int(2).unwrap_or(128) {
            bits @ (32 | 64 | 128 | 256) => {
                Type::Decimal(bits as usize / 8, of.int(1).unwrap_or(0))
            }
            _ => Type::Other(2, "a decimal of an unusual size"),
        },
        8 => match of.short(0) {
            Some(0) => Type::Time(4, 86_400 * SECOND),
            _ => Type::Time(8, SECOND / 1000),
        },
        // A time of day.
        9 => Type::Signed(of.int(1).map_or(4, |bits| if bits == 64 { 8 } else { 4 })),
        10 => Type::Time(8, unit(of.short(0))),
        11 => Type::Other(2, "a span of time"),
        12 | 17 => Type::List(4),
        13 => Type::Struct,
        14 => Type::Other(1 + usize::from(of.short(0) == Some(1)), "a union"),
        15 => Type::Other(2, "raw bytes"),
        16 => Type::FixedList(
            of.int(0)
                .and_then(|size| usize::try_from(size).ok())
                .unwrap_or(0),
        ),
        18 => Type::Signed(8),
        19 => Type::Other(3, "raw bytes"),
        20 => Type::Text(8),
        21 => Type::List(8),
        23 | 24 => Type::TextView,
        25 | 26 => Type::Other(3, "a view of lists"),
        _ => empty(),
    }
}
