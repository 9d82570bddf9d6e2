//! Open models that are known to work: their family and their tokenizer are supported.

use serde::{Deserialize, Serialize};

const CATALOG: &str = include_str!("../../models/catalog.toml");

/// A model of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogEntry {
    /// `ORGANISATION/NAME` on the hub.
    pub id: String,
    /// `model_type` of its config.json.
    pub family: String,
    /// Parameters in millions.
    pub parameters: u32,
    /// Tokens that it can read.
    pub window: u32,
    /// Its licence, as the hub abbreviates it.
    pub licence: String,
    /// Whether a licence must be accepted first.
    pub gated: bool,
    /// Prompt format that its tokenizer supports.
    pub format: String,
    /// How to get its weights where the hub cannot be reached.
    #[serde(default)]
    pub offline: Option<String>,
}

#[derive(Deserialize)]
struct Catalog {
    model: Vec<CatalogEntry>,
}

/// The embedded catalog.
///
/// # Errors
/// If the embedded file is broken, which a test rules out.
pub fn catalog() -> Result<Vec<CatalogEntry>, toml::de::Error> {
    Ok(toml::from_str::<Catalog>(CATALOG)?.model)
}

#[cfg(test)]
mod tests {
    use super::super::{FAMILIES, HubModel};
    use super::*;
    use crate::codec::builtin_formats;

    #[test]
    fn catalog_names_models_that_are_supported() {
        let models = catalog().unwrap();
        assert!(models.len() >= 15);
        let formats = builtin_formats().unwrap();
        for model in models {
            assert!(FAMILIES.contains(&model.family.as_str()), "{}", model.id);
            assert!(
                formats.iter().any(|f| f.name == model.format),
                "{}",
                model.id
            );
            assert_eq!(HubModel::parse(&model.id).unwrap().id, model.id);
        }
    }
}
