//! Tells systemd that the service is ready, alive, and ending.
//!
//! Source: sd_notify(3), sd_watchdog_enabled(3). Datagrams to a socket; nothing without `NOTIFY_SOCKET`.

use std::time::Duration;

use intendant_config::Environment;

/// The way to systemd, if there is one.
#[derive(Clone, Debug, Default)]
pub struct Notifier {
    socket: Option<String>,
    /// How often systemd wants to hear.
    watchdog: Option<Duration>,
}

impl Notifier {
    /// As systemd said it in the environment.
    pub fn of(environment: &Environment) -> Self {
        let micros = environment.get("WATCHDOG_USEC").and_then(|text| text.parse().ok());
        let is_ours = environment.get("WATCHDOG_PID").is_none_or(|pid| pid.parse() == Ok(std::process::id()));
        Self {
            socket: environment.get("NOTIFY_SOCKET").filter(|path| !path.is_empty()).map(str::to_owned),
            watchdog: micros.filter(|micros| is_ours && *micros > 0).map(Duration::from_micros),
        }
    }

    /// The service answers.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// The service ends.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Says twice as often as asked that the runtime still runs; ends only if nobody asked.
    pub async fn keep_alive(self) {
        let Some(every) = self.watchdog.filter(|_| self.socket.is_some()) else { return };
        loop {
            self.tell("WATCHDOG=1");
            tokio::time::sleep(every / 2).await;
        }
    }

    #[cfg(target_os = "linux")]
    fn tell(&self, what: &str) {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::{SocketAddr, UnixDatagram};
        let Some(path) = &self.socket else { return };
        let address = match path.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(path),
        };
        let sent =
            address.and_then(|address| UnixDatagram::unbound()?.send_to_addr(what.as_bytes(), &address));
        if let Err(error) = sent {
            tracing::warn!(%error, "systemd cannot be told how the service is");
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn tell(&self, _: &str) {}
}
