//! Certificates of an authority, taken up from the folder and renewed before they end.
//!
//! A certificate is due when a third of its life is left, or a little less, by chance: many servers
//! begun at one time must not all ask at one time. What fails is tried again, each time later.

use std::sync::Arc;
use std::time::Duration;

use intendant_api::certificate::{Certificates, Validity};
use intendant_api::tls;
use intendant_client::acme::{self, Challenges, Settings};
use intendant_client::clock::SystemClock;
use intendant_client::http::HttpClient;
use intendant_port::clock::Clock;
use uuid::Uuid;

/// How long nothing is looked at, at most; the clock may be set meanwhile.
const LOOK_PAUSE: Duration = Duration::from_secs(3_600);
/// How long to wait after a failure, at first and at most.
const FAILED_PAUSES: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(6 * 3_600));

/// What renews.
pub struct Renewal {
    pub client: HttpClient,
    pub settings: Settings,
    pub challenges: Arc<Challenges>,
    pub certificates: Arc<Certificates>,
}

impl Renewal {
    /// Gets a certificate whenever one is due; never ends.
    pub async fn run(self) {
        let (chance, mut failures) = (chance(), 0);
        loop {
            let wait = wait(self.certificates.validity(), chance, now());
            if !wait.is_zero() {
                tokio::time::sleep(wait.min(LOOK_PAUSE)).await;
                continue;
            }
            // Another process with the same folder may have been quicker.
            if take_stored(&self.settings, &self.certificates)
                && !self::wait(self.certificates.validity(), chance, now()).is_zero()
            {
                continue;
            }
            match self.renew().await {
                Ok(()) => failures = 0,
                Err(why) => {
                    let pause = pause(failures);
                    failures += 1;
                    let seconds = pause.as_secs();
                    tracing::error!(why, "there is no new certificate; it is tried again in {seconds} s");
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    async fn renew(&self) -> Result<(), String> {
        let issued = acme::obtain(&self.client, &self.settings, &self.challenges).await;
        let issued = issued.map_err(|error| error.chain())?;
        tls::put_pem(&issued.chain, &issued.key, &self.certificates).map_err(|error| error.to_string())?;
        tracing::info!(names = self.settings.names.join(", "), "a new certificate is in use");
        match wait(self.certificates.validity(), 0.0, now()).is_zero() {
            // Else it would be asked for another and another.
            true => Err("the new certificate is due already; is the clock right?".to_owned()),
            false => Ok(()),
        }
    }
}

/// Puts the certificate that is kept in place. One that cannot be used is told of and made anew.
pub fn take_stored(settings: &Settings, certificates: &Certificates) -> bool {
    let issued = match acme::stored(settings) {
        Ok(Some(issued)) => issued,
        Ok(None) => return false,
        Err(error) => {
            tracing::warn!(error = error.chain(), "the certificate that is kept cannot be used");
            return false;
        }
    };
    let put = tls::put_pem(&issued.chain, &issued.key, certificates);
    put.inspect_err(|error| tracing::warn!(%error, "the certificate that is kept cannot be used")).is_ok()
}

/// How long until a certificate is due: when a third of its life is left, and by chance from 0 to 1 up
/// to a tenth of that later.
fn wait(validity: Option<Validity>, chance: f64, now: i64) -> Duration {
    let Some(Validity { starts, ends }) = validity else { return Duration::ZERO };
    let third = ends.saturating_sub(starts).max(0) / 3;
    let later = (third as f64 * 0.1 * chance) as i64;
    let due = ends.saturating_sub(third).saturating_add(later);
    Duration::from_secs(u64::try_from(due.saturating_sub(now)).unwrap_or(0))
}

/// Twice as long after each failure, and by chance up to a quarter longer.
fn pause(failures: u32) -> Duration {
    let (first, most) = FAILED_PAUSES;
    let pause = first.saturating_mul(1 << failures.min(16)).min(most);
    pause.mul_f64(1.0 + chance() / 4.0)
}

fn now() -> i64 {
    SystemClock.now().micros.div_euclid(1_000_000)
}

/// A number from 0 to 1.
fn chance() -> f64 {
    let (number, _) = Uuid::new_v4().as_u64_pair();
    number as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_due_before_they_end() {
        let validity = Some(Validity { starts: 0, ends: 90 });
        for (chance, now, expected) in
            [(0.0, 0, 60), (1.0, 0, 63), (0.0, 60, 0), (1.0, 62, 1), (0.0, 1_000, 0), (0.0, -10, 70)]
        {
            assert_eq!(wait(validity, chance, now).as_secs(), expected, "{chance} {now}");
        }
        assert!(wait(None, 0.5, 0).is_zero());
    }

    #[test]
    fn pauses_grow_to_a_bound() {
        let mut before = Duration::ZERO;
        for failures in 0..40 {
            let pause = pause(failures);
            assert!(pause >= before.mul_f64(0.8) && pause <= FAILED_PAUSES.1.mul_f64(1.25), "{pause:?}");
            before = pause;
        }
    }
}
