//! What components need from outside the project, read and checked: folders of language models and
//! of dictionaries.
//!
//! A folder that cannot be used does not stop here: its component says so where it stands in the
//! configuration, or in the archive that names it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use intendant_embed::{Encoder, FILES, Files};
use intendant_nlu::{Dictionaries, LanguageModel, Wanted};
use intendant_talk::data::{ComponentSpec, Resource};
use sha2::{Digest, Sha256};

use crate::files;

/// Reads what the components need. A folder that several name is read once.
///
/// The digest of a folder becomes an option of its component, so that it is kept in archives and
/// a change of the folder is a change of the component.
pub fn attach(specs: &mut [ComponentSpec]) {
    let mut read: BTreeMap<PathBuf, Result<Arc<LanguageModel>, String>> = BTreeMap::new();
    for spec in specs {
        let (folder, below, digest) = match intendant_nlu::wanted(spec) {
            None => continue,
            Some(Wanted::LanguageModel { folder, below, digest }) => (folder, below, digest),
            Some(Wanted::Dictionaries { folder }) => {
                spec.resource = Some(match dictionaries(Path::new(&folder)) {
                    Ok((dictionaries, digest)) => {
                        spec.options.insert("dictionary_digest".to_owned(), digest.into());
                        Resource::Ready(Arc::new(dictionaries))
                    }
                    Err(why) => Resource::Failed(why),
                });
                continue;
            }
        };
        let model = match folder.map(|folder| (find(&folder, below.as_deref()), folder)) {
            None => Err("no folder of a language model is named".to_owned()),
            Some((None, folder)) => Err(format!("there is no folder `{folder}`")),
            Some((Some(path), _)) => read.entry(path).or_insert_with_key(|path| language_model(path)).clone(),
        };
        let model = model.and_then(|model| match digest {
            Some(wanted) if wanted != model.digest() => Err(format!(
                "the folder holds other files than expected: their digest is {}, not {wanted}; put the files back, or \
                 train again",
                model.digest()
            )),
            _ => Ok(model),
        });
        spec.resource = Some(match model {
            Ok(model) => {
                spec.options.insert("model_digest".to_owned(), model.digest().into());
                Resource::Ready(model)
            }
            Err(why) => Resource::Failed(why),
        });
    }
}

fn find(folder: &str, below: Option<&str>) -> Option<PathBuf> {
    let candidates =
        below.map(|below| Path::new(below).join(folder)).into_iter().chain([PathBuf::from(folder)]);
    candidates.into_iter().find(|path| path.is_dir())
}

/// The text files of a folder in the order of their names, and their digest.
fn dictionaries(folder: &Path) -> Result<(Dictionaries, String), String> {
    let unreadable = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let is_hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if path.is_file() && !is_hidden {
            paths.push(path);
        }
    }
    paths.sort();
    let mut dictionaries = Dictionaries::default();
    let mut digest = Sha256::new();
    for path in paths {
        let bytes = files::read(&path).map_err(|error| error.to_string())?;
        let text = String::from_utf8(bytes).map_err(|error| {
            format!("{}: byte {} is not UTF-8", path.display(), error.utf8_error().valid_up_to() + 1)
        })?;
        digest.update((text.len() as u64).to_le_bytes());
        digest.update(&text);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        dictionaries.0.push((name, text));
    }
    if dictionaries.0.is_empty() {
        return Err(format!("{} holds no dictionary", folder.display()));
    }
    Ok((dictionaries, hexadecimal(digest)))
}

fn hexadecimal(digest: Sha256) -> String {
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn language_model(folder: &Path) -> Result<Arc<LanguageModel>, String> {
    let mut found = Files::new();
    let mut digest = Sha256::new();
    for name in FILES {
        let path = folder.join(name);
        if path.is_file() {
            let bytes = files::read(&path).map_err(|error| error.to_string())?;
            for part in [name.as_bytes(), &bytes] {
                digest.update((part.len() as u64).to_le_bytes());
                digest.update(part);
            }
            found.insert(name.to_owned(), bytes);
        }
    }
    let encoder = Encoder::read(&found).map_err(|error| format!("{}: {error}", folder.display()))?;
    let model = LanguageModel::new(encoder, hexadecimal(digest));
    memory::load(&model);
    Ok(Arc::new(model))
}

/// Keeps the vectors of training texts for the next training.
pub fn keep(specs: &[ComponentSpec]) {
    for spec in specs {
        if let Some(Resource::Ready(model)) = &spec.resource
            && let Ok(model) = Arc::clone(model).downcast::<LanguageModel>()
        {
            memory::save(&model);
        }
    }
}

/// Vectors of texts on disk: whether they are there changes how long training takes, never what
/// comes out.
mod memory {
    use super::*;

    /// Where they are kept, below the folder in which training runs.
    const FOLDER: &str = ".intendant/vectors";
    /// Beyond this, a file is not written.
    const BYTES_MAX: usize = 256 << 20;

    /// A file of rows: the hash of a text in eight bytes, the vector, and a checksum over both.
    fn path(model: &LanguageModel) -> PathBuf {
        Path::new(FOLDER).join(format!("{}.f32", &model.digest()[..16]))
    }

    fn row(key: u64, vector: &[f32]) -> Vec<u8> {
        let mut bytes = key.to_le_bytes().to_vec();
        bytes.extend(vector.iter().flat_map(|value| value.to_le_bytes()));
        bytes.extend(checksum(&bytes).to_le_bytes());
        bytes
    }

    fn checksum(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }

    pub(super) fn load(model: &LanguageModel) {
        let Ok(bytes) = fs::read(path(model)) else { return };
        let rows = bytes.chunks_exact(4 * model.width() + 16).filter_map(|row| {
            let (body, sum) = row.split_last_chunk::<8>()?;
            let (key, vector) = body.split_first_chunk::<8>()?;
            let vector = vector.as_chunks::<4>().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect();
            (checksum(body) == u64::from_le_bytes(*sum)).then_some((u64::from_le_bytes(*key), vector))
        });
        model.remember(rows);
    }

    pub(super) fn save(model: &LanguageModel) {
        let memory = model.memory();
        let size = memory.len() * (4 * model.width() + 16);
        let is_known = fs::metadata(path(model)).is_ok_and(|metadata| metadata.len() == size as u64);
        if memory.is_empty() || is_known || size > BYTES_MAX {
            return;
        }
        let bytes: Vec<u8> = memory.iter().flat_map(|(key, vector)| row(*key, vector)).collect();
        // Without it the next training takes longer, that is all.
        let _ = files::write_whole(&path(model), &bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fixtures::language_model::Tiny;
    use serde_json::{Value, json};

    const TINY: Tiny<'static> =
        Tiny { architecture: "bert", number_type: "F32", words: &[&["hello"], &["bye"]], seed: 1 };

    fn attached(options: &Value) -> ComponentSpec {
        let options = options.as_object().cloned().unwrap_or_default();
        let spec =
            ComponentSpec { name: "LanguageModelFeaturizer".into(), options, ..ComponentSpec::default() };
        let mut specs = [spec];
        attach(&mut specs);
        let [spec] = specs;
        spec
    }

    fn failure(spec: &ComponentSpec) -> &str {
        match &spec.resource {
            Some(Resource::Failed(why)) => why,
            _ => "",
        }
    }

    #[test]
    fn folders_are_found_named_by_their_digest_and_missed_when_they_change() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("tiny");
        TINY.write(&folder).unwrap();
        let weights = json!(folder.to_str().unwrap());
        let spec = attached(&json!({"model_weights": weights}));
        assert_eq!(failure(&spec), "");
        let digest = spec.options["model_digest"].clone();
        assert_eq!(digest.as_str().map(str::len), Some(64));
        let below = attached(&json!({"model_weights": "tiny", "cache_dir": home.path().to_str().unwrap()}));
        assert_eq!(below.options["model_digest"], digest);
        // As an archive names it: the same files, then others.
        let pinned = json!({"model_weights": weights, "model_digest": digest});
        assert_eq!(failure(&attached(&pinned)), "");
        Tiny { seed: 2, ..TINY }.write(&folder).unwrap();
        assert!(failure(&attached(&pinned)).contains("holds other files than expected"));
        assert_ne!(attached(&json!({"model_weights": weights})).options["model_digest"], digest);
        fs::remove_file(folder.join("tokenizer.json")).unwrap();
        let why = attached(&pinned);
        assert!(failure(&why).ends_with("tiny: there is neither tokenizer.json nor vocab.txt"), "{why:?}");
        fs::remove_dir_all(&folder).unwrap();
        assert!(failure(&attached(&pinned)).starts_with("there is no folder `"));
        assert_eq!(
            failure(&attached(&json!({"model_name": "bert"}))),
            "no folder of a language model is named"
        );
    }

    #[test]
    fn dictionaries_are_read_in_order_and_named_by_their_digest() {
        let home = tempfile::tempdir().unwrap();
        let attached = || {
            let mut spec = ComponentSpec { name: "JiebaTokenizer".into(), ..ComponentSpec::default() };
            spec.options.insert("dictionary_path".into(), home.path().to_str().into());
            let mut specs = [spec];
            attach(&mut specs);
            let [spec] = specs;
            spec
        };
        assert!(failure(&attached()).ends_with("holds no dictionary"));
        fs::write(home.path().join("b.txt"), "两").unwrap();
        fs::write(home.path().join("a.txt"), "一 5").unwrap();
        let spec = attached();
        let Some(Resource::Ready(found)) = &spec.resource else { panic!("{:?}", spec.resource) };
        let found = Arc::clone(found).downcast::<Dictionaries>().unwrap();
        assert_eq!(found.0, [("a.txt".to_owned(), "一 5".to_owned()), ("b.txt".to_owned(), "两".to_owned())]);
        fs::write(home.path().join("b.txt"), "三").unwrap();
        assert_ne!(attached().options["dictionary_digest"], spec.options["dictionary_digest"]);
        fs::write(home.path().join("c.txt"), b"\xe4\xb8").unwrap();
        assert!(failure(&attached()).ends_with("c.txt: byte 1 is not UTF-8"));
    }

    #[test]
    fn a_folder_that_two_components_name_is_read_once() {
        let home = tempfile::tempdir().unwrap();
        TINY.write(home.path()).unwrap();
        let folder = home.path().to_str().unwrap();
        let spec = |name: &str, option: &str| {
            let mut spec = ComponentSpec { name: name.into(), ..ComponentSpec::default() };
            spec.options.insert(option.into(), folder.into());
            spec
        };
        let mut specs = [spec("SpacyNLP", "model"), spec("LanguageModelFeaturizer", "model_weights")];
        attach(&mut specs);
        assert_eq!(specs[0].resource, specs[1].resource);
    }
}
