//! The stack's Redis: servers that come and go behind one address, as behind a service's name.

use std::time::Duration;

use inklog_tests::{RedisName, RedisServer};

use crate::{Outcome, within};

/// How long a replica may take to have all of the primary's data.
const REPLICATION_MAX: Duration = Duration::from_secs(20);

/// One address, and the server that is reached there.
pub struct Redis {
    pub server: RedisServer,
    /// A primary of before, which is a replica now and still has the stack's connections.
    demoted: Option<RedisServer>,
    name: RedisName,
}

impl Redis {
    pub async fn start() -> Outcome<Redis> {
        let server = RedisServer::start();
        let name = RedisName::of(server.addr()).await.map_err(|error| error.to_string())?;
        Ok(Redis { server, demoted: None, name })
    }

    pub fn url(&self) -> String {
        self.name.url()
    }

    pub fn pid(&self) -> Outcome<u32> {
        self.server.pid().ok_or_else(|| "redis-server does not run".to_owned())
    }

    pub fn number(&self, field: &str) -> u64 {
        self.server.info(field).and_then(|value| value.parse().ok()).unwrap_or(0)
    }

    /// How many keys a document has. Some are pieces of bases that nobody finished: they live for minutes.
    pub fn keys_of(&self, doc: &str) -> usize {
        self.server.count_keys(&format!("inklog:{{{doc}}}:*"))
    }

    /// How often a command found no memory.
    pub fn refusals(&self) -> u64 {
        let counted = self.server.info("errorstat_OOM").unwrap_or_default();
        counted.strip_prefix("count=").and_then(|count| count.parse().ok()).unwrap_or(0)
    }

    /// A replica of the server, which has all of its data.
    pub async fn replica(&self) -> Outcome<RedisServer> {
        let replica = RedisServer::start();
        replica.run(&format!("REPLICAOF 127.0.0.1 {}", self.server.addr().port()));
        within(REPLICATION_MAX, "the replica is in step", async || {
            (replica.info("master_link_status").as_deref() == Some("up")).then_some(())
        })
        .await?;
        Ok(replica)
    }

    /// The replica takes the server's place: the server dies, and its connections with it.
    pub fn fail_over(&mut self, replica: RedisServer) {
        self.server.stop();
        replica.run("REPLICAOF NO ONE");
        self.take_place(replica);
    }

    /// The two change roles, as at planned maintenance: who is connected to the server stays so, and is told
    /// that it is read-only now.
    pub fn change_over(&mut self, replica: RedisServer) {
        replica.run("REPLICAOF NO ONE");
        self.server.run(&format!("REPLICAOF 127.0.0.1 {}", replica.addr().port()));
        let demoted = self.take_place(replica);
        self.demoted = Some(demoted);
    }

    fn take_place(&mut self, replica: RedisServer) -> RedisServer {
        self.name.stands_for(replica.addr());
        std::mem::replace(&mut self.server, replica)
    }

    /// Nothing is left of a primary of before.
    pub fn forget_demoted(&mut self) {
        self.demoted = None;
    }
}
