//! Ways to tell somebody: a webhook, and mail by SMTP.

use std::sync::Arc;

use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::notify::{Message, Notifier};
use intendant_port::web::{Request, Web};
use lettre::message::Mailbox;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use serde_json::json;

/// Posts messages to a URL, as `{text, subject, data}`, which chat systems understand as well.
pub struct WebhookNotifier {
    web: Arc<dyn Web>,
    url: String,
}

impl WebhookNotifier {
    /// Posts to `url`, which may hold a secret.
    pub fn new(web: Arc<dyn Web>, url: String) -> Self {
        Self { web, url }
    }
}

impl Notifier for WebhookNotifier {
    fn tell<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let text = format!("{}\n{}", message.subject, message.text);
            let body = json!({"text": text, "subject": message.subject, "data": message.data});
            let request = Request::json("the webhook for notices", self.url.clone(), &body);
            self.web.send(&request).await?.insist("the webhook for notices")
        })
    }
}

/// Sends messages by mail.
pub struct MailNotifier {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl MailNotifier {
    /// A mail server as `smtp://user:password@host:587?tls=required` or `smtps://…`.
    ///
    /// # Errors
    /// When an address cannot be used.
    pub fn new(server: &str, from: &str, to: &[String]) -> Result<Self> {
        let unusable = |what: &str| Error::new(Kind::Unsupported, format!("{what} cannot be used"));
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(server)
            .map_err(|_| {
                unusable("the address of the mail server (smtp://user:password@host:587?tls=required)")
            })?
            .build();
        let mailbox = |address: &str| {
            address
                .parse::<Mailbox>()
                .map_err(|error| unusable(&format!("the mail address '{address}'")).because(error))
        };
        let to: Result<Vec<Mailbox>> = to.iter().map(|address| mailbox(address)).collect();
        Ok(Self { transport, from: mailbox(from)?, to: to? })
    }
}

impl Notifier for MailNotifier {
    fn tell<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let mut mail = lettre::Message::builder().from(self.from.clone()).subject(&message.subject);
            for to in &self.to {
                mail = mail.to(to.clone());
            }
            let mail = mail
                .body(message.text.clone())
                .map_err(|error| Error::new(Kind::Invalid, "a mail cannot be written").because(error))?;
            let sent = self.transport.send(mail).await;
            sent.map(drop).map_err(|error| Error::new(Kind::Unavailable, "cannot send a mail").because(error))
        })
    }
}
