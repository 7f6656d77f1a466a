//! Archives that come from elsewhere.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Catalog, Error, Kind, Provenance, Version};
use crate::inspect::{Verdict, inspect};
use crate::rotation::OWN_FOLDER;

impl Catalog {
    /// Takes an archive that has come from elsewhere into the folder and makes it a version. `staged` lies in
    /// [`Catalog::transfers`] and is gone afterwards; `name` is only a wish.
    ///
    /// # Errors
    /// When it is not the archive of that digest, or no complete model; it is removed then.
    pub async fn receive(
        &self,
        staged: &Path,
        digest: &str,
        name: &str,
        record: Option<&Version>,
    ) -> Result<Version, Error> {
        let file = fs::File::open(staged).map_err(|error| Error::file("read", staged, &error))?;
        let refused = match inspect(file).map_err(|error| Error::file("read", staged, &error))? {
            Verdict::Complete(model) if model.digest == digest => None,
            Verdict::Complete(model) => {
                Some(format!("its SHA-256 is {}, and {digest} was said", model.digest))
            }
            Verdict::Incomplete(why) | Verdict::Refused(why) => Some(why),
        };
        if let Some(why) = refused {
            let _ = fs::remove_file(staged);
            return Err(Error::new(Kind::Damaged, format!("the archive that came is not used: {why}")));
        }
        let known = self.index.by_digest(digest).await?;
        let mut version = match known.filter(|known| self.file(known).is_some()) {
            Some(known) => {
                let _ = fs::remove_file(staged);
                known
            }
            None => {
                let place = self.folder.join(self.free_name(name, digest));
                fs::rename(staged, &place).map_err(|error| Error::file("write", &place, &error))?;
                self.register(&place, record.map(Provenance::of).unwrap_or_default()).await?
            }
        };
        let measured = record.map(|record| record.metrics.clone()).unwrap_or_default();
        if !measured.is_empty() {
            for (dataset, measured) in measured {
                version.metrics.entry(dataset).or_insert(measured);
            }
            self.keep(&version).await?;
        }
        Ok(version)
    }

    // The name if it can be one here and is not taken.
    fn free_name(&self, name: &str, digest: &str) -> String {
        let stem = name.rsplit(['/', '\\']).next().unwrap_or_default();
        let stem = stem.strip_suffix(".tar.gz").unwrap_or(stem).trim_start_matches('.');
        let stem: String = stem.chars().filter(|character| !character.is_control()).take(100).collect();
        let stem = if stem.is_empty() { "model".to_owned() } else { stem };
        let plain = format!("{stem}.tar.gz");
        match self.folder.join(&plain).exists() {
            true => format!("{stem}-{}.tar.gz", &digest[..digest.len().min(8)]),
            false => plain,
        }
    }

    /// Where archives lie while they come.
    pub fn transfers(&self) -> PathBuf {
        self.folder.join(OWN_FOLDER).join("transfers")
    }
}
