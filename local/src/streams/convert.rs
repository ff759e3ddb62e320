//! Converts records of the Streams API to records as Lambda passes them to a function.

use std::collections::HashMap;

use aws_lambda_events::dynamodb::{EventRecord, StreamRecord, StreamViewType, UserIdentity};
use aws_sdk_dynamodbstreams::types as sdk;
use chrono::DateTime;

/// Converts one record. What the API left out becomes what Lambda's JSON would read as.
pub(super) fn event_record(record: sdk::Record, stream_arn: &str) -> EventRecord {
    let mut converted = EventRecord::default();
    converted.aws_region = record.aws_region.unwrap_or_default();
    converted.event_id = record.event_id.unwrap_or_default();
    converted.event_name = record.event_name.map(|name| name.as_str().to_owned()).unwrap_or_default();
    converted.event_source = record.event_source;
    converted.event_version = record.event_version;
    converted.event_source_arn = Some(stream_arn.to_owned());
    converted.user_identity = record.user_identity.map(|identity| {
        let mut converted = UserIdentity::default();
        converted.type_ = identity.r#type.unwrap_or_default();
        converted.principal_id = identity.principal_id.unwrap_or_default();
        converted
    });
    converted.change = record.dynamodb.map(stream_record).unwrap_or_default();
    converted
}

fn stream_record(record: sdk::StreamRecord) -> StreamRecord {
    let mut converted = StreamRecord::default();
    if let Some(at) = record.approximate_creation_date_time {
        converted.approximate_creation_date_time =
            DateTime::from_timestamp(at.secs(), at.subsec_nanos()).unwrap_or_default();
    }
    converted.keys = item(record.keys);
    converted.new_image = item(record.new_image);
    converted.old_image = item(record.old_image);
    converted.sequence_number = record.sequence_number;
    converted.size_bytes = record.size_bytes.unwrap_or_default();
    converted.stream_view_type = record.stream_view_type.and_then(|view| match view {
        sdk::StreamViewType::KeysOnly => Some(StreamViewType::KeysOnly),
        sdk::StreamViewType::NewImage => Some(StreamViewType::NewImage),
        sdk::StreamViewType::OldImage => Some(StreamViewType::OldImage),
        sdk::StreamViewType::NewAndOldImages => Some(StreamViewType::NewAndOldImages),
        _ => None,
    });
    converted
}

fn item(attributes: Option<HashMap<String, sdk::AttributeValue>>) -> serde_dynamo::Item {
    attributes.unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lambda_events::dynamodb::Event;
    use aws_sdk_dynamodbstreams::types::AttributeValue as Sdk;
    use aws_smithy_types::{Blob, DateTime as SmithyDateTime};

    fn record() -> sdk::Record {
        let change = sdk::StreamRecord::builder()
            .approximate_creation_date_time(SmithyDateTime::from_secs(1_700_000_000))
            .keys("doc", Sdk::S("d".into()))
            .new_image("doc", Sdk::S("d".into()))
            .new_image("ops", Sdk::B(Blob::new([0_u8, 255])))
            .new_image("end", Sdk::N("12".into()))
            .new_image("list", Sdk::L(vec![Sdk::Bool(true), Sdk::Null(true)]))
            .sequence_number("100000000000000000001")
            .size_bytes(42)
            .stream_view_type(sdk::StreamViewType::NewImage);
        sdk::Record::builder()
            .event_id("e1")
            .event_name(sdk::OperationType::Insert)
            .event_source("aws:dynamodb")
            .event_version("1.1")
            .aws_region("us-east-1")
            .user_identity(
                sdk::Identity::builder().r#type("Service").principal_id("dynamodb.amazonaws.com").build(),
            )
            .dynamodb(change.build())
            .build()
    }

    #[test]
    fn a_record_reads_the_same_from_lambdas_json() {
        let record = event_record(record(), "arn:stream");
        let json = serde_json::json!({ "Records": [{
            "eventID": "e1", "eventName": "INSERT", "eventSource": "aws:dynamodb", "eventVersion": "1.1",
            "awsRegion": "us-east-1", "eventSourceARN": "arn:stream",
            "userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"},
            "dynamodb": {
                "ApproximateCreationDateTime": 1_700_000_000,
                "Keys": {"doc": {"S": "d"}},
                "NewImage": {"doc": {"S": "d"}, "ops": {"B": "AP8="}, "end": {"N": "12"},
                             "list": {"L": [{"BOOL": true}, {"NULL": true}]}},
                "SequenceNumber": "100000000000000000001", "SizeBytes": 42, "StreamViewType": "NEW_IMAGE",
            },
        }]});
        let from_lambda: Event = serde_json::from_value(json).unwrap();
        assert_eq!(from_lambda.records, std::slice::from_ref(&record));
        let mut event = Event::default();
        event.records = vec![record];
        let again: Event = serde_json::from_str(&serde_json::to_string(&event).unwrap()).unwrap();
        assert_eq!(again, event);
    }
}
