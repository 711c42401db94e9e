//! The evidence of incidents: what the camera answered, the last good picture and the first bad one.
//!
//! Pictures are what costs the card: of one, at most [`PICTURE_MAX`] bytes are kept, of all that come in a
//! day [`PICTURES_A_DAY`], on the disk those of the newest [`WITH_PICTURES`] incidents. Without pictures an
//! incident still has its answer, the newest [`WITH_ANSWER`] on the disk.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::monitor::board::{Evidence, Thumbnail};
use crate::monitor::past::{EvidencePicture, KeptEvidence};

/// Bytes of one picture; one of 640 px has 20 to 60 KB.
const PICTURE_MAX: usize = 128 << 10;
/// Bytes of pictures taken in within a day: a camera that flaps must not wear the card out.
pub(super) const PICTURES_A_DAY: usize = 4 << 20;
/// Incidents that keep their pictures on the disk.
pub(super) const WITH_PICTURES: i64 = 200;
/// Incidents that keep their answer on the disk.
const WITH_ANSWER: i64 = 5_000;
const DAY_MS: i64 = 24 * super::rollup::HOUR_MS;

/// The evidence of one incident. Times are told from the incident's begin, so that a clock that is set later
/// moves them along.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Proof {
    /// The incident's id.
    pub incident: i64,
    pub answer: Option<Arc<str>>,
    pub good: Option<Still>,
    pub bad: Option<Still>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Still {
    /// When it was taken, ms after the incident began; of the good one negative.
    pub after: i64,
    pub jpeg: Bytes,
}

impl Proof {
    /// Of an incident that began at `began`, Unix ms by the clock of its pictures.
    pub fn new(incident: i64, began: i64, evidence: &Evidence, budget: &mut Budget, now: i64) -> Self {
        let mut still = |picture: &Option<Arc<Thumbnail>>| {
            let picture = picture.as_ref().filter(|picture| budget.takes(picture.jpeg.len(), now))?;
            let after = picture.at.as_millisecond().saturating_sub(began);
            Some(Still { after, jpeg: picture.jpeg.clone() })
        };
        let (bad, good) = (still(&evidence.bad), still(&evidence.good));
        Self { incident, answer: evidence.answer.clone(), good, bad }
    }

    pub fn picture(&self, which: EvidencePicture) -> Option<&Bytes> {
        let still = match which {
            EvidencePicture::Good => &self.good,
            EvidencePicture::Bad => &self.bad,
        };
        still.as_ref().map(|still| &still.jpeg)
    }
}

/// Bytes of pictures that were taken in since a day began.
#[derive(Debug, Default)]
pub(super) struct Budget {
    /// Unix ms.
    began: i64,
    taken: usize,
}

impl Budget {
    fn takes(&mut self, bytes: usize, now: i64) -> bool {
        if !(0..DAY_MS).contains(&now.saturating_sub(self.began)) {
            *self = Self { began: now, taken: 0 };
        }
        let fits = bytes <= PICTURE_MAX && self.taken + bytes <= PICTURES_A_DAY;
        self.taken += if fits { bytes } else { 0 };
        fits
    }
}

/// An incident's evidence as it is told, by the times told from `began`, Unix ms.
pub(super) fn kept(
    began: i64,
    answer: Option<String>,
    good_after: Option<i64>,
    bad_after: Option<i64>,
) -> Option<KeptEvidence> {
    let at = |after: i64| super::memory::time(began.saturating_add(after));
    let kept = KeptEvidence { answer, good_at: good_after.map(at), bad_at: bad_after.map(at) };
    (kept != KeptEvidence::default()).then_some(kept)
}

/// Writes evidence; what is in the file already stays. Old pictures and answers go.
pub(super) fn write<'a>(change: &Transaction<'_>, proofs: impl IntoIterator<Item = &'a Proof>) -> rusqlite::Result<()> {
    let mut any = false;
    for Proof { incident, answer, good, bad } in proofs {
        let after = |still: &Option<Still>| still.as_ref().map(|still| still.after);
        let jpeg = |still: &'a Option<Still>| still.as_ref().map(|still| &still.jpeg[..]);
        change
            .prepare_cached(
                "INSERT OR IGNORE INTO evidence (incident, good_after, bad_after, answer, good, bad)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![incident, after(good), after(bad), answer.as_deref(), jpeg(good), jpeg(bad)])?;
        any = true;
    }
    if any {
        change.execute(
            "UPDATE evidence SET good_after = NULL, bad_after = NULL, good = NULL, bad = NULL
                 WHERE (good_after IS NOT NULL OR bad_after IS NOT NULL) AND incident <= (SELECT incident FROM evidence
                     WHERE good_after IS NOT NULL OR bad_after IS NOT NULL ORDER BY incident DESC LIMIT 1 OFFSET ?1)",
            [WITH_PICTURES],
        )?;
        change.execute(
            "DELETE FROM evidence
                 WHERE incident <= (SELECT incident FROM evidence ORDER BY incident DESC LIMIT 1 OFFSET ?1)",
            [WITH_ANSWER],
        )?;
    }
    Ok(())
}

/// A picture in the file.
pub(super) fn read_picture(
    db: &Connection,
    camera: &str,
    incident: i64,
    which: EvidencePicture,
) -> rusqlite::Result<Option<Bytes>> {
    let column = match which {
        EvidencePicture::Good => "good",
        EvidencePicture::Bad => "bad",
    };
    let sql = format!(
        "SELECT e.{column} FROM evidence AS e JOIN incidents AS i ON i.id = e.incident
             JOIN cameras AS c ON c.id = i.camera WHERE e.incident = ?1 AND c.key = ?2"
    );
    let picture = |row: &Row<'_>| row.get::<_, Option<Vec<u8>>>(0);
    Ok(db.query_row(&sql, params![incident, camera], picture).optional()?.flatten().map(Bytes::from))
}
