//! Who is told of what a budget went through.

use std::sync::Arc;

use intendant_budget::decide::{Notice, NoticeEvent};
use intendant_port::notify::Message;
use serde_json::json;

use crate::service::Shared;

impl Shared {
    pub(crate) fn tell(&self, notices: Vec<Notice>) {
        for notice in notices {
            self.tell_all(message_of(&notice));
        }
    }

    /// Logs at once; other ways take their time.
    pub(crate) fn tell_all(&self, message: Message) {
        tracing::warn!(data = %message.data, "{}", message.subject);
        for notifier in &self.outside.notifiers {
            let notifier = Arc::clone(notifier);
            let message = message.clone();
            tokio::spawn(async move {
                if let Err(error) = notifier.tell(&message).await {
                    tracing::error!(error = error.chain(), subject = message.subject, "nobody could be told");
                }
            });
        }
    }
}

/// A notice as a message.
fn message_of(notice: &Notice) -> Message {
    let Notice { account, event, limit, spent, resets_at, forecast } = notice;
    let (word, subject) = match event {
        NoticeEvent::Threshold(percent) => {
            ("threshold", format!("budget {account}: {percent} % of {limit} USD are spent"))
        }
        NoticeEvent::Pace => {
            ("pace", format!("budget {account}: at this pace the {limit} USD do not last for the period"))
        }
        NoticeEvent::Exhausted => ("exhausted", format!("budget {account}: the {limit} USD are used up")),
        NoticeEvent::Overspent(excess) => {
            ("overspent", format!("budget {account}: a request cost {excess} USD more than reserved"))
        }
    };
    let percent = match event {
        NoticeEvent::Threshold(percent) => Some(*percent),
        NoticeEvent::Pace | NoticeEvent::Exhausted | NoticeEvent::Overspent(_) => None,
    };
    let mut text = format!("{spent} USD of {limit} USD are spent in account {account}.");
    if let Some(forecast) = forecast {
        text.push_str(&format!(" At this pace it is {} USD at the end of the period.", forecast.at_end));
    }
    Message {
        text,
        data: json!({
            "event": word,
            "account": account,
            "percent": percent,
            "limit_micros": limit.micros,
            "spent_micros": spent.micros,
            "resets_at_micros": resets_at.map(|at| at.micros),
            "forecast_micros": forecast.map(|forecast| forecast.at_end.micros),
            "exhausted_at_micros": forecast.and_then(|forecast| forecast.exhausted_at).map(|at| at.micros),
        }),
        subject,
    }
}
