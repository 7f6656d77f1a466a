//! Azure's own stand-in, Azurite.

use fixtures::process::free_port;
use tempfile::TempDir;

use crate::{open, round_trip, stand_in};

/// The account that Azurite always has, as its documentation prints it.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

#[tokio::test]
async fn azure_is_a_store() {
    let folder = TempDir::new().unwrap();
    let port = free_port().unwrap();
    let (port_text, location) = (port.to_string(), folder.path().display().to_string());
    let mut arguments = vec!["--skipApiVersionCheck", "--silent", "--blobHost", "127.0.0.1"];
    arguments.extend(["--blobPort", &port_text, "--location", &location]);
    let Some(_azurite) = stand_in("INTENDANT_TEST_AZURE", port, &arguments) else { return };
    let endpoint = format!("http://127.0.0.1:{port}/{ACCOUNT}");
    let variables = [
        ("AZURE_CONTAINER", "models"),
        ("AZURE_ACCOUNT_NAME", ACCOUNT),
        ("AZURE_ACCOUNT_KEY", KEY),
        ("AZURE_STORAGE_ENDPOINT", &endpoint),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let bucket = open("azure", variables.to_vec());
    // A container that is not there is made.
    bucket.prepare().await.unwrap();
    bucket.prepare().await.unwrap();
    round_trip(&bucket, &TempDir::new().unwrap()).await;
    round_trip(&open("az://models/inside", variables.to_vec()), &TempDir::new().unwrap()).await;
}
