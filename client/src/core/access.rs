//! What the server lets this client do with the document: learned with each answer, kept, and followed.

use inklog_protocol::{ErrorCode, Right};

use super::{Core, Problem, Update};

/// What this client may do with the document. Each right includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Nothing.
    None,
    /// Read the text, and see who is here.
    Read,
    /// Change the text.
    Write,
    /// Name versions, delete the document, and restore it for all.
    Manage,
}

impl Access {
    /// Whether the server takes edits.
    pub fn can_write(self) -> bool {
        self >= Access::Write
    }

    /// `none`, `read`, `write` or `manage`.
    pub fn as_str(self) -> &'static str {
        match self {
            Access::None => "none",
            Access::Read => Right::Read.as_str(),
            Access::Write => Right::Write.as_str(),
            Access::Manage => Right::Manage.as_str(),
        }
    }

    /// The access of this name; one of a newer version is none.
    pub(super) fn named(name: &str) -> Access {
        let all = [Access::Read, Access::Write, Access::Manage];
        all.into_iter().find(|access| access.as_str() == name).unwrap_or(Access::None)
    }
}

impl From<Right> for Access {
    fn from(right: Right) -> Access {
        match right {
            Right::Read => Access::Read,
            Right::Write => Access::Write,
            Right::Manage => Access::Manage,
        }
    }
}

impl Core {
    /// What this client may do with the document, as the server, or the store, said last; `None`: neither has.
    pub fn access(&self) -> Option<Access> {
        self.access
    }

    /// Why the server does not let this client in, or not go on; `None`: it does.
    pub fn shut_out(&self) -> Option<&Problem> {
        self.shut_out.as_ref()
    }

    /// Why the server does not take what was typed; `None`: it does, or there is nothing to take. What was typed
    /// is kept, and sent when it may be.
    pub fn held(&self) -> Option<Problem> {
        if self.outbox.is_empty() {
            return None;
        }
        let message =
            "you may not change this document: what you typed is kept, and sent once you may".to_owned();
        let lacks_right = || Problem::Refused { code: ErrorCode::Forbidden, message };
        self.held.clone().or_else(|| (!self.may_write()).then(lacks_right))
    }

    /// As far as anybody knows.
    pub(super) fn may_write(&self) -> bool {
        self.access.is_none_or(Access::can_write)
    }

    pub(super) fn allow(&mut self, access: Access) {
        if self.access == Some(access) {
            return;
        }
        if access.can_write()
            && let Some(connection) = &mut self.connection
        {
            connection.send_at = None;
        }
        self.access = Some(access);
        self.keeper.access(access);
        self.updates.push_back(Update::Access(access));
    }

    /// The server does not let this client in, or not go on. That a token has expired says nothing of what its
    /// user may do, but where nothing else is known.
    pub(super) fn turned_away(&mut self, problem: Problem) {
        if problem.code() == Some(ErrorCode::Forbidden) || self.access.is_none() {
            self.allow(Access::None);
        }
        self.shut_out = Some(problem);
    }
}
