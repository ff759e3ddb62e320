//! `/_inklog/…`: a running stack's operator. The stack's guard lets this machine alone ask it.
//!
//! | request | answer |
//! |---|---|
//! | `GET /_inklog/docs` | list of [`inklog_operator::Listed`] |
//! | `GET /_inklog/docs/{doc}?from=live\|log\|snapshot` | [`inklog_operator::Reading`] |
//! | `GET /_inklog/docs/{doc}/status` | [`inklog_operator::Status`] |
//! | `GET /_inklog/docs/{doc}/events` | list of [`inklog_operator::ListedEvent`] |
//! | `POST /_inklog/docs/{doc}/verify` | [`inklog_operator::Verified`] |
//! | `POST /_inklog/docs/{doc}/rebuild` | [`inklog_operator::Rebuilt`] |
//! | `POST /_inklog/docs/{doc}/compact` | [`inklog_operator::Compacted`] |
//! | `GET /_inklog/docs/{doc}/who` | list of [`inklog_operator::Present`] |
//! | `POST /_inklog/revoke?user={user}&doc={doc}`, `doc` optional | [`inklog_operator::Revoked`] |
//! | `GET /_inklog/pipeline?doc={doc}` | server-sent events, each a [`crate::pipeline::Passage`] |
//!
//! Errors are `{"error": "one line"}` with status 400, 403, 404 or 500.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use inklog_operator::{AccessOperator, Operator, Source};
use inklog_protocol::{DocId, UserName};
use inklog_store::StoreError;
use serde::{Deserialize, Serialize};

use crate::pipeline::{self, Pipeline};

pub(crate) fn router(operator: Operator, access: AccessOperator, pipeline: Pipeline) -> Router {
    let of_users = Router::new()
        .route("/_inklog/docs/{doc}/who", get(who))
        .route("/_inklog/revoke", post(revoke))
        .with_state(access);
    Router::new()
        .route("/_inklog/docs", get(docs))
        .route("/_inklog/docs/{doc}", get(read))
        .route("/_inklog/docs/{doc}/status", get(status))
        .route("/_inklog/docs/{doc}/events", get(events))
        .route("/_inklog/docs/{doc}/verify", post(verify))
        .route("/_inklog/docs/{doc}/rebuild", post(rebuild))
        .route("/_inklog/docs/{doc}/compact", post(compact))
        .with_state(operator)
        .merge(of_users)
        .merge(pipeline::router(pipeline))
}

#[derive(Deserialize)]
struct From {
    from: Option<Source>,
}

async fn docs(State(operator): State<Operator>) -> Response {
    reply(operator.docs().await)
}

async fn read(
    State(operator): State<Operator>,
    Path(doc): Path<String>,
    Query(query): Query<From>,
) -> Response {
    let doc = match DocId::new(&doc) {
        Ok(doc) => doc,
        Err(error) => return fail(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    reply_to(&doc, operator.read(&doc, query.from.unwrap_or(Source::Live)).await)
}

/// A job on one document, as a handler; `operator.$name` may know of no such document.
macro_rules! job {
    ($name:ident) => {
        async fn $name(State(operator): State<Operator>, Path(doc): Path<String>) -> Response {
            match DocId::new(&doc) {
                Ok(doc) => reply_to(&doc, operator.$name(&doc).await),
                Err(error) => fail(StatusCode::BAD_REQUEST, &error.to_string()),
            }
        }
    };
}

#[derive(Deserialize)]
struct OfUser {
    user: String,
    doc: Option<String>,
}

async fn who(State(operator): State<AccessOperator>, Path(doc): Path<String>) -> Response {
    match DocId::new(&doc) {
        Ok(doc) => reply(operator.who(&doc).await),
        Err(error) => fail(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

async fn revoke(State(operator): State<AccessOperator>, Query(query): Query<OfUser>) -> Response {
    let user = match UserName::new(&query.user) {
        Ok(user) => user,
        Err(error) => return fail(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    match query.doc.as_deref().map(DocId::new).transpose() {
        Ok(doc) => reply(operator.revoke(&user, doc.as_ref()).await),
        Err(error) => fail(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

async fn status(State(operator): State<Operator>, Path(doc): Path<String>) -> Response {
    match DocId::new(&doc) {
        Ok(doc) => reply(operator.status(&doc).await),
        Err(error) => fail(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

async fn events(State(operator): State<Operator>, Path(doc): Path<String>) -> Response {
    match DocId::new(&doc) {
        Ok(doc) => reply(operator.events(&doc).await),
        Err(error) => fail(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

job!(verify);
job!(rebuild);
job!(compact);

fn reply_to<T: Serialize>(doc: &DocId, result: Result<Option<T>, StoreError>) -> Response {
    match result.transpose() {
        Some(result) => reply(result),
        None => fail(StatusCode::NOT_FOUND, &format!("there is no document {doc}")),
    }
}

fn reply<T: Serialize>(result: Result<T, StoreError>) -> Response {
    match result {
        Ok(done) => Json(done).into_response(),
        Err(error) => store_failed(&error),
    }
}

fn store_failed(error: &StoreError) -> Response {
    tracing::error!(%error, "a job failed");
    fail(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string())
}

fn fail(status: StatusCode, message: &str) -> Response {
    (status, Json(serde_json::json!({ "error": message }))).into_response()
}
