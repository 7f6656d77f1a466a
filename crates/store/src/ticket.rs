//! A queue of tickets for the floor of one conversation, as Rasa's lock stores keep it: the JSON
//! `{"conversation_id", "tickets": ["{\"number\", \"expires\"}", …]}` (`spec: http-and-channels.md
//! §5`), so that servers of Rasa may wait in the same queue.
//!
//! Two fields are ours and lost where Rasa writes: a ticket's `owner`, a name that no other ticket
//! has, and the `holder`, the process that was served last.

use intendant_talk::time::Timestamp;
use serde_json::{Value, json};

/// The queue of one conversation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Queue {
    tickets: Vec<Ticket>,
    holder: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
struct Ticket {
    number: i64,
    expires: Timestamp,
    owner: Option<String>,
}

/// Where a ticket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It has the floor.
    Served,
    /// Others are before it.
    Waiting,
    /// It is not in the queue any more.
    Lost,
}

impl Queue {
    /// Reads a queue; what cannot be read is an empty one.
    pub fn read(text: Option<&str>) -> Self {
        let value: Value = text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let tickets = value["tickets"].as_array().into_iter().flatten().filter_map(|ticket| {
            let ticket: Value = serde_json::from_str(ticket.as_str()?).ok()?;
            Some(Ticket {
                number: ticket["number"].as_i64()?,
                expires: Timestamp::from_secs_f64(ticket["expires"].as_f64()?),
                owner: ticket["owner"].as_str().map(str::to_owned),
            })
        });
        Self { tickets: tickets.collect(), holder: value["holder"].as_str().map(str::to_owned) }
    }

    /// The queue as it is stored.
    pub fn text(&self, sender_id: &str) -> String {
        let ticket = |ticket: &Ticket| {
            let mut value = json!({"number": ticket.number, "expires": ticket.expires.as_secs_f64()});
            if let Some(owner) = &ticket.owner {
                value["owner"] = owner.as_str().into();
            }
            value.to_string()
        };
        let tickets: Vec<String> = self.tickets.iter().map(ticket).collect();
        json!({"conversation_id": sender_id, "tickets": tickets, "holder": self.holder}).to_string()
    }

    /// Leaves out tickets whose owners are gone; whoever asks is not.
    pub fn without_expired(mut self, now: Timestamp, asker: &str) -> Self {
        self.tickets.retain(|ticket| ticket.expires >= now || ticket.owner.as_deref() == Some(asker));
        self
    }

    /// Adds a ticket at the end and tells its number. Who has one keeps it, so that asking again
    /// after an error does no harm.
    pub fn issue(&mut self, owner: &str, expires: Timestamp) -> i64 {
        if let Some(own) = self.tickets.iter().find(|ticket| ticket.owner.as_deref() == Some(owner)) {
            return own.number;
        }
        let number = self.tickets.last().map_or(0, |last| last.number + 1);
        self.tickets.push(Ticket { number, expires, owner: Some(owner.to_owned()) });
        number
    }

    /// Where a ticket stands.
    pub fn place(&self, number: i64, owner: &str) -> Place {
        match self.index(number, owner) {
            Some(0) => Place::Served,
            Some(_) => Place::Waiting,
            None => Place::Lost,
        }
    }

    /// Makes a ticket expire later; `false` when it is not in the queue.
    pub fn renew(&mut self, number: i64, owner: &str, expires: Timestamp) -> bool {
        match self.index(number, owner) {
            Some(idx) => {
                self.tickets[idx].expires = expires;
                self.tickets[idx].owner = Some(owner.to_owned());
                true
            }
            None => false,
        }
    }

    /// When a ticket expires.
    pub fn expiry(&self, number: i64, owner: &str) -> Option<Timestamp> {
        Some(self.tickets[self.index(number, owner)?].expires)
    }

    /// Notes who is served, and tells whether the same was served last.
    pub fn hold(&mut self, owner: &str) -> bool {
        let before = self.holder.replace(owner.to_owned());
        before.as_deref() == Some(owner)
    }

    /// Takes a ticket out.
    pub fn remove(&mut self, number: i64, owner: &str) {
        if let Some(idx) = self.index(number, owner) {
            self.tickets.remove(idx);
        }
    }

    fn index(&self, number: i64, owner: &str) -> Option<usize> {
        self.tickets.iter().position(|ticket| {
            ticket.number == number && ticket.owner.as_deref().is_none_or(|found| found == owner)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    #[test]
    fn tickets_are_served_in_order_and_expire() {
        let mut queue = Queue::default();
        let first = queue.issue("a", at(10));
        assert_eq!(queue.issue("a", at(10)), first);
        let second = queue.issue("b", at(20));
        assert_eq!((first, second), (0, 1));
        assert_eq!((queue.place(0, "a"), queue.place(1, "b")), (Place::Served, Place::Waiting));
        assert!(queue.renew(1, "b", at(30)));
        let mut queue = queue.without_expired(at(25), "b");
        assert_eq!((queue.place(0, "a"), queue.place(1, "b")), (Place::Lost, Place::Served));
        queue = queue.without_expired(at(99), "b");
        assert_eq!(queue.place(1, "b"), Place::Served, "who asks is alive");
        assert!(!queue.hold("b") && queue.hold("b") && !queue.hold("a"));
        queue.remove(1, "b");
        assert_eq!(queue.issue("c", at(40)), 0);
        assert_eq!(queue.place(0, "a"), Place::Lost, "a number that is given again is another ticket");
        assert_eq!(Queue::read(Some(&queue.text("x"))), queue);
    }

    #[test]
    fn queues_of_rasa_are_read() {
        let text = r#"{"conversation_id": "x", "tickets": ["{\"number\": 4, \"expires\": 1700000000.25}", "{\"number\": 5, \"expires\": 1700000001.5}"]}"#;
        let mut queue = Queue::read(Some(text));
        assert_eq!(queue.place(4, "anybody"), Place::Served);
        assert_eq!(queue.expiry(5, "anybody"), Some(Timestamp::from_micros(1_700_000_001_500_000)));
        assert_eq!(queue.issue("a", at(1_700_000_002)), 6);
        assert_eq!(Queue::read(Some("no json")), Queue::default());
        assert_eq!(Queue::read(None), Queue::default());
    }
}
