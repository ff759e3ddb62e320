//! The wrappers around the functions, which observe their input and output.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use aws_lambda_events::apigw::{ApiGatewayProxyResponse, ApiGatewayWebsocketProxyRequest};
use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::encodings::Body;
use aws_lambda_events::streams::DynamoDbEventResponse;
use inklog_protocol::{ClientMessage, Request, ServerMessage};
use inklog_store::log::{Place, place_from_image};

use super::{Passage, Pipeline, REMEMBERED, Stage};
use crate::gateway::{BoxError, WebSocketFunction};
use crate::streams::StreamFunction;

fn now_ms() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64() * 1_000.0)
}

/// The function behind SEND_OP, observed from outside.
pub(crate) struct ObservedSend {
    pub pipeline: Pipeline,
    pub function: Arc<dyn WebSocketFunction>,
}

#[async_trait]
impl WebSocketFunction for ObservedSend {
    async fn invoke(
        &self,
        event: ApiGatewayWebsocketProxyRequest,
    ) -> Result<ApiGatewayProxyResponse, BoxError> {
        let (started_at, asked) = (now_ms(), event.body.clone());
        let response = self.function.invoke(event).await;
        let answer = response.as_ref().ok().and_then(|response| response.body.as_ref());
        let passage = acknowledged(answer, started_at).or_else(|| refused(asked.as_deref(), started_at));
        self.pipeline.passed(passage);
        response
    }
}

/// An acknowledgement identifies the event.
fn acknowledged(answer: Option<&Body>, started_at: f64) -> Option<Passage> {
    let Some(Body::Text(answer)) = answer else { return None };
    match serde_json::from_str(answer).ok()? {
        ServerMessage::OpAck { doc_id, agent, after, end, .. } => {
            let (stage, ended_at) = (Stage::Ingest, now_ms());
            Some(Passage { stage, doc: doc_id, agent, after, end, started_at, ended_at, ok: true })
        }
        _ => None,
    }
}

/// What was refused, if it was an event at all.
fn refused(asked: Option<&str>, started_at: f64) -> Option<Passage> {
    let (doc, agent, after, end) = match Request::parse(asked?).ok()?.message {
        ClientMessage::SendEvent { doc, event } => (doc, event.agent().clone(), event.after(), event.end()),
        // A lone op has no place in the chain before it is taken: what it was made after is not known.
        ClientMessage::SendOp { doc, agent, op } => (doc, agent, op.seq(), op.end()),
        _ => return None,
    };
    let (doc, agent) = (doc.to_string(), agent.to_string());
    Some(Passage { stage: Stage::Ingest, doc, agent, after, end, started_at, ended_at: now_ms(), ok: false })
}

/// A function at the end of the log's stream, observed from outside.
pub(crate) struct ObservedStream {
    pub pipeline: Pipeline,
    pub stage: Stage,
    pub function: Arc<dyn StreamFunction>,
}

#[async_trait]
impl StreamFunction for ObservedStream {
    async fn invoke(&self, event: Event) -> Result<DynamoDbEventResponse, BoxError> {
        let started_at = now_ms();
        // More than is remembered is not worth noting.
        let newest = &event.records[event.records.len().saturating_sub(REMEMBERED)..];
        let places: Vec<(Option<String>, Place)> = newest
            .iter()
            .filter_map(|record| Some((record.change.sequence_number.clone(), place(record)?)))
            .collect();
        let response = self.function.invoke(event).await;
        let ended_at = now_ms();
        let failed: Option<HashSet<&str>> = response.as_ref().ok().map(|response| {
            let failures = response.batch_item_failures.iter();
            failures.filter_map(|failure| failure.item_identifier.as_deref()).collect()
        });
        let is_ok = |sequence: Option<&str>| match (&failed, sequence) {
            (Some(failed), Some(sequence)) => !failed.contains(sequence),
            (Some(_), None) => true,
            (None, _) => false,
        };
        self.pipeline.passed(places.into_iter().map(|(sequence, place)| {
            let ok = is_ok(sequence.as_deref());
            passage(self.stage, place, started_at, ended_at, ok)
        }));
        response
    }
}

/// Records that a mapping has read records of the log's stream.
pub(crate) fn seen_in_the_log(pipeline: &Pipeline, records: &[EventRecord]) {
    let read_at = now_ms();
    let newest = &records[records.len().saturating_sub(REMEMBERED)..];
    pipeline.passed(newest.iter().filter_map(place).map(|place| {
        let written_at = place.at as f64;
        passage(Stage::Log, place, written_at, read_at, true)
    }));
}

/// The event of a record, if the record adds one.
fn place(record: &EventRecord) -> Option<Place> {
    if record.event_name == "INSERT" { place_from_image(&record.change.new_image) } else { None }
}

fn passage(stage: Stage, place: Place, started_at: f64, ended_at: f64, ok: bool) -> Passage {
    let Place { doc, agent, after, end, .. } = place;
    let (doc, agent) = (doc.to_string(), agent.to_string());
    Passage { stage, doc, agent, after, end, started_at, ended_at, ok }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lambda_events::streams::DynamoDbBatchItemFailure;
    use inklog_protocol::DocId;
    use serde_json::json;

    /// Fails the second record of each batch.
    struct FailsTheSecond;

    #[async_trait]
    impl StreamFunction for FailsTheSecond {
        async fn invoke(&self, event: Event) -> Result<DynamoDbEventResponse, BoxError> {
            let mut failure = DynamoDbBatchItemFailure::default();
            failure.item_identifier = event.records.get(1).ok_or("no second")?.change.sequence_number.clone();
            let mut response = DynamoDbEventResponse::default();
            response.batch_item_failures.push(failure);
            Ok(response)
        }
    }

    fn batch(count: u64) -> Event {
        let record = |n: u64| {
            json!({
                "eventID": "e", "eventName": if n == 9 { "REMOVE" } else { "INSERT" }, "awsRegion": "r",
                "dynamodb": {
                    "ApproximateCreationDateTime": 1.7e9, "SequenceNumber": format!("s{n}"), "SizeBytes": 1,
                    "Keys": {}, "NewImage": {
                        "doc": {"S": "d"}, "sk": {"S": format!("ann#{n:016}")},
                        "end": {"N": (n + 1).to_string()}, "at": {"N": "1700000000000"},
                    },
                },
            })
        };
        let records: Vec<_> = (0..count).map(record).collect();
        serde_json::from_value(json!({ "Records": records })).unwrap()
    }

    async fn seen(count: u64) -> Vec<(u64, bool)> {
        let pipeline = Pipeline::new();
        let function = Arc::new(FailsTheSecond);
        let observed = ObservedStream { pipeline: pipeline.clone(), stage: Stage::Materializer, function };
        let _ = observed.invoke(batch(count)).await;
        let (seen, _) = pipeline.watch(&DocId::new("d").unwrap(), 0);
        seen.iter().map(|(_, passage)| (passage.after, passage.ok)).collect()
    }

    #[tokio::test]
    async fn failed_records_are_told_apart_and_removals_passed_over() {
        assert_eq!(seen(3).await, [(0, true), (1, false), (2, true)]);
        assert_eq!(seen(1).await, [(0, false)], "an error fails all");
        assert_eq!(seen(10).await.len(), 9);
    }
}
