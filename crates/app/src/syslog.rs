//! Log lines sent to a syslog server (RFC 3164, over TCP with a line feed after each, RFC 6587).

use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use crate::cli::LogTargets;

/// Facility "user-level messages", in the place where priorities have it.
const FACILITY_USER: u8 = 1 << 3;
/// What is longer is cut: datagrams have an end.
const LINE_BYTES_MAX: usize = 8 * 1024;
/// A server that does not read must not stop ours for longer.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// A syslog server.
pub struct Syslog {
    way: Way,
}

enum Way {
    Udp(UdpSocket),
    /// The address, and the connection while it holds.
    Tcp(String, Mutex<Option<TcpStream>>),
}

impl Syslog {
    /// Opens the way to the server that the flags name.
    ///
    /// # Errors
    /// When the protocol is not known, or the server cannot be found.
    pub fn open(targets: &LogTargets) -> Result<Self, String> {
        let address = format!("{}:{}", targets.syslog_address, targets.syslog_port);
        let failed = |error: io::Error| format!("cannot send to the syslog server {address}: {error}");
        let way = match targets.syslog_protocol.to_ascii_uppercase().as_str() {
            "UDP" => {
                let mut found = address.to_socket_addrs().map_err(failed)?;
                let Some(server) = found.next() else {
                    return Err(format!("the syslog server {address} has no address"));
                };
                let own = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(own).map_err(failed)?;
                socket.connect(server).map_err(failed)?;
                Way::Udp(socket)
            }
            "TCP" => {
                let stream = connect(&address).map_err(failed)?;
                Way::Tcp(address, Mutex::new(Some(stream)))
            }
            other => return Err(format!("--syslog-protocol must be UDP or TCP, found `{other}`")),
        };
        Ok(Self { way })
    }

    /// Sends one message. What cannot be sent is lost: there is nowhere to tell it.
    fn send(&self, severity: u8, line: &[u8]) {
        let line = line.trim_ascii_end();
        let line = &line[..line.len().min(LINE_BYTES_MAX)];
        let mut message =
            format!("<{}>intendant[{}]: ", FACILITY_USER + severity, std::process::id()).into_bytes();
        message.extend_from_slice(line);
        match &self.way {
            Way::Udp(socket) => drop(socket.send(&message)),
            Way::Tcp(address, stream) => {
                message.push(b'\n');
                let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
                if stream.is_none() {
                    *stream = connect(address).ok();
                }
                let sent = stream.as_mut().map(|stream| stream.write_all(&message));
                if matches!(sent, Some(Err(_))) {
                    // The next line tries anew.
                    *stream = None;
                }
            }
        }
    }
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for server in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&server, SEND_TIMEOUT) {
            Ok(stream) => {
                stream.set_write_timeout(Some(SEND_TIMEOUT))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl<'a> MakeWriter<'a> for Syslog {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line::of(self, Level::INFO)
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a> {
        Line::of(self, *metadata.level())
    }
}

/// One line on its way; sent when it is complete.
pub struct Line<'a> {
    syslog: &'a Syslog,
    severity: u8,
    bytes: Vec<u8>,
}

impl<'a> Line<'a> {
    fn of(syslog: &'a Syslog, level: Level) -> Self {
        let severity = match level {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            _ => 7,
        };
        Self { syslog, severity, bytes: Vec::new() }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.syslog.send(self.severity, &self.bytes);
        }
    }
}
