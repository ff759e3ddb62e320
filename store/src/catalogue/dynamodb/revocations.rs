//! Revocations in the catalogue's table: a partition for each user.

use std::collections::HashMap;

use async_trait::async_trait;
use inklog_protocol::UserName;

use super::super::{Revocation, Revocations};
use super::{DynamoCatalogue, Item, damaged, held, integer, number, string, text, unavailable};
use crate::StoreError;
use crate::keys::catalogue::{DOC, ITEM, revoked_doc, revoked_key, user_partition};

fn revocation_from(user: &UserName, item: &Item) -> Result<Revocation, StoreError> {
    let doc = text(item, ITEM).and_then(revoked_doc);
    match doc.zip(integer(item, "at")) {
        Some((doc, at)) => Ok(Revocation { doc, at }),
        None => Err(damaged(format!("a revocation of {user}"), "a field is missing or malformed")),
    }
}

impl DynamoCatalogue {
    async fn all_revocations(&self, user: &UserName) -> Result<Vec<Revocation>, StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("doc = :user")
            .expression_attribute_values(":user", string(user_partition(user)))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut revocations = Vec::new();
        while let Some(item) = pages.next().await {
            revocations.push(revocation_from(user, &item.map_err(unavailable)?)?);
        }
        Ok(revocations)
    }

    async fn forget_void(&self, user: &UserName, now_s: u64) -> Result<(), StoreError> {
        for old in self.all_revocations(user).await?.iter().filter(|one| !one.holds(now_s)) {
            self.forget(user, old).await?;
        }
        Ok(())
    }

    /// Unless it has been renewed meanwhile.
    async fn forget(&self, user: &UserName, revocation: &Revocation) -> Result<(), StoreError> {
        let key = HashMap::from([
            (DOC.to_owned(), string(user_partition(user))),
            (ITEM.to_owned(), string(revoked_key(revocation.doc.as_ref()))),
        ]);
        let deleted = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(key))
            .condition_expression("#at = :at")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":at", number(revocation.at))
            .send()
            .await;
        match deleted {
            Err(error)
                if !error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) =>
            {
                Err(unavailable(error))
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Revocations for DynamoCatalogue {
    async fn revoke(&self, user: &UserName, revocation: &Revocation, now_s: u64) -> Result<(), StoreError> {
        let written = self
            .update(&user_partition(user), revoked_key(revocation.doc.as_ref()))
            .update_expression("SET #at = :at")
            .condition_expression("attribute_not_exists(#at) OR #at < :at")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":at", number(revocation.at))
            .send()
            .await;
        held(written)?;
        // What matters is done, and connections are still to be closed: what cannot be removed now is removed
        // with the next one.
        if let Err(error) = self.forget_void(user, now_s).await {
            tracing::warn!(%user, %error, "void revocations stay until the next one is made");
        }
        Ok(())
    }

    async fn of(&self, user: &UserName, now_s: u64) -> Result<Vec<Revocation>, StoreError> {
        let mut revocations = self.all_revocations(user).await?;
        revocations.retain(|revocation| revocation.holds(now_s));
        Ok(revocations)
    }
}
