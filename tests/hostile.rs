//! Models from outside that are damaged or mean harm: every one is an error that names its file, none
//! a panic, none a huge allocation.

use serde_json::{Value, json};
use statecast::codec::{Bin, builtin_formats};
use statecast::forecast::{Session, Temperature, Tolerance};
use statecast::model::{Device, Model, ModelError, ModelSource, Precision};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Loads a model and reads a few values with it.
fn use_model(source: &ModelSource) -> Result<(), ModelError> {
    let formats = builtin_formats().unwrap();
    let model = Model::load(source, &formats, Precision::Auto, Device::Cpu)?;
    let context = ndarray::Array2::from_elem((4, 1), Bin::new(500).unwrap());
    let (temperature, tolerance) = (Temperature::default(), Tolerance::default());
    Session::start(&model, &context, temperature, tolerance, 0..4)?;
    Ok(())
}

fn refused(name: &str, source: &ModelSource) {
    let outcome = catch_unwind(AssertUnwindSafe(|| use_model(source)));
    match outcome {
        Ok(Err(error)) => {
            let text = error.to_string();
            assert!(!text.is_empty() && text.len() < 2000, "{name}: {text}");
        }
        Ok(Ok(())) => panic!("{name}: was accepted"),
        Err(_) => panic!("{name}: panicked"),
    }
}

/// The bundled model in a folder of its own, with some files changed.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["config.json", "tokenizer.json", "model.safetensors"] {
            let from = root("models/builtin").join(name);
            std::fs::copy(from, folder.path().join(name)).unwrap();
        }
        Self(folder)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.0.path().join(name), bytes).unwrap();
    }

    fn source(&self) -> ModelSource {
        ModelSource::Folder(self.0.path().to_owned())
    }
}

#[test]
fn the_folder_as_it_is_works() {
    use_model(&Folder::new().source()).unwrap();
    use_model(&ModelSource::Gguf(root(
        "tests/golden/gguf/llama-q8_0.gguf",
    )))
    .unwrap();
}

#[test]
fn hostile_configs_are_refused() {
    let text = std::fs::read_to_string(root("models/builtin/config.json")).unwrap();
    let good: Value = serde_json::from_str(&text).unwrap();
    let with = |name: &str, value: Value| {
        let mut config = good.clone();
        config[name] = value;
        config.to_string().into_bytes()
    };
    let without = |name: &str| {
        let mut config = good.clone();
        config.as_object_mut().unwrap().remove(name);
        config.to_string().into_bytes()
    };
    let rope = |settings: Value| with("rope_scaling", settings);
    let nested = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("no JSON", b"\x00\xff".to_vec()),
        ("list", b"[]".to_vec()),
        ("deep nesting", nested.into_bytes()),
        ("truncated", text.as_bytes()[..text.len() / 2].to_vec()),
        ("no type", without("model_type")),
        ("type is a number", with("model_type", json!(3))),
        ("unknown type", with("model_type", json!("nosuch"))),
        ("no hidden size", without("hidden_size")),
        ("hidden size negative", with("hidden_size", json!(-128))),
        ("hidden size huge", with("hidden_size", json!(1u64 << 62))),
        ("hidden size other", with("hidden_size", json!(256))),
        ("hidden size fractional", with("hidden_size", json!(128.5))),
        ("layers huge", with("num_hidden_layers", json!(1_000_000))),
        ("layers zero", with("num_hidden_layers", json!(0))),
        ("heads zero", with("num_attention_heads", json!(0))),
        ("heads no multiple", with("num_attention_heads", json!(4))),
        ("head_dim odd", with("head_dim", json!(63))),
        ("head_dim overflowing", with("head_dim", json!(1 << 20))),
        ("vocabulary huge", with("vocab_size", json!(u64::MAX))),
        ("vocabulary small", with("vocab_size", json!(5))),
        ("window zero", with("max_position_embeddings", json!(0))),
        ("theta NaN", with("rope_theta", json!("NaN"))),
        ("theta zero", with("rope_theta", json!(0.0))),
        ("eps negative", with("rms_norm_eps", json!(-1.0))),
        ("activation unknown", with("hidden_act", json!("evil"))),
        ("rope unknown", rope(json!({"rope_type": "evil"}))),
        (
            "rope factor zero",
            rope(json!({"rope_type": "linear", "factor": 0})),
        ),
        (
            "rope list short",
            rope(json!({"rope_type": "longrope", "short_factor": [1.0], "long_factor": []})),
        ),
        ("yarn without factor", rope(json!({"rope_type": "yarn"}))),
        (
            "head said to be tied",
            with("tie_word_embeddings", json!("yes")),
        ),
        (
            "bias that is not there",
            with("attention_bias", json!(true)),
        ),
    ];
    assert!(cases.len() >= 30);
    for (name, config) in cases {
        let folder = Folder::new();
        folder.write("config.json", &config);
        refused(name, &folder.source());
    }
}

#[test]
fn hostile_tokenizers_are_refused() {
    let text = std::fs::read_to_string(root("models/builtin/tokenizer.json")).unwrap();
    let good: Value = serde_json::from_str(&text).unwrap();
    let mut swapped = good.clone();
    swapped["model"]["vocab"]["007"] = json!(8);
    let mut outside = good.clone();
    outside["model"]["vocab"]["007"] = json!(4_000_000_000u32);
    let mut short = good.clone();
    short["model"]["vocab"]
        .as_object_mut()
        .unwrap()
        .remove("123");
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("no object", b"7".to_vec()),
        ("truncated", text.as_bytes()[..text.len() - 20].to_vec()),
        // The tokenizer library panics on this one; found by fuzzing.
        (
            "decoder cut in its middle",
            text.replace(
                r#""decoder": null"#,
                r#""decoder": {"type": "ByteLevel", "trim_offsets": tr 2"#,
            )
            .into_bytes(),
        ),
        ("two numbers with one id", swapped.to_string().into_bytes()),
        (
            "id outside the vocabulary",
            outside.to_string().into_bytes(),
        ),
        ("number missing", short.to_string().into_bytes()),
        (
            "another model",
            br#"{"version": "1.0", "added_tokens": [], "model": {"type": "WordLevel",
            "vocab": {"a": 0}, "unk_token": "a"}}"#
                .to_vec(),
        ),
    ];
    for (name, tokenizer) in cases {
        let folder = Folder::new();
        folder.write("tokenizer.json", &tokenizer);
        refused(name, &folder.source());
    }
}

/// A safetensors file of a header and some bytes.
fn safetensors(header: &Value, data: &[u8]) -> Vec<u8> {
    let header = header.to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(data);
    file
}

#[test]
fn hostile_safetensors_are_refused() {
    let good = std::fs::read(root("models/builtin/model.safetensors")).unwrap();
    let tensor = |dtype: &str, shape: Value, offsets: Value| json!({"model.embed_tokens.weight": {"dtype": dtype, "shape": shape, "data_offsets": offsets}});
    let huge_header = u64::MAX.to_le_bytes().to_vec();
    // All weights are NaN: BF16 of exponent and fraction all ones.
    let header = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let mut not_a_number = good.clone();
    not_a_number[header..].fill(0xff);
    let overlap = json!({
        "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
        "b": {"dtype": "F32", "shape": [1], "data_offsets": [2, 6]}});
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("short", good[..5].to_vec()),
        ("header beyond the file", huge_header),
        ("half", good[..good.len() / 2].to_vec()),
        ("one byte short", good[..good.len() - 1].to_vec()),
        ("one byte long", [good.as_slice(), &[0]].concat()),
        ("other tensors", safetensors(&json!({}), &[])),
        (
            "shape overflows",
            safetensors(
                &tensor("F32", json!([1u64 << 40, 1u64 << 40]), json!([0, 8])),
                &[0; 8],
            ),
        ),
        (
            "offsets backwards",
            safetensors(&tensor("F32", json!([1]), json!([4, 0])), &[0; 4]),
        ),
        (
            "offsets outside",
            safetensors(&tensor("F32", json!([1]), json!([0, 400])), &[0; 4]),
        ),
        ("overlap", safetensors(&overlap, &[0; 6])),
        (
            "unknown format",
            safetensors(&tensor("F7", json!([1]), json!([0, 4])), &[0; 4]),
        ),
        (
            "integers",
            safetensors(
                &tensor("I64", json!([1003, 128]), json!([0, 1003 * 128 * 8])),
                &vec![0; 1003 * 128 * 8],
            ),
        ),
        (
            "header is no JSON",
            [4u64.to_le_bytes().as_slice(), b"nope"].concat(),
        ),
        ("NaN weights", not_a_number),
    ];
    for (name, weights) in cases {
        let folder = Folder::new();
        folder.write("model.safetensors", &weights);
        refused(name, &folder.source());
    }
    for (name, index) in [
        (
            "index leaves the folder",
            r#"{"weight_map": {"a": "../model.safetensors"}}"#,
        ),
        (
            "index is absolute",
            r#"{"weight_map": {"a": "/etc/x.safetensors"}}"#,
        ),
        (
            "index names a pickle",
            r#"{"weight_map": {"a": "pytorch_model.bin"}}"#,
        ),
        ("index names nothing", r#"{"weight_map": {}}"#),
        (
            "index names itself",
            r#"{"weight_map": {"a": "model.safetensors.index.json"}}"#,
        ),
        (
            "index names what is not there",
            r#"{"weight_map": {"a": "x.safetensors"}}"#,
        ),
    ] {
        let folder = Folder::new();
        folder.write("model.safetensors.index.json", index.as_bytes());
        refused(name, &folder.source());
    }
}

/// Replaces bytes that occur in a file.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes
        .windows(from.len())
        .position(|window| window == from)
        .unwrap();
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

/// A key of a GGUF header, whose value of four bytes is changed.
fn value_changed(bytes: &[u8], key: &str, to: [u8; 4]) -> Vec<u8> {
    let at = bytes
        .windows(key.len())
        .position(|window| window == key.as_bytes())
        .unwrap()
        + key.len()
        + 4;
    let mut changed = bytes.to_vec();
    changed[at..at + 4].copy_from_slice(&to);
    changed
}

#[test]
fn hostile_gguf_files_are_refused() {
    let good = std::fs::read(root("tests/golden/gguf/llama-q8_0.gguf")).unwrap();
    let counts = |tensors: u64, values: u64| {
        let mut file = good.clone();
        file[8..16].copy_from_slice(&tensors.to_le_bytes());
        file[16..24].copy_from_slice(&values.to_le_bytes());
        file
    };
    let infinite = f32::INFINITY.to_le_bytes();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("magic", [b"GGML", &good[4..]].concat()),
        (
            "version",
            [&good[..4], &99u32.to_le_bytes(), &good[8..]].concat(),
        ),
        ("header cut", good[..300].to_vec()),
        ("data cut", good[..good.len() - 5000].to_vec()),
        ("tensors overflow", counts(u64::MAX, 20)),
        ("values overflow", counts(20, u64::MAX)),
        (
            "no tensors",
            counts(0, u64::from_le_bytes(good[16..24].try_into().unwrap())),
        ),
        (
            "architecture",
            replaced(
                &good,
                b"\x05\0\0\0\0\0\0\0llama",
                b"\x05\0\0\0\0\0\0\0evil!",
            ),
        ),
        (
            "heads zero",
            value_changed(&good, "llama.attention.head_count", [0; 4]),
        ),
        (
            "heads huge",
            value_changed(&good, "llama.attention.head_count", [255; 4]),
        ),
        (
            "layers huge",
            value_changed(&good, "llama.block_count", [255, 255, 0, 0]),
        ),
        (
            "width other",
            value_changed(&good, "llama.embedding_length", 64u32.to_le_bytes()),
        ),
        (
            "eps infinite",
            value_changed(&good, "llama.attention.layer_norm_rms_epsilon", infinite),
        ),
        (
            "theta infinite",
            value_changed(&good, "llama.rope.freq_base", infinite),
        ),
        (
            "rope too wide",
            value_changed(&good, "llama.rope.dimension_count", 64u32.to_le_bytes()),
        ),
        (
            "key of another name",
            replaced(&good, b"llama.context_length", b"llama.kontext_length"),
        ),
        (
            "tensor of another name",
            replaced(&good, b"blk.0.attn_q.weight", b"blk.0.attn_x.weight"),
        ),
        (
            "no such tokenizer",
            replaced(&good, b"\x04\0\0\0\0\0\0\0gpt2", b"\x04\0\0\0\0\0\0\0gpt9"),
        ),
        (
            "tokens renamed",
            replaced(&good, b"tokenizer.ggml.tokens", b"tokenizer.ggml.tokenz"),
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in cases {
        let path = folder.path().join("model.gguf");
        std::fs::write(&path, bytes).unwrap();
        refused(name, &ModelSource::Gguf(path));
    }
}

/// Any single byte changed in the headers: whatever comes of it, no panic.
#[test]
fn no_changed_byte_of_a_gguf_header_panics() {
    let good = std::fs::read(root("tests/golden/gguf/llama-q8_0.gguf")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    for at in (0..2400).step_by(31) {
        for flip in [0x01, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[at] ^= flip;
            std::fs::write(&path, &bytes).unwrap();
            let source = ModelSource::Gguf(path.clone());
            let outcome = catch_unwind(AssertUnwindSafe(|| use_model(&source).is_ok()));
            assert!(outcome.is_ok(), "byte {at} ^ {flip:#x} panicked");
        }
    }
}

/// Faults: an alignment of zero divided by zero, and a tensor of more numbers than can be counted wrapped around.
#[test]
fn sizes_in_gguf_headers_are_checked_before_they_are_used() {
    let good = std::fs::read(root("tests/golden/gguf/llama-q8_0.gguf")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    // One more value in the header: a 32-bit alignment.
    for alignment in [0u32, 3, u32::MAX] {
        let mut bytes = good.clone();
        let values = u64::from_le_bytes(good[16..24].try_into().unwrap());
        bytes[16..24].copy_from_slice(&(values + 1).to_le_bytes());
        let mut value = 17u64.to_le_bytes().to_vec();
        value.extend(b"general.alignment");
        value.extend(4u32.to_le_bytes());
        value.extend(alignment.to_le_bytes());
        bytes.splice(24..24, value);
        std::fs::write(&path, bytes).unwrap();
        refused(
            &format!("alignment {alignment}"),
            &ModelSource::Gguf(path.clone()),
        );
    }
    let name = b"blk.0.attn_q.weight";
    let at = good.windows(name.len()).position(|w| w == name).unwrap() + name.len() + 4;
    for dims in [
        [1u64 << 32, 1 << 32],
        [u64::MAX, u64::MAX],
        [0, 32],
        [1 << 50, 1],
    ] {
        let mut bytes = good.clone();
        bytes[at..at + 8].copy_from_slice(&dims[0].to_le_bytes());
        bytes[at + 8..at + 16].copy_from_slice(&dims[1].to_le_bytes());
        std::fs::write(&path, bytes).unwrap();
        refused(&format!("dims {dims:?}"), &ModelSource::Gguf(path.clone()));
    }
}

/// A folder of a family that candle-transformers reads, with its config.json changed.
fn foreign(family: &str, change: impl FnOnce(&mut Value)) -> Folder {
    let from = root(&format!("tests/golden/others/{family}"));
    let folder = tempfile::tempdir().unwrap();
    for name in ["tokenizer.json", "model.safetensors"] {
        std::fs::copy(from.join(name), folder.path().join(name)).unwrap();
    }
    let text = std::fs::read_to_string(from.join("config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&text.replace("Infinity", "1e9")).unwrap();
    change(&mut config);
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    Folder(folder)
}

const FOREIGN: [&str; 10] = [
    "falcon",
    "glm4",
    "mamba",
    "mamba2",
    "mixtral",
    "olmo",
    "phi",
    "qwen2_moe",
    "qwen3_moe",
    "starcoder2",
];

/// Faults: Falcon of no layers panicked, nine families of none forecast, Mamba 2 of a width of 2^40 aborted.
#[test]
fn hostile_sizes_of_foreign_families_are_refused() {
    let numbers = |config: &Value| -> Vec<String> {
        let fields = config.as_object().unwrap().iter();
        let sizes = fields.filter(|(_, value)| value.is_u64());
        sizes.map(|(name, _)| name.clone()).collect()
    };
    for family in FOREIGN {
        use_model(&foreign(family, |_| ()).source()).unwrap_or_else(|e| panic!("{family}: {e}"));
        let layers = |config: &mut Value, count: u64| {
            for name in ["num_hidden_layers", "n_layer"] {
                if config.get(name).is_some() {
                    config[name] = json!(count);
                }
            }
        };
        for count in [0, 1 << 40] {
            let folder = foreign(family, |config| layers(config, count));
            refused(&format!("{family} of {count} layers"), &folder.source());
        }
        // The unit tests of the check try every size of every family on configurations alone.
        if !["falcon", "mamba2", "qwen2_moe"].contains(&family) {
            continue;
        }
        let mut names = Vec::new();
        foreign(family, |config| names = numbers(config));
        for name in names.into_iter().filter(|name| !name.ends_with("_id")) {
            for size in [0, 1, 1 << 20] {
                let folder = foreign(family, |config| config[&name] = json!(size));
                let source = folder.source();
                // Some fields mean nothing to some families; none may panic or abort.
                let outcome = catch_unwind(AssertUnwindSafe(|| use_model(&source).is_ok()));
                assert!(outcome.is_ok(), "{family}: {name} {size} panicked");
            }
        }
        let wide = |config: &mut Value| config["hidden_size"] = json!(1u64 << 40);
        refused("too wide", &foreign(family, wide).source());
    }
}

/// Fault: a file of any length was read into memory.
#[test]
fn texts_of_a_model_have_a_largest_size() {
    for name in [
        "config.json",
        "tokenizer.json",
        "model.safetensors.index.json",
    ] {
        let folder = Folder::new();
        // A sparse file takes no room on the disk.
        let file = std::fs::File::create(folder.0.path().join(name)).unwrap();
        file.set_len(1 << 36).unwrap();
        let error = use_model(&folder.source()).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("64 MiB"), "{error}");
    }
}

/// `models inspect` gave weights that are no numbers a perfect share of the probability.
#[test]
fn weights_that_are_no_numbers_have_no_share_of_the_probability() {
    let folder = Folder::new();
    let weights = folder.0.path().join("model.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    let end = bytes.len();
    bytes[end - 100_000..].fill(0xff);
    std::fs::write(&weights, bytes).unwrap();
    let formats = builtin_formats().unwrap();
    let model = Model::load(&folder.source(), &formats, Precision::Auto, Device::Cpu).unwrap();
    let found = model.off_grammar_mass(&[Bin::new(500).unwrap(); 4]);
    assert!(matches!(found, Err(ModelError::NotFinite)), "{found:?}");
}

/// Files that are no models were folders that do not exist, and GGUF files in a folder were not seen.
#[test]
fn what_lies_in_place_of_a_model_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let readme = folder.path().join("README.md");
    std::fs::write(&readme, "# A model").unwrap();
    let text = |path: &Path| {
        let source: ModelSource = path.to_str().unwrap().parse().unwrap();
        use_model(&source).unwrap_err().to_string()
    };
    assert!(
        text(&readme).contains("is a file, and none in GGUF"),
        "{}",
        text(&readme)
    );
    let gguf = root("tests/golden/gguf/llama-f32.gguf");
    std::fs::copy(&gguf, folder.path().join("model.gguf")).unwrap();
    let said = text(folder.path());
    assert!(
        said.contains("has no config.json; name the file: ") && said.ends_with("model.gguf"),
        "{said}"
    );
    let renamed = folder.path().join("model.bin");
    std::fs::copy(&gguf, &renamed).unwrap();
    let source: ModelSource = renamed.to_str().unwrap().parse().unwrap();
    use_model(&source).unwrap();
}
