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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;

    /// Takes one mail and gives its lines.
    async fn post_office(listener: TcpListener) -> Vec<String> {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        stream.get_mut().write_all(b"220 here\r\n").await.unwrap();
        let (mut lines, mut is_data) = (Vec::new(), false);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap() == 0 {
                return lines;
            }
            let line = line.trim_end().to_owned();
            let answer: &[u8] = match (is_data, line.as_str()) {
                (true, ".") => b"250 taken\r\n",
                (true, _) => b"",
                (false, "DATA") => b"354 go on\r\n",
                (false, "QUIT") => b"221 bye\r\n",
                (false, _) => b"250 fine\r\n",
            };
            is_data = if is_data { line != "." } else { line == "DATA" };
            let is_end = line == "QUIT";
            lines.push(line);
            stream.get_mut().write_all(answer).await.unwrap();
            if is_end {
                return lines;
            }
        }
    }

    #[tokio::test]
    async fn a_mail_is_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("smtp://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let office = tokio::spawn(post_office(listener));
        let to = ["Ann <ann@example.org>".to_owned(), "bob@example.org".to_owned()];
        let notifier = MailNotifier::new(&server, "bot@example.org", &to).unwrap();
        let message = Message {
            subject: "budget month: 80 % of 10.00 USD are spent".to_owned(),
            text: "8.00 USD of 10.00 USD are spent in account month.".to_owned(),
            data: serde_json::Value::Null,
        };
        notifier.tell(&message).await.unwrap();
        drop(notifier);
        let lines = office.await.unwrap();
        for expected in [
            "MAIL FROM:<bot@example.org>",
            "RCPT TO:<ann@example.org>",
            "RCPT TO:<bob@example.org>",
            "Subject: budget month: 80 % of 10.00 USD are spent",
            "8.00 USD of 10.00 USD are spent in account month.",
        ] {
            assert!(lines.iter().any(|line| line == expected), "{expected} is not in {lines:?}");
        }
    }

    #[test]
    fn addresses_that_cannot_be_used_are_named() {
        let check = |server: &str, from: &str, expected: &str| {
            let found =
                MailNotifier::new(server, from, &["a@b.c".to_owned()]).err().map(|error| error.message);
            assert!(found.as_deref().is_some_and(|found| found.starts_with(expected)), "{found:?}");
            // It may hold a password.
            assert!(!found.unwrap_or_default().contains("s3cret"));
        };
        check("mail.example", "a@b.c", "the address of the mail server");
        check("ftp://u:s3cret@mail.example", "a@b.c", "the address of the mail server");
        check("smtp://mail.example", "nobody", "the mail address 'nobody'");
    }
}
