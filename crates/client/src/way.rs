//! The way to a server: straight, or by a tunnel through an HTTP proxy.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::http::{HeaderValue, Uri, uri};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use intendant_port::error::{Error, Kind, Result};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::reach::Resolver;

/// What opens connections, to hosts that may be reached.
pub(crate) type Connector = HttpConnector<Resolver>;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How connections come about.
#[derive(Clone)]
pub(crate) enum Way {
    /// To the server itself.
    Straight(Connector),
    /// By `CONNECT` through a proxy.
    Through(Tunnel<Connector>),
}

impl Way {
    /// Through the proxy at `http://[user:password@]host[:port]`.
    ///
    /// # Errors
    /// When that is no such address.
    pub(crate) fn through(proxy: &str, connector: Connector) -> Result<Self> {
        let unusable = || {
            let message =
                "the proxy's address must be http://host:port, with user:password@ if it asks for them";
            Error::new(Kind::Unsupported, message)
        };
        let address: Uri = proxy.parse().map_err(|_| unusable())?;
        let authority = address.authority().filter(|_| address.scheme() == Some(&uri::Scheme::HTTP));
        let authority = authority.ok_or_else(unusable)?.as_str();
        let (login, server) = match authority.rsplit_once('@') {
            Some((login, server)) => (Some(login), server),
            None => (None, authority),
        };
        let server = format!("http://{server}").parse().map_err(|_| unusable())?;
        let tunnel = Tunnel::new(server, connector);
        Ok(Self::Through(match login {
            Some(login) => {
                let proof = format!("Basic {}", STANDARD.encode(login));
                tunnel.with_auth(HeaderValue::from_str(&proof).map_err(|_| unusable())?)
            }
            None => tunnel,
        }))
    }
}

impl Service<Uri> for Way {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = std::result::Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<std::result::Result<(), BoxError>> {
        match self {
            Self::Straight(connector) => connector.poll_ready(context).map_err(Into::into),
            Self::Through(tunnel) => tunnel.poll_ready(context).map_err(Into::into),
        }
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        match self {
            Self::Straight(connector) => {
                let connecting = connector.call(server);
                Box::pin(async move { connecting.await.map_err(Into::into) })
            }
            Self::Through(tunnel) => {
                let connecting = tunnel.call(with_port(server));
                Box::pin(async move { connecting.await.map_err(Into::into) })
            }
        }
    }
}

/// A tunnel takes an address without a port for one of HTTPS.
fn with_port(server: Uri) -> Uri {
    let (Some("http"), Some(host), None) = (server.scheme_str(), server.host(), server.port()) else {
        return server;
    };
    format!("http://{host}:80").parse().unwrap_or(server)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reach::Reach;

    #[test]
    fn proxies_are_named_by_plain_addresses() {
        for (proxy, is_usable) in [
            ("http://proxy:3128", true),
            ("http://anna:s%20t@proxy", true),
            ("https://proxy:3128", false),
            ("proxy:3128", false),
            ("http://", false),
        ] {
            let connector = Connector::new_with_resolver(Resolver::new(Reach::Everywhere));
            assert_eq!(Way::through(proxy, connector).is_ok(), is_usable, "{proxy}");
        }
        let at = |uri: &str| with_port(uri.parse().unwrap()).to_string();
        assert_eq!(at("http://host/"), "http://host:80/");
        assert_eq!(at("https://host/"), "https://host/");
    }
}
