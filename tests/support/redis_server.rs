//! A `redis-server` process of a test's own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a server may take until it answers.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How often a free port is looked for: between finding one and listening, another process may
/// take it.
const PORT_ATTEMPTS: usize = 10;

/// A Redis server on a free port of this machine, with a folder of its own. It is killed when this
/// is dropped. Every method panics, with what is wrong, when the server does not do as told.
pub struct RedisServer {
    addr: SocketAddr,
    dir: TempDir,
    /// Further arguments, as on its command line.
    settings: Vec<String>,
    process: Option<Child>,
}

impl RedisServer {
    /// Starts an empty server and waits until it answers.
    pub fn start() -> RedisServer {
        RedisServer::start_with(&[])
    }

    /// The same with further arguments, as on its command line.
    pub fn start_with(settings: &[&str]) -> RedisServer {
        let settings: Vec<String> = settings.iter().map(|word| (*word).to_owned()).collect();
        for _ in 0..PORT_ATTEMPTS {
            let dir = TempDir::new().expect("a temporary folder");
            let mut server =
                RedisServer { addr: free_addr(), dir, settings: settings.clone(), process: None };
            if server.spawn() {
                return server;
            }
        }
        panic!("redis-server found no free port in {PORT_ATTEMPTS} attempts");
    }

    /// `redis://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("redis://{}", self.addr)
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Writes a dump of all data, which the next [`RedisServer::restart`] loads.
    pub fn save(&self) {
        self.run("SAVE");
    }

    /// The process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Runs a command whose answer is `OK`.
    pub fn run(&self, command: &str) {
        let answer = self.command(command);
        assert_eq!(answer.as_deref(), Some("+OK"), "redis-server does not do {command}");
    }

    /// A field of `INFO ALL`; `None` when there is no such field.
    pub fn info(&self, field: &str) -> Option<String> {
        let info = bulk(self.addr, "INFO ALL").expect("redis-server answers INFO");
        let value = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.map(str::to_owned)
    }

    /// How many keys there are whose names match a pattern of Redis.
    pub fn count_keys(&self, pattern: &str) -> usize {
        let answer = self.command(&format!("KEYS {pattern}"));
        let count = answer.as_deref().and_then(|line| line.strip_prefix('*')?.parse().ok());
        count.unwrap_or_else(|| panic!("redis-server answers KEYS by {answer:?}"))
    }

    /// Deletes the dump: the next [`RedisServer::restart`] starts empty.
    pub fn forget_dump(&self) {
        let dump = self.dir.path().join("dump.rdb");
        assert!(!dump.exists() || std::fs::remove_file(dump).is_ok(), "the dump cannot be deleted");
    }

    /// Kills the server. What was not saved is lost.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("redis-server can be killed");
            process.wait().expect("redis-server ends when killed");
        }
    }

    /// Starts a stopped (or stops and starts a running) server on its port and waits until it
    /// answers. It holds what was last saved.
    pub fn restart(&mut self) {
        self.stop();
        assert!(self.spawn(), "another process has taken the port {}", self.addr.port());
    }

    /// `false` when it ended at once, as it does when its port is taken.
    fn spawn(&mut self) -> bool {
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"])
            .arg(self.addr.port().to_string())
            .arg("--dir")
            .arg(self.dir.path())
            .args(&self.settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("cannot start redis-server ({error}): `apt-get install -y redis-server` installs it")
            });
        let child = self.process.insert(child);
        let started = Instant::now();
        loop {
            if child.try_wait().expect("the process can be asked").is_some() {
                self.process = None;
                return false;
            }
            // Another server on this port would answer as well; but then ours has ended.
            if answer_to(self.addr, "PING").as_deref() == Some("+PONG") {
                return true;
            }
            assert!(started.elapsed() < START_TIMEOUT, "redis-server does not answer on {}", self.addr);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn command(&self, command: &str) -> Option<String> {
        answer_to(self.addr, command)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // A panic here would hide the one that failed the test.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn free_addr() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("a bound socket has an address")
}

/// The first line of the answer to an inline command; `None` when there is none.
fn answer_to(addr: SocketAddr, command: &str) -> Option<String> {
    first_line(addr, command).map(|(line, _)| line)
}

/// The text that answers an inline command; `None` when there is none.
fn bulk(addr: SocketAddr, command: &str) -> Option<String> {
    let (line, rest) = first_line(addr, command)?;
    let mut text = vec![0; line.strip_prefix('$')?.parse().ok()?];
    rest.take(text.len() as u64).read_exact(&mut text).ok()?;
    String::from_utf8(text).ok()
}

fn first_line(addr: SocketAddr, command: &str) -> Option<(String, impl Read)> {
    let mut stream = TcpStream::connect_timeout(&addr, START_TIMEOUT).ok()?;
    stream.set_read_timeout(Some(START_TIMEOUT)).ok()?;
    stream.write_all(format!("{command}\r\n").as_bytes()).ok()?;
    let (mut line, mut answer) = (String::new(), BufReader::new(stream));
    answer.read_line(&mut line).ok()?;
    Some((line.strip_suffix("\r\n")?.to_owned(), answer))
}
