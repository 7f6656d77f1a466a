//! Being asked to end: the first interrupt finishes what is in hand, the second ends at once.

use tokio::sync::watch;

/// Exit codes are 128 and the number of the signal, as shells report it.
const INTERRUPTED: u8 = 130;
const TERMINATED: u8 = 143;

/// Whether the process, or one piece of its work, has been asked to end. Clones share it.
#[derive(Clone, Debug)]
pub struct Stop {
    asked: watch::Sender<Option<u8>>,
}

impl Default for Stop {
    fn default() -> Self {
        Self { asked: watch::Sender::new(None) }
    }
}

impl Stop {
    /// One that the process's interrupt and termination signals ask. From the second signal on
    /// nothing is waited for.
    pub fn on_signals() -> Self {
        let stop = Self::default();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let asked = stop.clone();
        let listen = move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
                return;
            };
            runtime.block_on(async {
                let Ok(mut signals) = Signals::new() else { return };
                let _ = ready.send(());
                asked.ask(signals.next().await);
                let code = signals.next().await;
                eprintln!("ended at once");
                std::process::exit(i32::from(code));
            });
        };
        // Without the thread the signals do what they do anyway: end the process.
        if std::thread::Builder::new().name("signals".to_owned()).spawn(listen).is_ok() {
            let _ = is_ready.recv();
        }
        stop
    }

    /// Asks to end; the first reason counts.
    pub fn ask(&self, exit_code: u8) {
        self.asked.send_if_modified(|asked| {
            let is_first = asked.is_none();
            *asked = asked.or(Some(exit_code));
            is_first
        });
    }

    /// The exit code to end with, once asked to.
    pub fn exit_code(&self) -> Option<u8> {
        *self.asked.borrow()
    }

    /// Whether it was asked to end.
    pub fn is_asked(&self) -> bool {
        self.exit_code().is_some()
    }

    /// Ends when asked to.
    pub async fn asked(&self) {
        // The sender lives as long as we do, so waiting cannot fail.
        let _ = self.asked.subscribe().wait_for(Option::is_some).await;
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => INTERRUPTED,
            _ = self.terminate.recv() => TERMINATED,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> u8 {
        let _ = tokio::signal::ctrl_c().await;
        INTERRUPTED
    }
}
