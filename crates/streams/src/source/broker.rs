//! A topic of a broker as a source: its messages go on to the stream's own topic.

use std::time::Duration;

use intendant_port::BoxFuture;
use intendant_port::error::Result;
use intendant_port::stream::{Delivery, Place, Subscription};
use serde_json::{Value, json};

use super::{Polled, Source};

/// Most messages of one look.
const BATCH: usize = 500;
/// How long one look waits.
const PATIENCE: Duration = Duration::from_secs(1);

/// Messages of a subscription.
pub struct BrokerSource {
    subscription: Box<dyn Subscription>,
    places: Vec<Place>,
    /// Given and not in the books yet.
    given: Vec<Delivery>,
}

impl BrokerSource {
    /// Gives what the subscription takes.
    pub fn new(subscription: Box<dyn Subscription>) -> Self {
        Self { subscription, places: Vec::new(), given: Vec::new() }
    }

    fn state(&mut self) -> Option<String> {
        for place in self.given.iter().filter_map(|delivery| delivery.place) {
            let next = Place { offset: place.offset + 1, ..place };
            match self.places.iter_mut().find(|known| known.partition == place.partition) {
                Some(known) => known.offset = known.offset.max(next.offset),
                None => self.places.push(next),
            }
        }
        let places: Vec<Value> =
            self.places.iter().map(|place| json!([place.partition, place.offset])).collect();
        (!places.is_empty()).then(|| Value::Array(places).to_string())
    }
}

impl Source for BrokerSource {
    fn restore(&mut self, state: Option<&str>) {
        let places: Vec<(i32, i64)> =
            state.and_then(|state| serde_json::from_str(state).ok()).unwrap_or_default();
        self.places = places.into_iter().map(|(partition, offset)| Place { partition, offset }).collect();
        self.given.clear();
        self.subscription.reset();
        if self.subscription.wants_places() {
            self.subscription.resume(&self.places);
        }
    }

    fn poll(&mut self) -> BoxFuture<'_, Result<Polled>> {
        Box::pin(async move {
            self.given = self.subscription.receive(BATCH, PATIENCE).await?;
            let items = self.given.iter().map(|delivery| delivery.message.clone()).collect();
            Ok(Polled { items, state: self.state(), ..Polled::default() })
        })
    }

    fn taken(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let given = std::mem::take(&mut self.given);
            if given.is_empty() { Ok(()) } else { self.subscription.acknowledge(&given).await }
        })
    }
}
