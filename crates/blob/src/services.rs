//! The stores with a protocol of their own, made of the variables that their vendors and Rasa name.

use std::sync::Arc;
use std::time::Duration;

use intendant_client::http::HttpClient;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{Result, RetryConfig, StaticCredentialProvider};
use serde_json::Value;

use crate::bucket::{Store, Variables};
use crate::connector::Connector;

/// How often a failed request is sent again.
const RETRIES_MAX: usize = 4;
/// How long all tries of a request may take.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);
/// Where Google's store is unless said otherwise.
const GOOGLE_URL: &str = "https://storage.googleapis.com";

fn retries() -> RetryConfig {
    RetryConfig { max_retries: RETRIES_MAX, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() }
}

/// Variables that begin so, each with the key that it is to the store's library.
fn keys<'a, Key: std::str::FromStr>(
    variables: &'a Variables,
    beginning: &'a str,
) -> impl Iterator<Item = (Key, &'a str)> {
    let named = variables.iter().filter(move |(variable, _)| variable.starts_with(beginning));
    named.filter_map(|(variable, value)| Some((variable.to_lowercase().parse().ok()?, value.as_str())))
}

/// Amazon S3, or what speaks like it.
pub fn s3(name: &str, variables: &Variables, client: &HttpClient) -> Result<Store> {
    let mut builder = AmazonS3Builder::new().with_bucket_name(name).with_region("us-east-1");
    let mut region = None;
    for (key, value) in keys(variables, "AWS_") {
        if matches!(key, AmazonS3ConfigKey::Region | AmazonS3ConfigKey::DefaultRegion) {
            region = Some(value.to_owned());
        }
        builder = builder.with_config(key, value);
    }
    let builder = builder.with_retry(retries()).with_http_connector(Connector(client.clone()));
    Ok(Store::S3 { store: Arc::new(builder.build()?), region })
}

/// Google Cloud Storage.
pub fn google(name: &str, variables: &Variables, client: &HttpClient) -> Result<Store> {
    let mut builder = GoogleCloudStorageBuilder::new().with_bucket_name(name);
    for (key, value) in keys::<GoogleConfigKey>(variables, "GOOGLE_") {
        builder = builder.with_config(key, value);
    }
    let set = |name: &str| variables.get(name).filter(|value| !value.is_empty());
    // As Google's own libraries, for what stands in for it.
    let stand_in = set("STORAGE_EMULATOR_HOST").map(|host| match host.contains("://") {
        true => host.clone(),
        false => format!("http://{host}"),
    });
    if let Some(url) = &stand_in {
        let nobody = StaticCredentialProvider::new(GcpCredential { bearer: String::new() });
        builder = builder.with_base_url(url).with_skip_signature(true).with_credentials(Arc::new(nobody));
    }
    let account = set("GOOGLE_APPLICATION_CREDENTIALS").or_else(|| set("GOOGLE_SERVICE_ACCOUNT"));
    let account: Value = account
        .and_then(|path| std::fs::read(path).ok())
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let url = stand_in
        .or_else(|| set("GOOGLE_BASE_URL").cloned())
        .or_else(|| account["gcs_base_url"].as_str().map(str::to_owned))
        .unwrap_or_else(|| GOOGLE_URL.to_owned());
    let project = set("GOOGLE_CLOUD_PROJECT").map(String::as_str).or(account["project_id"].as_str());
    let builder = builder.with_retry(retries()).with_http_connector(Connector(client.clone()));
    let store = Arc::new(builder.build()?);
    Ok(Store::Google { store, url, project: project.map(str::to_owned) })
}

/// Azure's blob storage.
pub fn azure(name: &str, variables: &Variables, client: &HttpClient) -> Result<Store> {
    let mut builder = MicrosoftAzureBuilder::new().with_container_name(name);
    for (key, value) in keys::<AzureConfigKey>(variables, "AZURE_") {
        builder = builder.with_config(key, value);
    }
    // Rasa's names for the two.
    if let Some(account) = variables.get("AZURE_ACCOUNT_NAME") {
        builder = builder.with_account(account);
    }
    if let Some(key) = variables.get("AZURE_ACCOUNT_KEY") {
        builder = builder.with_access_key(key);
    }
    let account = builder.get_config_value(&AzureConfigKey::AccountName).unwrap_or_default();
    let url = builder
        .get_config_value(&AzureConfigKey::Endpoint)
        .unwrap_or_else(|| format!("https://{account}.blob.core.windows.net"));
    let builder = builder.with_retry(retries()).with_http_connector(Connector(client.clone()));
    Ok(Store::Azure { store: Arc::new(builder.build()?), account, url })
}
