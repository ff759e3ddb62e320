//! A batch of the log's stream, as Lambda gets it: `stream::records`, and with it `record_from_image` and
//! `place_from_image`.

use arbitrary::{Result, Unstructured};
use aws_lambda_events::event::dynamodb::Event as StreamEvent;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use inklog_store::log::place_from_image;
use inklog_store::stream;
use serde_json::{Value, json};

use super::event;
use crate::driver::{Target, unsealed};
use crate::json::changed;
use crate::made::number;
use crate::meter::{Bound, Meter};

pub const TARGET: Target = Target { name: "image", inputs: 6_000, make, check, seal: unsealed };
/// With the JSON of the batch. An empty record is a large struct.
const BOUND: Bound = Bound { each: 128, base: 64 * 1024 };

fn make(choices: &mut Unstructured) -> Result<Vec<u8>> {
    let mut records = Vec::new();
    for _ in 0..choices.int_in_range(1..=3)? {
        let Some(event) = event::any(choices)? else { continue };
        let mut record: Value =
            serde_json::from_str(include_str!("../../events/stream_record.json")).expect("JSON");
        let image = &mut record["dynamodb"]["NewImage"];
        image["sk"]["S"] = json!(format!("{}#{:016}", event.agent(), event.after()));
        image["ops"]["B"] = json!(STANDARD.encode(event.encode()));
        image["end"]["N"] = json!(event.end().to_string());
        image["at"]["N"] = json!(number(choices)?.to_string());
        if choices.arbitrary()? {
            image["user"] = json!({"S": "alice"});
            image["name"] = json!({"S": "Ångström"});
        }
        records.push(record);
    }
    changed(choices, json!({ "Records": records }))
}

fn check(input: &[u8], meter: &mut Meter) {
    let places = |batch: &StreamEvent| -> Vec<_> {
        let inserts = batch.records.iter().filter(|record| record.event_name == "INSERT");
        inserts.map(|record| place_from_image(&record.change.new_image)).collect()
    };
    let read = meter.run(input.len(), BOUND, || {
        let batch = serde_json::from_slice::<StreamEvent>(input).ok()?;
        Some((places(&batch), stream::records(batch)))
    });
    let Some((places, records)) = read else { return };
    assert_eq!(places.len(), records.len());
    for (place, record) in places.into_iter().zip(records) {
        let Ok(read) = record.record else { continue };
        meter.read += 1;
        event::same_as_its_ops(&read.event);
        let doc = record.doc.expect("a record that was read has a document");
        // The end is an attribute of its own, which nothing but the pipeline view reads.
        if let Some(place) = place {
            let of_record = (&doc, read.event.agent(), read.event.after(), read.at);
            assert_eq!((&place.doc, &place.agent, place.after, place.at), of_record);
        }
    }
}
