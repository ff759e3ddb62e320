//! The catalogue in DynamoDB; [`crate::keys::catalogue`] describes its table.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
    Projection, ProjectionType, ScalarAttributeType,
};
use inklog_crdt::Agent;
use inklog_protocol::DocId;

use super::{Catalogue, DirtyDoc, DirtyMark, DocEntry, DocSize, FLOORS_KEPT, Floor, Pointer};
use crate::StoreError;
use crate::keys::catalogue::{DIRTY_INDEX, DOC, DOC_ITEM, FLOOR_PREFIX, ITEM, SWEEP, agent_of, floor_key};

mod revocations;

type Item = HashMap<String, AttributeValue>;

/// The catalogue in a DynamoDB table.
#[derive(Debug, Clone)]
pub struct DynamoCatalogue {
    client: Client,
    table: String,
}

impl DynamoCatalogue {
    /// The catalogue in this table.
    pub fn new(client: Client, table: impl Into<String>) -> DynamoCatalogue {
        DynamoCatalogue { client, table: table.into() }
    }

    async fn get(&self, doc: &str, item: &str) -> Result<Option<Item>, StoreError> {
        let got = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(DOC, string(doc))
            .key(ITEM, string(item))
            .consistent_read(true)
            .send()
            .await
            .map_err(unavailable)?;
        Ok(got.item)
    }

    fn update(
        &self,
        doc: &str,
        item: impl Into<String>,
    ) -> aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).key(DOC, string(doc)).key(ITEM, string(item))
    }
}

fn unavailable(error: impl Into<aws_sdk_dynamodb::Error>) -> StoreError {
    StoreError::unavailable("DynamoDB", error.into())
}

fn string(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// Whether a conditional update went through.
fn held(result: Result<UpdateItemOutput, SdkError<UpdateItemError>>) -> Result<bool, StoreError> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => {
            Ok(false)
        }
        Err(error) => Err(unavailable(error)),
    }
}

#[async_trait]
impl Catalogue for DynamoCatalogue {
    async fn entry(&self, doc: &DocId) -> Result<Option<DocEntry>, StoreError> {
        let Some(item) = self.get(doc.as_str(), DOC_ITEM).await? else { return Ok(None) };
        let entry = entry_from(&item)?;
        match entry.damaged {
            Some(reason) => Err(damaged(format!("the catalogue entry of {doc}"), reason)),
            None => Ok(Some(entry)),
        }
    }

    async fn mark_dirty(&self, doc: &DocId, at: u64, nonce: &str) -> Result<(), StoreError> {
        self.update(doc.as_str(), DOC_ITEM)
            .update_expression(
                "SET created = if_not_exists(created, :at), last_edit = :at, dirty_in = :one, \
                 dirty_since = if_not_exists(dirty_since, :at), dirty_nonce = :nonce",
            )
            .expression_attribute_values(":at", number(at))
            .expression_attribute_values(":one", string("1"))
            .expression_attribute_values(":nonce", string(nonce))
            .send()
            .await
            .map_err(unavailable)?;
        Ok(())
    }

    async fn clear_dirty(&self, doc: &DocId, nonce: &str) -> Result<bool, StoreError> {
        let cleared = self
            .update(doc.as_str(), DOC_ITEM)
            .update_expression("REMOVE dirty_in, dirty_since, dirty_nonce")
            .condition_expression("dirty_nonce = :nonce")
            .expression_attribute_values(":nonce", string(nonce))
            .send()
            .await;
        held(cleared)
    }

    async fn dirty_after(&self, start: Option<&DirtyDoc>, limit: usize) -> Result<Vec<DirtyDoc>, StoreError> {
        let from = start.map(|dirty| {
            HashMap::from([
                ("dirty_in".to_owned(), string("1")),
                ("dirty_since".to_owned(), number(dirty.since)),
                (DOC.to_owned(), string(dirty.doc.as_str())),
                (ITEM.to_owned(), string(DOC_ITEM)),
            ])
        });
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(DIRTY_INDEX)
            .key_condition_expression("dirty_in = :one")
            .expression_attribute_values(":one", string("1"))
            .limit(limit.clamp(1, 1_000) as i32)
            .set_exclusive_start_key(from)
            .send()
            .await
            .map_err(unavailable)?;
        let dirty = page.items().iter().filter_map(|item| match doc_of(item) {
            Ok(doc) => Some(DirtyDoc { doc, since: integer(item, "dirty_since").unwrap_or(0) }),
            Err(error) => {
                tracing::error!(%error, "skipped a damaged catalogue item");
                None
            }
        });
        Ok(dirty.collect())
    }

    async fn move_back(&self, doc: &DocId, at: u64) -> Result<(), StoreError> {
        let moved = self
            .update(doc.as_str(), DOC_ITEM)
            .update_expression("SET dirty_since = :at")
            .condition_expression("attribute_exists(dirty_in)")
            .expression_attribute_values(":at", number(at))
            .send()
            .await;
        held(moved).map(|_| ())
    }

    async fn sweep_place(&self) -> Result<Option<DocId>, StoreError> {
        let item = self.get(SWEEP.0, SWEEP.1).await?;
        // A place that makes no sense is none: the sweep begins anew.
        Ok(item.and_then(|item| DocId::new(text(&item, "after")?).ok()))
    }

    async fn keep_sweep_place(&self, after: Option<&DocId>) -> Result<(), StoreError> {
        let update = self.update(SWEEP.0, SWEEP.1);
        let update = match after {
            Some(doc) => update
                .update_expression("SET #after = :doc")
                .expression_attribute_values(":doc", string(doc.as_str())),
            None => update.update_expression("REMOVE #after"),
        };
        update.expression_attribute_names("#after", "after").send().await.map_err(unavailable)?;
        Ok(())
    }

    async fn docs(
        &self,
        start: Option<&DocId>,
        limit: usize,
    ) -> Result<(Vec<DocEntry>, Option<DocId>), StoreError> {
        let mut docs = Vec::new();
        let mut from = start.map(|doc| {
            HashMap::from([(DOC.to_owned(), string(doc.as_str())), (ITEM.to_owned(), string(DOC_ITEM))])
        });
        while docs.len() < limit {
            let page = self
                .client
                .scan()
                .table_name(&self.table)
                // Else each page would read a megabyte, and throw most of it away.
                .limit(limit.clamp(1, 1_000) as i32)
                .filter_expression("#item = :doc")
                .expression_attribute_names("#item", ITEM)
                .expression_attribute_values(":doc", string(DOC_ITEM))
                .set_exclusive_start_key(from)
                .send()
                .await
                .map_err(unavailable)?;
            for item in page.items() {
                match entry_from(item) {
                    Ok(entry) => docs.push(entry),
                    Err(error) => tracing::error!(%error, "skipped a damaged catalogue item"),
                }
            }
            from = page.last_evaluated_key;
            if from.is_none() {
                break;
            }
        }
        let more = docs.len() > limit || from.is_some();
        docs.truncate(limit);
        let next = docs.last().filter(|_| more).map(|entry| entry.doc.clone());
        Ok((docs, next))
    }

    async fn size(&self, doc: &DocId) -> Result<Option<u64>, StoreError> {
        let got = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(DOC, string(doc.as_str()))
            .key(ITEM, string(DOC_ITEM))
            .projection_expression("#size, created")
            .expression_attribute_names("#size", "size")
            .send()
            .await
            .map_err(unavailable)?;
        Ok(got.item.map(|item| integer(&item, "size").unwrap_or(0)))
    }

    async fn note_size(&self, doc: &DocId, size: DocSize) -> Result<(), StoreError> {
        let noted = self
            .update(doc.as_str(), DOC_ITEM)
            .update_expression(
                "SET #size = :bytes, size_at = :at, created = if_not_exists(created, :at), \
                 last_edit = if_not_exists(last_edit, :at)",
            )
            .condition_expression("attribute_not_exists(size_at) OR size_at <= :at")
            .expression_attribute_names("#size", "size")
            .expression_attribute_values(":bytes", number(size.bytes))
            .expression_attribute_values(":at", number(size.at))
            .send()
            .await;
        // Who read it later has noted it.
        held(noted).map(|_| ())
    }

    async fn move_pointer(
        &self,
        doc: &DocId,
        old: Option<&Pointer>,
        new: &Pointer,
    ) -> Result<bool, StoreError> {
        let update = self
            .update(doc.as_str(), DOC_ITEM)
            .update_expression(
                "SET pointer = :new, created = if_not_exists(created, :at), \
                 last_edit = if_not_exists(last_edit, :at)",
            )
            .expression_attribute_values(":new", string(to_json(new)))
            .expression_attribute_values(":at", number(new.at));
        let update = match old {
            None => update.condition_expression("attribute_not_exists(pointer)"),
            Some(old) => update
                .condition_expression("pointer = :old")
                .expression_attribute_values(":old", string(to_json(old))),
        };
        held(update.send().await)
    }

    async fn floor(&self, doc: &DocId, agent: &Agent) -> Result<Option<Floor>, StoreError> {
        match self.get(doc.as_str(), &floor_key(agent)).await? {
            Some(item) => Ok(floors_from(doc, &item)?.1.last().copied()),
            None => Ok(None),
        }
    }

    async fn floors(&self, doc: &DocId) -> Result<Vec<(Agent, Floor)>, StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("doc = :doc AND begins_with(#item, :floor)")
            .expression_attribute_names("#item", ITEM)
            .expression_attribute_values(":doc", string(doc.as_str()))
            .expression_attribute_values(":floor", string(FLOOR_PREFIX))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut floors = Vec::new();
        while let Some(item) = pages.next().await {
            let (agent, of_agent) = floors_from(doc, &item.map_err(unavailable)?)?;
            floors.extend(of_agent.into_iter().map(|floor| (agent.clone(), floor)));
        }
        Ok(floors)
    }

    async fn publish_floor(&self, doc: &DocId, agent: &Agent, floor: Floor) -> Result<(), StoreError> {
        let key = floor_key(agent);
        let earlier = match self.get(doc.as_str(), &key).await? {
            Some(item) => floors_from(doc, &item)?.1,
            None => Vec::new(),
        };
        let newest = earlier.last().map_or(0, |floor| floor.end);
        if newest >= floor.end {
            return Ok(());
        }
        let kept = &earlier[earlier.len().saturating_sub(FLOORS_KEPT)..];
        let kept: Vec<(u64, u64)> = kept.iter().map(|floor| (floor.end, floor.at)).collect();
        let update = self
            .update(doc.as_str(), key)
            .update_expression("SET #end = :end, #at = :at, earlier = :earlier")
            .expression_attribute_names("#end", "end")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":end", number(floor.end))
            .expression_attribute_values(":at", number(floor.at))
            .expression_attribute_values(":earlier", string(to_json(&kept)));
        let update = match newest {
            0 => update.condition_expression("attribute_not_exists(#end)"),
            newest => update
                .condition_expression("#end = :newest")
                .expression_attribute_values(":newest", number(newest)),
        };
        // Another run that raised it meanwhile has done this one's work.
        held(update.send().await).map(|_| ())
    }
}

fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("it is plain JSON")
}

fn damaged(what: impl Into<String>, reason: impl Into<String>) -> StoreError {
    StoreError::Damaged { what: what.into(), reason: reason.into() }
}

fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str)
}

fn integer(item: &Item, name: &str) -> Option<u64> {
    item.get(name).and_then(|value| value.as_n().ok()).and_then(|value| value.parse().ok())
}

fn doc_of(item: &Item) -> Result<DocId, StoreError> {
    let name = text(item, DOC).unwrap_or_default();
    DocId::new(name).map_err(|error| damaged("the catalogue", format!("{name:?}: {error}")))
}

/// Fails only if not even the document's name can be read.
fn entry_from(item: &Item) -> Result<DocEntry, StoreError> {
    let doc = doc_of(item)?;
    let pointer = text(item, "pointer").map(serde_json::from_str).transpose();
    let (pointer, damaged) = match pointer {
        Ok(pointer) => (pointer, None),
        Err(error) => (None, Some(format!("its pointer is invalid: {error}"))),
    };
    let dirty = match (integer(item, "dirty_since"), text(item, "dirty_nonce")) {
        (Some(since), Some(nonce)) => Some(DirtyMark { since, nonce: nonce.to_owned() }),
        _ => None,
    };
    let size = integer(item, "size").zip(integer(item, "size_at"));
    Ok(DocEntry {
        size: size.map(|(bytes, at)| DocSize { bytes, at }),
        created: integer(item, "created").unwrap_or(0),
        last_edit: integer(item, "last_edit").unwrap_or(0),
        doc,
        pointer,
        dirty,
        damaged,
    })
}

/// An agent's floors, ascending.
fn floors_from(doc: &DocId, item: &Item) -> Result<(Agent, Vec<Floor>), StoreError> {
    let agent = text(item, ITEM).and_then(agent_of);
    let (Some(agent), Some(end), Some(at)) = (agent, integer(item, "end"), integer(item, "at")) else {
        return Err(damaged(format!("a floor of {doc}"), "a field is missing"));
    };
    let earlier: Vec<(u64, u64)> = match text(item, "earlier") {
        Some(json) => serde_json::from_str(json)
            .map_err(|error| damaged(format!("a floor of {doc}"), error.to_string()))?,
        None => Vec::new(),
    };
    let floors = earlier.into_iter().chain([(end, at)]).map(|(end, at)| Floor { end, at });
    Ok((agent, floors.collect()))
}

/// Creates the catalogue's table, as the template does on AWS. An existing table is left as it is.
pub async fn create_table(client: &Client, table: &str) -> Result<(), StoreError> {
    match client.describe_table().table_name(table).send().await {
        Ok(_) => return Ok(()),
        Err(error) if error.as_service_error().is_some_and(|e| e.is_resource_not_found_exception()) => {}
        Err(error) => return Err(unavailable(error)),
    }
    let attribute = |name: &str, kind: ScalarAttributeType| {
        AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(kind)
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
    let index = GlobalSecondaryIndex::builder()
        .index_name(DIRTY_INDEX)
        .key_schema(key("dirty_in", KeyType::Hash))
        .key_schema(key("dirty_since", KeyType::Range))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()
        .expect("name and keys are set");
    let made = client
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute(DOC, ScalarAttributeType::S))
        .attribute_definitions(attribute(ITEM, ScalarAttributeType::S))
        .attribute_definitions(attribute("dirty_in", ScalarAttributeType::S))
        .attribute_definitions(attribute("dirty_since", ScalarAttributeType::N))
        .key_schema(key(DOC, KeyType::Hash))
        .key_schema(key(ITEM, KeyType::Range))
        .global_secondary_indexes(index)
        .send()
        .await;
    match made {
        Ok(_) => Ok(()),
        Err(error) if error.as_service_error().is_some_and(|e| e.is_resource_in_use_exception()) => Ok(()),
        Err(error) => Err(unavailable(error)),
    }
}
