//! The flags of a server that stands at the front: static files, HTTPS, certificates.

use std::path::PathBuf;

use clap::Args;

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
}
