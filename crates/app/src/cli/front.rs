//! The flags of a server that stands at the front: static files, HTTPS, certificates.

use std::path::PathBuf;

use clap::Args;
use intendant_client::acme::LETS_ENCRYPT;

/// Certificates that are there as files.
#[derive(Debug, Clone, Default, Args)]
pub struct TlsArgs {
    /// Certificate chain for TLS, PEM.
    #[arg(long, value_name = "FILE")]
    pub ssl_certificate: Option<PathBuf>,
    /// Private key for TLS, PEM; looked for in the certificate's file unless given.
    #[arg(long, value_name = "FILE")]
    pub ssl_keyfile: Option<PathBuf>,
    /// Authorities, PEM, that certificates shown by clients must come from.
    #[arg(long, value_name = "FILE")]
    pub ssl_ca_file: Option<PathBuf>,
    /// Password of an encrypted private key.
    #[arg(long, value_name = "PASSWORD")]
    pub ssl_password: Option<String>,
}

/// What a server at the front does besides answering.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "At the front")]
pub struct FrontArgs {
    /// Serve the files of this folder under `/`, such as a front end that was built.
    #[arg(long, value_name = "DIR")]
    pub static_files: Option<PathBuf>,
    /// Send who comes to this plain port on to HTTPS.
    #[arg(long, value_name = "PORT")]
    pub redirect_port: Option<u16>,
    /// Tell browsers to come by HTTPS only, for so many seconds.
    #[arg(long, num_args = 0..=1, default_missing_value = "31536000", value_name = "SECONDS")]
    pub hsts: Option<u64>,
    /// Get certificates for these names from an authority that speaks ACME, and renew them; the authority asks on
    /// --redirect-port, which it reaches as port 80.
    #[arg(long, num_args = 1.., value_name = "NAME", requires = "redirect_port", conflicts_with = "ssl_certificate")]
    pub acme_domain: Vec<String>,
    /// Whom the authority may write to.
    #[arg(long, value_name = "ADDRESS", requires = "acme_domain")]
    pub acme_email: Option<String>,
    /// The authority's directory.
    #[arg(long, default_value = LETS_ENCRYPT, value_name = "URL")]
    pub acme_directory: String,
    /// Where account and certificate are kept.
    #[arg(long, default_value = ".intendant/acme", value_name = "DIR")]
    pub acme_store: PathBuf,
    /// The certificates, PEM, that a private authority's own server is checked against.
    #[arg(long, value_name = "FILE", requires = "acme_domain")]
    pub acme_root: Option<PathBuf>,
}
