//! Makes the bucket or container that a store lacks, as Rasa does.

use std::time::Duration;

use http::request::Builder;
use http::{Method, Request, header};
use intendant_port::error::{Error, Kind, Result};
use intendant_port::web::percent_encode;
use object_store::ObjectStoreExt;
use object_store::aws::AmazonS3;
use object_store::azure::{AzureAuthorizer, MicrosoftAzure};
use object_store::client::{HttpRequest, HttpService};
use object_store::gcp::GoogleCloudStorage;
use object_store::path::Path;
use object_store::signer::Signer;
use serde_json::json;

use crate::bucket::{Bucket, Store};
use crate::connector::Connector;

/// How long the signature of a request that makes a bucket holds.
const SIGNATURE_LIFETIME: Duration = Duration::from_secs(300);

impl Bucket {
    /// Makes the bucket if it is not there.
    ///
    /// # Errors
    /// When the store cannot be asked, or refuses.
    pub async fn prepare(&self) -> Result<()> {
        if matches!(self.store, Store::Folder(_)) || !self.is_missing().await {
            return Ok(());
        }
        let request = match &self.store {
            Store::S3 { store, region } => self.s3_request(store, region.as_deref()).await?,
            Store::Google { store, url, project } => {
                self.google_request(store, (url, project.as_deref())).await?
            }
            Store::Azure { store, account, url } => self.azure_request(store, (account, url)).await?,
            Store::Folder(_) => return Ok(()),
        };
        let answer =
            Connector(self.client.clone()).call(request).await.map_err(|error| self.unmade(error))?;
        match answer.status().as_u16() {
            // Somebody else made it meanwhile.
            200..300 | 409 => Ok(()),
            status => Err(self.unmade(format!("the store answered {status}"))),
        }
    }

    async fn is_missing(&self) -> bool {
        let objects = self.objects();
        match objects.head(&Path::from(".intendant-bucket-check")).await {
            Err(object_store::Error::NotFound { .. }) => {}
            _ => return false,
        }
        // An answer to HEAD does not say which of the two is missing, a listing does.
        let Err(error) = objects.list_with_delimiter(None).await else { return false };
        let why = Error::new(Kind::Unavailable, "").because(error).chain();
        ["404", "no bucket"].iter().any(|sign| why.contains(sign))
    }

    fn unmade(&self, why: impl std::fmt::Display) -> Error {
        Error::new(Kind::Refused, format!("cannot make the bucket {}: {why}", self.name))
    }

    fn finished(&self, request: Builder, body: String) -> Result<HttpRequest> {
        request.body(body.into()).map_err(|error| self.unmade(error))
    }

    async fn s3_request(&self, store: &AmazonS3, region: Option<&str>) -> Result<HttpRequest> {
        let url = store.signed_url(Method::PUT, &Path::default(), SIGNATURE_LIFETIME).await;
        let url = url.map_err(|error| self.unmade(error))?;
        let body = match region {
            None | Some("us-east-1") => String::new(),
            Some(region) => format!(
                "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                 <LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
            ),
        };
        self.finished(Request::put(url.as_str()), body)
    }

    async fn google_request(
        &self,
        store: &GoogleCloudStorage,
        (url, project): (&str, Option<&str>),
    ) -> Result<HttpRequest> {
        let mut target = format!("{}/storage/v1/b?project=", url.trim_end_matches('/'));
        percent_encode(project.unwrap_or_default(), &mut target);
        let mut request = Request::post(target).header(header::CONTENT_TYPE, "application/json");
        let credential = store.credentials().get_credential().await;
        // What stands in for the real store has none.
        if let Some(credential) = credential.ok().filter(|credential| !credential.bearer.is_empty()) {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", credential.bearer));
        }
        self.finished(request, json!({"name": self.name}).to_string())
    }

    async fn azure_request(
        &self,
        store: &MicrosoftAzure,
        (account, url): (&str, &str),
    ) -> Result<HttpRequest> {
        let target = format!("{}/{}?restype=container", url.trim_end_matches('/'), self.name);
        let request = Request::put(target).header(header::CONTENT_LENGTH, 0);
        let mut request = self.finished(request, String::new())?;
        let credential = store.credentials().get_credential().await.map_err(|error| self.unmade(error))?;
        let signed = AzureAuthorizer::new(&credential, account).try_authorize(&mut request);
        signed.map_err(|error| self.unmade(error))?;
        Ok(request)
    }
}
