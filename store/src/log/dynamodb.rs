//! The op log in DynamoDB.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, DeleteRequest, KeySchemaElement, KeyType,
    ReturnValuesOnConditionCheckFailure, ScalarAttributeType, StreamSpecification, StreamViewType,
    WriteRequest,
};
use futures::FutureExt as _;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use inklog_crdt::Agent;
use inklog_protocol::DocId;
use inklog_protocol::limits::BATCH_WRITE_MAX;

use super::item::{from_item, log_item, met, to_item};
use super::{Appended, LogItem, OpLog};
use crate::keys::log::{DOC, SORT_KEY, sort_key};
use crate::{LogRecord, StoreError};

/// Batches of deletes in flight at once: few enough to leave the document's writers their share of its
/// partition.
const DELETES_AT_ONCE: usize = 8;
/// How often a batch is sent in a row if DynamoDB accepts nothing of it, and the first pause between tries.
const DELETE_TRIES: u32 = 5;
const DELETE_PAUSE: Duration = Duration::from_millis(50);

/// The op log in a DynamoDB table.
#[derive(Debug, Clone)]
pub struct DynamoOpLog {
    client: Client,
    table: String,
}

impl DynamoOpLog {
    /// The log in this table.
    pub fn new(client: Client, table: impl Into<String>) -> DynamoOpLog {
        DynamoOpLog { client, table: table.into() }
    }

    async fn delete_batch(&self, doc: &DocId, places: &[(Agent, u64)]) -> Result<(), StoreError> {
        let requests = places.iter().map(|(agent, after)| delete_request(doc, agent, *after)).collect();
        let (mut left, mut in_vain): (Vec<WriteRequest>, u32) = (requests, 0);
        loop {
            let sent = left.len();
            let done = self.client.batch_write_item().request_items(&self.table, left).send().await;
            let unprocessed = done.map_err(unavailable)?.unprocessed_items;
            left = unprocessed.and_then(|mut all| all.remove(&self.table)).unwrap_or_default();
            if left.is_empty() {
                return Ok(());
            }
            in_vain = if left.len() < sent { 0 } else { in_vain + 1 };
            if in_vain == DELETE_TRIES {
                // Throttled every time: the next run deletes the rest.
                return Err(StoreError::unavailable("DynamoDB", "it accepts no more deletes for now"));
            }
            tokio::time::sleep(DELETE_PAUSE * 2u32.pow(in_vain.saturating_sub(1))).await;
        }
    }
}

fn unavailable(error: impl Into<aws_sdk_dynamodb::Error>) -> StoreError {
    StoreError::unavailable("DynamoDB", error.into())
}

fn string(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

#[async_trait]
impl OpLog for DynamoOpLog {
    async fn append(&self, doc: &DocId, record: &LogRecord) -> Result<Appended, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(to_item(doc, record)))
            .condition_expression("attribute_not_exists(#doc)")
            .expression_attribute_names("#doc", DOC)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match put {
            Ok(_) => return Ok(Appended::Added),
            Err(error) => error,
        };
        let old = match &error {
            SdkError::ServiceError(refused) => match refused.err() {
                PutItemError::ConditionalCheckFailedException(failed) => failed.item(),
                _ => return Err(unavailable(error)),
            },
            _ => return Err(unavailable(error)),
        };
        match old {
            Some(old) => met(doc, old, record),
            None => Err(unavailable(error)),
        }
    }

    async fn last_of(
        &self,
        doc: &DocId,
        agent: &Agent,
        at_most: Option<u64>,
    ) -> Result<Option<LogRecord>, StoreError> {
        let last = at_most.unwrap_or(inklog_crdt::MAX_SEQ);
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#doc = :doc AND #sk BETWEEN :first AND :last")
            .expression_attribute_names("#doc", DOC)
            .expression_attribute_names("#sk", SORT_KEY)
            .expression_attribute_values(":doc", string(doc.as_str()))
            .expression_attribute_values(":first", string(sort_key(agent, 0)))
            .expression_attribute_values(":last", string(sort_key(agent, last)))
            .consistent_read(true)
            .scan_index_forward(false)
            .limit(1)
            .send()
            .await
            .map_err(unavailable)?;
        let Some(item) = page.items().first() else { return Ok(None) };
        let record = from_item(item)
            .map_err(|error| StoreError::undecodable(format!("the last event of {agent} in {doc}"), error))?;
        Ok(Some(record))
    }

    async fn read(&self, doc: &DocId) -> Result<Vec<LogItem>, StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#doc = :doc")
            .expression_attribute_names("#doc", DOC)
            .expression_attribute_values(":doc", string(doc.as_str()))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut items = Vec::new();
        while let Some(item) = pages.next().await {
            items.push(log_item(doc, &item.map_err(unavailable)?)?);
        }
        Ok(items)
    }

    async fn delete(&self, doc: &DocId, places: &[(Agent, u64)]) -> Result<(), StoreError> {
        let batches = places.chunks(BATCH_WRITE_MAX);
        let batches: Vec<_> = batches.map(|batch| self.delete_batch(doc, batch).boxed()).collect();
        stream::iter(batches).buffer_unordered(DELETES_AT_ONCE).try_collect().await
    }
}

fn delete_request(doc: &DocId, agent: &Agent, after: u64) -> WriteRequest {
    let delete = DeleteRequest::builder()
        .key(DOC, string(doc.as_str()))
        .key(SORT_KEY, string(sort_key(agent, after)))
        .build()
        .expect("both keys are set");
    WriteRequest::builder().delete_request(delete).build()
}

/// Creates the log's table, with its stream, as the template does on AWS. An existing table is left as
/// it is.
pub async fn create_table(client: &Client, table: &str) -> Result<(), StoreError> {
    match client.describe_table().table_name(table).send().await {
        Ok(_) => return Ok(()),
        Err(error) if error.as_service_error().is_some_and(|e| e.is_resource_not_found_exception()) => {}
        Err(error) => return Err(unavailable(error)),
    }
    let attribute = |name: &str| {
        AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S)
            .build()
            .expect("name and type are set")
    };
    let key = |name: &str, kind: KeyType| {
        KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(kind)
            .build()
            .expect("name and type are set")
    };
    let stream = StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(StreamViewType::NewImage)
        .build()
        .expect("enabled is set");
    let made = client
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute(DOC))
        .attribute_definitions(attribute(SORT_KEY))
        .key_schema(key(DOC, KeyType::Hash))
        .key_schema(key(SORT_KEY, KeyType::Range))
        .stream_specification(stream)
        .send()
        .await;
    match made {
        Ok(_) => Ok(()),
        Err(error) if error.as_service_error().is_some_and(|e| e.is_resource_in_use_exception()) => Ok(()),
        Err(error) => Err(unavailable(error)),
    }
}
