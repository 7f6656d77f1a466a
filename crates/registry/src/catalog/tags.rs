//! Tags: what they are on, where they have been, how they move.

use super::index::Step;
use super::{Act, Catalog, Error, Kind, Move, Tag, Version, record};

impl Catalog {
    /// All tags by name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tags(&self) -> Result<Vec<Tag>, Error> {
        self.index.tags().await
    }

    /// The version under a tag.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tagged(&self, tag: &str) -> Result<Option<Version>, Error> {
        let Some(tag) = self.index.tag(tag).await? else { return Ok(None) };
        let version = self.by_digest(&tag.digest).await?;
        if self.file(&version).is_some() {
            return Ok(Some(version));
        }
        // Of several copies the one that was known may have been rotated away.
        self.adopt().await?;
        self.by_digest(&tag.digest).await.map(Some)
    }

    /// Moves a tag to a version, in one step. `expected` is the digest under the tag as the caller saw
    /// it when the decision was made: a tag that has moved meanwhile is left alone.
    ///
    /// # Errors
    /// When the name cannot be a tag, the archive is not there or damaged, or the tag has moved.
    pub async fn tag(
        &self,
        tag: &str,
        version: &Version,
        expected: Option<&str>,
        act: Act<'_>,
    ) -> Result<Move, Error> {
        let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
        if tag.is_empty() || tag == "latest" || tag.len() > 100 || !tag.chars().all(is_plain) {
            let message =
                format!("`{tag}` cannot be a tag: letters, digits, `-`, `_` and `.`, but not `latest`");
            return Err(Error::new(Kind::Refused, message));
        }
        self.verify(version)?;
        let step = Step { digest: Some(&version.digest), expected, is_rollback: false };
        let moved = self.index.step(tag, step, act).await?;
        record::append_move(&self.moves_file(), &moved)?;
        Ok(moved)
    }

    /// Takes a tag away.
    ///
    /// # Errors
    /// When there is no such tag.
    pub async fn untag(&self, tag: &str, act: Act<'_>) -> Result<Move, Error> {
        let Some(current) = self.index.tag(tag).await? else {
            return Err(Error::new(Kind::NotFound, format!("there is no tag `{tag}`")));
        };
        let step = Step { digest: None, expected: Some(&current.digest), is_rollback: false };
        let moved = self.index.step(tag, step, act).await?;
        record::append_move(&self.moves_file(), &moved)?;
        Ok(moved)
    }

    /// Moves a tag back to the version it was on before the last move that still can be used.
    ///
    /// # Errors
    /// When the tag has no earlier version whose archive is still there.
    pub async fn rollback(&self, tag: &str, act: Act<'_>) -> Result<(Move, Version), Error> {
        let current = self.index.tag(tag).await?.map(|tag| tag.digest);
        let history = self.index.history(tag).await?;
        // Going back twice goes back two moves, not to and fro: what was left by going back is passed over.
        let mut stack: Vec<String> = Vec::new();
        for step in &history {
            match (&step.digest, step.is_rollback) {
                (Some(_), true) => {
                    stack.pop();
                }
                (Some(digest), false) => stack.push(digest.clone()),
                (None, _) => {}
            }
        }
        while let Some(digest) = stack.pop() {
            if Some(&digest) == current.as_ref() {
                continue;
            }
            let version = self.by_digest(&digest).await?;
            if self.verify(&version).is_err() {
                tracing::warn!(version = version.reference(), "passed over: its archive cannot be used");
                continue;
            }
            let step = Step { digest: Some(&digest), expected: current.as_deref(), is_rollback: true };
            let moved = self.index.step(tag, step, act).await?;
            record::append_move(&self.moves_file(), &moved)?;
            return Ok((moved, version));
        }
        Err(Error::new(Kind::NotFound, format!("`{tag}` has no earlier model that can still be used")))
    }

    /// The moves of a tag, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn history(&self, tag: &str) -> Result<Vec<Move>, Error> {
        self.index.history(tag).await
    }
}
