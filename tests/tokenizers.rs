//! The audit on the tokenizer files of open models. They are not part of the repository; without
//! them (`../shared/tokenizers`) this test does nothing.
//!
//! The table of `docs/tokenizers.md` is what this test finds; `UPDATE_DOCS=1` writes it anew.

use std::path::Path;

use statecast::codec::{TokenTable, builtin_formats};
use statecast::model::read_tokenizer;

const MARK: &str = "<!-- table made by tests/tokenizers.rs -->\n";

/// Folder, and the models that use the tokenizer.
const TOKENIZERS: [(&str, &str); 9] = [
    ("llama3", "Llama 3 and 4"),
    ("olmo2", "OLMo 2 (and GPT-3.5/4's cl100k)"),
    ("qwen", "Qwen 2, 2.5 and 3"),
    ("smollm", "SmolLM, SmolLM 2"),
    ("llama2", "Llama 2, Mistral 7B v0.1"),
    ("phi3-mini", "Phi-3"),
    ("falcon", "Falcon"),
    ("pythia-gpt-neox", "Pythia, GPT-NeoX, OLMo 1"),
    ("phi2-gpt2", "GPT-2, Phi-2"),
];

fn row(folder: &Path, models: &str) -> String {
    let tokenizer = read_tokenizer(&folder.join("tokenizer.json")).unwrap();
    let formats = builtin_formats().unwrap();
    let mut cells: Vec<String> = formats
        .iter()
        .map(|format| match TokenTable::audit(&tokenizer, format) {
            Ok(table) => table.stride().to_string(),
            Err(_) => "–".to_owned(),
        })
        .collect();
    cells.insert(0, models.to_owned());
    match TokenTable::choose(&tokenizer, &formats) {
        Ok(table) => {
            let prefix: Vec<String> = table
                .prefix()
                .iter()
                .map(|&id| format!("`{}`", tokenizer.id_to_token(id).unwrap_or_default()))
                .collect();
            let before = if prefix.is_empty() {
                "nothing".to_owned()
            } else {
                prefix.join(" ")
            };
            cells.extend([table.format().name.clone(), before]);
        }
        Err(_) => cells.extend(["none".to_owned(), String::new()]),
    }
    format!("| {} |\n", cells.join(" | "))
}

#[test]
fn docs_state_what_the_audit_finds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("../shared/tokenizers");
    if !folder.exists() {
        eprintln!("skipped: {} is not there", folder.display());
        return;
    }
    let names: Vec<String> = builtin_formats()
        .unwrap()
        .into_iter()
        .map(|f| format!("`{}`", f.name))
        .collect();
    let mut table = format!(
        "{MARK}| tokenizer of | {} | chosen | before the first number |\n|{}\n",
        names.join(" | "),
        "---|".repeat(names.len() + 3)
    );
    for (name, models) in TOKENIZERS {
        table += &row(&folder.join(name), models);
    }
    let docs = root.join("docs/tokenizers.md");
    let text = std::fs::read_to_string(&docs).unwrap();
    let (before, rest) = text.split_once(MARK).unwrap();
    let after = rest.split_once("\n\n").map_or("", |(_, after)| after);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&docs, format!("{before}{table}\n{after}")).unwrap();
    } else {
        assert!(
            text.contains(&table),
            "docs/tokenizers.md should say\n{table}"
        );
    }
}
