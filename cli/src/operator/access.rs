//! The jobs on connections and their users, wherever these are.

use inklog_operator::{AccessOperator, Present, Revoked, access_operator_on_aws};
use inklog_protocol::{DocId, UserName};

use super::any::{JobError, Target, there};
use super::http::HttpBase;
use super::stopped::Stopped;

/// Does jobs somewhere.
pub enum AnyAccess {
    /// In this process: on a stopped stack's folder, or on AWS.
    Here {
        /// Over these stores,
        operator: AccessOperator,
        /// which are a folder's, unless they are on AWS.
        stopped: Option<Stopped>,
    },
    /// In another process.
    Running(HttpBase),
}

impl AnyAccess {
    /// Opens the target.
    pub async fn open(target: &Target) -> Result<AnyAccess, JobError> {
        Ok(match target {
            Target::Running(base) => AnyAccess::Running(base.clone()),
            Target::Aws => AnyAccess::Here { operator: access_operator_on_aws().await?, stopped: None },
            Target::Stopped(dir) => {
                let stopped = Stopped::open(dir).await?;
                AnyAccess::Here { operator: stopped.access_operator().clone(), stopped: Some(stopped) }
            }
        })
    }

    /// Closes what was opened.
    pub async fn close(self) {
        if let AnyAccess::Here { operator, stopped: Some(stopped) } = self {
            drop(operator);
            stopped.close().await;
        }
    }

    /// Who is connected to a document.
    pub async fn who(&self, doc: &DocId) -> Result<Vec<Present>, JobError> {
        match self {
            AnyAccess::Here { operator, .. } => Ok(operator.who(doc).await?),
            AnyAccess::Running(base) => there(base, base.get(&format!("/_inklog/docs/{doc}/who")).await?),
        }
    }

    /// Makes a user's tokens void.
    pub async fn revoke(&self, user: &UserName, doc: Option<&DocId>) -> Result<Revoked, JobError> {
        match self {
            AnyAccess::Here { operator, .. } => Ok(operator.revoke(user, doc).await?),
            AnyAccess::Running(base) => {
                let doc = doc.map_or_else(String::new, |doc| format!("&doc={doc}"));
                there(base, base.post(&format!("/_inklog/revoke?user={user}{doc}")).await?)
            }
        }
    }
}
