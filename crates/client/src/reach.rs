//! Where requests may go whose address somebody else has written: not into our own network.
//!
//! A name is looked up once, and its connection goes to the addresses that were checked, so that a name
//! that means another address a moment later gains nothing. Redirects are never followed by our client.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::http::Uri;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use intendant_port::error::{Error, Kind, Result};
use tower_service::Service;

use crate::endpoint::Endpoint;

/// Azure's host for its virtual machines, the one metadata service in a public range.
const WIRE_SERVER: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// Which hosts a client reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All of them: for addresses that whoever runs the server has chosen.
    Everywhere,
    /// Those at public addresses, and these wherever they are: `host` or `host:port`.
    Public {
        /// The hosts that are allowed besides.
        but: Arc<[String]>,
    },
}

impl Reach {
    /// Public addresses and some hosts, `host` or `host:port`.
    pub fn public_but(hosts: impl IntoIterator<Item = String>) -> Self {
        let level = |host: String| host.trim().to_lowercase();
        Self::Public { but: hosts.into_iter().map(level).filter(|host| !host.is_empty()).collect() }
    }

    /// The same with the host of a URL, at its port.
    pub fn and_host_of(self, url: &str) -> Self {
        let Self::Public { but } = &self else { return self };
        let Ok(uri) = Endpoint::bare(url).and_then(|endpoint| endpoint.uri()) else { return self };
        let own = format!("{}:{}", bare(uri.host().unwrap_or_default()), port_of(&uri));
        Self::public_but(but.iter().cloned().chain([own]))
    }

    /// Refuses what can be told from an address as it is written; names are checked when they are looked up.
    ///
    /// # Errors
    /// When the host is an address that is not public, or allowed at other ports only.
    pub fn permit(&self, uri: &Uri) -> Result<()> {
        let Self::Public { but } = self else { return Ok(()) };
        let host = bare(uri.host().unwrap_or_default());
        let port = port_of(uri);
        let mut ports = but.iter().filter_map(|entry| ports_of(entry, &host)).peekable();
        let is_permitted = match ports.peek() {
            Some(_) => ports.any(|allowed| allowed.is_none_or(|allowed| allowed == port)),
            None => host.parse().map_or(true, is_public),
        };
        if is_permitted { Ok(()) } else { Err(refused(&host)) }
    }

    /// Whether a name may be looked up to any address.
    fn trusts(&self, host: &str) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Public { but } => but.iter().any(|entry| ports_of(entry, &bare(host)).is_some()),
        }
    }
}

pub(crate) fn port_of(uri: &Uri) -> u16 {
    let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    uri.port_u16().unwrap_or(usual)
}

fn refused(host: &str) -> Error {
    Error::new(
        Kind::Refused,
        format!("the host {host} is not at a public address, and not among those allowed"),
    )
}

/// A host as it is compared.
pub(crate) fn bare(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_lowercase()
}

/// The port at which an entry allows a host, `Some(None)` for all of them; `None` when it is another host's.
fn ports_of(entry: &str, host: &str) -> Option<Option<u16>> {
    if bare(entry) == host {
        return Some(None);
    }
    let (name, port) = entry.rsplit_once(':')?;
    let port = port.parse().ok()?;
    (bare(name) == host).then_some(Some(port))
}

/// Whether an address can be reached from everywhere: not ourselves, not our network, no metadata service.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Source: IANA IPv4 Special-Purpose Address Registry.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special =
        matches!((a, b, c), (0 | 10 | 127 | 224..=255, _, _) | (100, 64..=127, _) | (169, 254, _))
            || matches!((a, b, c), (172, 16..=31, _) | (192, 168, _) | (192, 0, 0 | 2) | (192, 88, 99))
            || matches!((a, b, c), (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113));
    !is_special && address != WIRE_SERVER
}

/// Source: IANA IPv6 Special-Purpose Address Registry. Addresses that carry one of version 4 are what that is.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let carried = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => carried(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => carried(high, low),
        [0x2002, high, low, ..] => carried(high, low),
        [0x2001, second, ..] => second >= 0x200 && second != 0xdb8,
        // Global unicast is 2000::/3; everything else is local, multicast or not given out.
        [first, ..] => first & 0xe000 == 0x2000 && first != 0x3fff,
    }
}

/// Looks names up, and keeps to itself what may not be reached.
#[derive(Clone)]
pub(crate) struct Resolver {
    reach: Reach,
    inner: GaiResolver,
}

impl Resolver {
    pub(crate) fn new(reach: Reach) -> Self {
        Self { reach, inner: GaiResolver::new() }
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (host, is_trusted) = (name.to_string(), self.reach.trusts(name.as_str()));
        let looked_up = self.inner.call(name);
        Box::pin(async move {
            let found: Vec<SocketAddr> = looked_up.await?.collect();
            let (is_known, mut kept) = (!found.is_empty(), found);
            kept.retain(|address| is_trusted || is_public(address.ip()));
            if is_known && kept.is_empty() {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, refused(&host)));
            }
            Ok(kept.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_our_own_network_are_told_from_others() {
        let check = |public: bool, addresses: &str| {
            for address in addresses.split(' ') {
                assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
            }
        };
        check(true, "8.8.8.8 1.1.1.1 100.63.0.1 100.128.0.1 172.15.0.1 172.32.0.1 192.169.0.1 198.20.0.1");
        check(
            false,
            "0.0.0.0 10.1.2.3 100.64.0.1 127.0.0.1 127.9.9.9 169.254.169.254 172.16.0.1 172.31.255.255",
        );
        check(
            false,
            "192.0.0.192 192.0.2.1 192.168.1.1 198.18.0.1 198.51.100.7 203.0.113.1 224.0.0.1 240.0.0.1",
        );
        check(false, "255.255.255.255 168.63.129.16 100.100.100.200");
        check(true, "2606:4700:4700::1111 2001:4860:4860::8888 64:ff9b::808:808 2002:808:808::1");
        check(
            false,
            ":: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::7f00:1 fe80::1 fec0::1 fc00::1 fd00:ec2::254",
        );
        check(
            false,
            "ff02::1 64:ff9b::7f00:1 64:ff9b:1::1 2002:7f00:1::1 2001::1 2001:db8::1 100::1 3fff::1",
        );
    }

    #[test]
    fn hosts_are_permitted_by_name_and_port() {
        let check = |allowed: &[&str], url: &str, expected: bool| {
            let reach = Reach::public_but(allowed.iter().map(|host| (*host).to_owned()));
            assert_eq!(reach.permit(&url.parse().unwrap()).is_ok(), expected, "{url} with {allowed:?}");
        };
        check(&[], "https://8.8.8.8/hook", true);
        check(&[], "http://127.0.0.1:9/", false);
        check(&[], "http://[::1]:9/", false);
        check(&[], "http://[::ffff:169.254.169.254]/latest/meta-data", false);
        check(&["127.0.0.1"], "http://127.0.0.1:9/", true);
        check(&["127.0.0.1:9"], "http://127.0.0.1:9/", true);
        check(&["127.0.0.1:9"], "http://127.0.0.1:5432/", false);
        check(&["[::1]:80"], "http://[::1]/", true);
        check(&["Hooks.Internal:443"], "https://hooks.internal./a", true);
        check(&["hooks.internal:443"], "http://hooks.internal/a", false);
        let own = Reach::public_but([]).and_host_of("[::1]:5055/hook");
        assert!(own.permit(&"http://[::1]:5055/x".parse().unwrap()).is_ok());
        assert!(own.permit(&"http://[::1]:5056/x".parse().unwrap()).is_err());
        assert!(Reach::Everywhere.permit(&"http://10.0.0.1/".parse().unwrap()).is_ok());
    }

    #[tokio::test]
    async fn names_are_checked_when_they_are_looked_up() {
        let look_up = |allowed: Vec<String>, name: &'static str| async move {
            Resolver::new(Reach::public_but(allowed)).call(name.parse().unwrap()).await.map(Iterator::count)
        };
        // The second is the loopback address as one number, which is no address to a parser.
        for name in ["localhost", "2130706433"] {
            let refused = look_up(Vec::new(), name).await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied, "{name}");
        }
        assert!(look_up(vec!["localhost:80".to_owned()], "localhost").await.unwrap() > 0);
    }
}
