//! Who is asking: address, origin, key.

use std::net::{IpAddr, SocketAddr};

use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use intendant_gateway::session::is_same;
use intendant_port::web::form_decode;

use super::Door;
use crate::listen::Peer;

/// Who is asking.
pub struct Caller {
    /// The address that rates count.
    pub address: String,
    /// The name of the key that was shown.
    pub key: Option<String>,
    /// Why they may not ask, if so.
    pub denied: Option<Denied>,
    origin: Option<HeaderValue>,
}

/// Why somebody may not ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Denied {
    Origin,
    Key,
}

impl Caller {
    /// Who sent a request.
    pub fn of(door: &Door, parts: &Parts) -> Self {
        let peer = parts.extensions.get::<Peer>().map(|Peer(address)| *address);
        let origin = parts.headers.get(header::ORIGIN).cloned();
        let key = shown_key(door, parts);
        let denied = match &origin {
            Some(origin) if !is_allowed(door, origin, &parts.headers) => Some(Denied::Origin),
            _ if key.is_none() && !door.anonymous => Some(Denied::Key),
            _ => None,
        };
        Self { address: address(door, peer, &parts.headers), key, denied, origin }
    }

    /// Amounts are for those with a key, and for everybody only if somebody said so. That somebody asks
    /// from this machine tells nothing: a proxy may stand here.
    pub fn may_see_amounts(&self, door: &Door) -> bool {
        door.show_amounts || self.key.is_some()
    }

    /// Tells browsers who may read the answer.
    pub fn decorate(&self, door: &Door, headers: &mut HeaderMap) {
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
        let Some(origin) = &self.origin else { return };
        if self.denied == Some(Denied::Origin) {
            return;
        }
        let shown = if door.origins.iter().any(|known| known == "*") {
            HeaderValue::from_static("*")
        } else {
            origin.clone()
        };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, shown);
        let allowed = "content-type, authorization, accept-language, idempotency-key, x-api-key";
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(allowed));
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
        let exposed = "retry-after, x-budget-limit, x-budget-remaining, x-budget-reset";
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(exposed));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
}

fn is_allowed(door: &Door, origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_own = origin.split_once("://").is_some_and(|(_, authority)| authority == host);
    is_own || door.origins.iter().any(|known| known == "*" || known.trim_end_matches('/') == origin)
}

fn shown_key(door: &Door, parts: &Parts) -> Option<String> {
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let bearer = text("authorization").and_then(|value| Some(value.strip_prefix("Bearer ")?.to_owned()));
    let query = || {
        let fields = form_decode(parts.uri.query().unwrap_or_default());
        fields.into_iter().find(|(name, _)| name == "key").map(|(_, value)| value)
    };
    let shown = [bearer, text("x-api-key"), text("x-goog-api-key"), query()];
    // Every key is compared, so that time tells nothing.
    let matching = |secret: &str| {
        shown
            .iter()
            .flatten()
            .fold(false, |found, shown| is_same(shown.as_bytes(), secret.as_bytes()) | found)
    };
    let found = door.keys.iter().filter(|(_, secret)| matching(secret) && !secret.is_empty());
    found.map(|(name, _)| name.clone()).next()
}

/// The peer's address, or what trusted proxies say of it: the last one that is none of them.
fn address(door: &Door, peer: Option<SocketAddr>, headers: &HeaderMap) -> String {
    let Some(peer) = peer.map(|peer| peer.ip()) else { return "unknown".to_owned() };
    let is_trusted = |address: &IpAddr| door.trusted_proxies.contains(address);
    let mut found = peer;
    if is_trusted(&peer) {
        let forwarded = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<IpAddr> =
            forwarded.flat_map(|value| value.split(',')).filter_map(|hop| hop.trim().parse().ok()).collect();
        for hop in hops.into_iter().rev() {
            found = hop;
            if !is_trusted(&hop) {
                break;
            }
        }
    }
    match found {
        IpAddr::V4(address) => address.to_string(),
        // One household has a whole network of these.
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}
