//! The functions as they run on AWS: a process handles one call at a time and stays warm for the next; for
//! more calls at once there are more processes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use inklog_access::AuthMode;
use inklog_broadcaster::Broadcaster;
use inklog_ingest::{Connection, Fallback, Gate, PresenceUpdate, Response, SendOp, Sync};
use inklog_materializer::Materializer;
use inklog_operator::{AccessOperator, Operator};
use inklog_protocol::limits::INTEGRATION_TIMEOUT;
use inklog_snapshotter::Snapshotter;

use super::faults::Fault;
use super::process::Process;
use super::world::World;

/// Warm processes of one function.
const WARM_MAX: usize = 3;
/// The time limits of the template.
const STREAM_LIMIT: Duration = Duration::from_secs(60);
const SNAPSHOTTER_LIMIT: Duration = Duration::from_secs(15 * 60);

type Make<F> = Box<dyn Fn(&Process) -> F + Send + std::marker::Sync>;

pub struct Pool<F> {
    name: &'static str,
    world: Arc<World>,
    limit: Duration,
    make: Make<F>,
    warm: Mutex<Vec<(Process, Arc<F>)>>,
}

impl<F> Pool<F> {
    fn new(world: &Arc<World>, name: &'static str, limit: Duration, make: Make<F>) -> Pool<F> {
        Pool { name, world: world.clone(), limit, make, warm: Mutex::default() }
    }

    /// Calls the function; `None` if its process dies of it.
    pub async fn call<T, R: Future<Output = T>>(&self, task: impl FnOnce(Arc<F>) -> R) -> Option<T> {
        let (process, function) = self.take();
        let done = process.run(task(function.clone())).await?;
        let mut warm = self.warm.lock().expect("no holder panics");
        if warm.len() < WARM_MAX {
            warm.push((process, function));
        }
        Some(done)
    }

    fn take(&self) -> (Process, Arc<F>) {
        let mut warm = self.warm.lock().expect("no holder panics");
        warm.retain(|(process, _)| process.is_deployed());
        if !warm.is_empty() && !self.world.fires(Fault::Cold) {
            let at = self.world.draw().below(warm.len());
            return warm.swap_remove(at);
        }
        let process = Process::start(&self.world, self.name, self.limit);
        let function = Arc::new((self.make)(&process));
        (process, function)
    }
}

pub struct Functions {
    pub connection: Pool<Connection>,
    pub send_op: Pool<SendOp>,
    pub sync: Pool<Sync>,
    pub presence: Pool<PresenceUpdate>,
    pub fallback: Pool<Fallback>,
    pub materializer: Pool<Materializer>,
    pub broadcaster: Pool<Broadcaster>,
    pub snapshotter: Pool<Snapshotter>,
    pub operator: Pool<Operator>,
    pub access: Pool<AccessOperator>,
}

fn gate(process: &Process) -> Gate {
    let mode = if process.world.plan.token_life_s.is_some() { AuthMode::Jwt } else { AuthMode::Open };
    Gate::new(mode, process.revocations(), process.clock()).limited(process.clock())
}

fn operator(process: &Process) -> Operator {
    Operator::new(process.documents(), process.clock())
}

impl Functions {
    pub fn new(world: &Arc<World>) -> Functions {
        let route = INTEGRATION_TIMEOUT;
        Functions {
            connection: Pool::new(
                world,
                "connection",
                route,
                Box::new(|process| Connection::new(gate(process), process.audience())),
            ),
            send_op: Pool::new(
                world,
                "send_op",
                route,
                Box::new(|process| {
                    let documents = process.documents();
                    let function =
                        SendOp::new(gate(process), documents.log, documents.catalogue, process.clock());
                    function.with_doc_bytes_max(process.world.plan.doc_bytes_max)
                }),
            ),
            sync: Pool::new(
                world,
                "sync",
                route,
                Box::new(|process| {
                    let log = process.world.log_name();
                    Sync::new(gate(process), process.documents(), process.audience(), log)
                }),
            ),
            presence: Pool::new(
                world,
                "presence",
                route,
                Box::new(|process| PresenceUpdate::new(gate(process), process.audience())),
            ),
            fallback: Pool::new(world, "fallback", route, Box::new(|process| Fallback::new(gate(process)))),
            materializer: Pool::new(
                world,
                "materializer",
                STREAM_LIMIT,
                Box::new(|process| Materializer::new(process.documents(), process.clock())),
            ),
            broadcaster: Pool::new(
                world,
                "broadcaster",
                STREAM_LIMIT,
                Box::new(|process| Broadcaster::new(process.audience())),
            ),
            snapshotter: Pool::new(
                world,
                "snapshotter",
                SNAPSHOTTER_LIMIT,
                Box::new(|process| Snapshotter::new(operator(process))),
            ),
            operator: Pool::new(world, "operator", SNAPSHOTTER_LIMIT, Box::new(operator)),
            access: Pool::new(
                world,
                "access",
                SNAPSHOTTER_LIMIT,
                Box::new(|process| {
                    let audience = process.audience();
                    AccessOperator::new(process.revocations(), audience)
                }),
            ),
        }
    }

    /// Calls the function of a route.
    pub async fn route(&self, route: &str, event: ApiGatewayWebsocketProxyRequest) -> Option<Response> {
        match route {
            "SEND_OP" => self.send_op.call(async |function| function.handle(event).await).await,
            "JOIN_DOC" | "SYNC_STATE" | "LEAVE_DOC" => {
                self.sync.call(async |function| function.handle(event).await).await
            }
            "PRESENCE" => self.presence.call(async |function| function.handle(event).await).await,
            "$connect" | "$disconnect" => {
                self.connection.call(async |function| function.handle(event).await).await
            }
            _ => self.fallback.call(async |function| function.handle(event).await).await,
        }
    }
}
