//! `inklog dev` in a process of its own, its jobs as commands, and signals.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::{Outcome, within};

/// How long the stack may take to start, or to end cleanly.
const START_MAX: Duration = Duration::from_secs(60);
const END_MAX: Duration = Duration::from_secs(30);
/// How long a job may take.
const JOB_MAX: Duration = Duration::from_secs(60);

/// Sends a signal to a process.
pub async fn signal(pid: u32, name: &str) -> Outcome {
    let sent = Command::new("kill").args([name, &pid.to_string()]).status().await;
    match sent {
        Ok(status) if status.success() => Ok(()),
        failed => Err(format!("kill {name} {pid}: {failed:?}")),
    }
}

/// Waits until a process has the state that `/proc` calls so, such as `T`: stopped.
pub async fn wait_for_state(pid: u32, state: char) -> Outcome {
    within(Duration::from_secs(10), &format!("process {pid} is {state}"), async || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(state)).then_some(())
    })
    .await
}

/// The stack's process, and everything it needs to be started again.
pub struct Stack {
    pub program: PathBuf,
    pub data: PathBuf,
    pub redis: String,
    pub log: PathBuf,
    pub port: u16,
    running: Option<Running>,
}

struct Running {
    child: Child,
    /// Kept open: the process may have more to say.
    _stdout: BufReader<ChildStdout>,
}

impl Stack {
    /// One that is not running yet.
    pub fn new(program: PathBuf, data: PathBuf, redis: String, log: PathBuf) -> Outcome<Stack> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| error.to_string())?;
        let port = listener.local_addr().map_err(|error| error.to_string())?.port();
        Ok(Stack { program, data, redis, log, port, running: None })
    }

    pub fn http_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn ws_url(&self) -> String {
        format!("ws://127.0.0.1:{}/dev", self.port)
    }

    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().and_then(|running| running.child.id())
    }

    /// Starts it and waits for its `ready:` line. `Err` is the one line with which it ended instead.
    pub async fn start(&mut self) -> Outcome<Result<(), String>> {
        let broken = |what: &dyn std::fmt::Display| format!("the stack cannot be started: {what}");
        let mut log =
            OpenOptions::new().create(true).append(true).open(&self.log).map_err(|error| broken(&error))?;
        let said_before = log.seek(SeekFrom::End(0)).map_err(|error| broken(&error))?;
        let mut command = Command::new(&self.program);
        command.args(["dev", "--port", &self.port.to_string(), "--redis", &self.redis, "--data"]);
        command.arg(&self.data).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| broken(&error))?;
        let mut stdout = BufReader::new(child.stdout.take().ok_or("stdout is a pipe")?);
        let mut line = String::new();
        let ready = async {
            while !line.starts_with("ready:") {
                line.clear();
                if stdout.read_line(&mut line).await.map_err(|error| error.to_string())? == 0 {
                    return Ok::<_, String>(false);
                }
            }
            Ok(true)
        };
        match timeout(START_MAX, ready).await {
            Err(_) => Err(broken(&"it is neither ready nor ended")),
            Ok(Err(error)) => Err(broken(&error)),
            Ok(Ok(true)) => {
                self.running = Some(Running { child, _stdout: stdout });
                Ok(Ok(()))
            }
            Ok(Ok(false)) => {
                let status = timeout(END_MAX, child.wait()).await.map_err(|_| broken(&"it does not end"))?;
                let said = said_since(&self.log, said_before).map_err(|error| broken(&error))?;
                let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("inklog: ")).collect();
                match (status.map(|status| status.code()), &lines[..]) {
                    (Ok(Some(1)), [line]) => Ok(Err((*line).to_owned())),
                    (status, _) => Err(broken(&format!("it ended with {status:?} and said {said:?}"))),
                }
            }
        }
    }

    /// SIGKILL.
    pub async fn kill(&mut self) -> Outcome {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        running.child.kill().await.map_err(|error| format!("the stack cannot be killed: {error}"))
    }

    /// SIGTERM; it must end by itself, with exit code 0.
    pub async fn terminate(&mut self) -> Outcome {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        let pid = running.child.id().ok_or("the stack has ended by itself")?;
        signal(pid, "-TERM").await?;
        match timeout(END_MAX, running.child.wait()).await {
            Ok(Ok(status)) if status.code() == Some(0) => Ok(()),
            ended => Err(format!("SIGTERM is no clean end: {ended:?}")),
        }
    }

    /// Fails if the process has ended by itself, or if a thread of it has panicked.
    pub fn check(&mut self) -> Outcome {
        if let Some(running) = &mut self.running
            && let Ok(Some(status)) = running.child.try_wait()
        {
            return Err(format!("the stack has ended by itself: {status}"));
        }
        let said = said_since(&self.log, 0).map_err(|error| error.to_string())?;
        match said.lines().find(|line| line.contains("panicked")) {
            Some(line) => Err(format!("the stack has panicked: {line}")),
            None => Ok(()),
        }
    }
}

fn said_since(log: &Path, at: u64) -> std::io::Result<String> {
    let mut file = File::open(log)?;
    file.seek(SeekFrom::Start(at))?;
    let mut said = Vec::new();
    file.read_to_end(&mut said)?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// Where a job is done.
#[derive(Clone)]
pub struct Jobs {
    program: PathBuf,
    place: [String; 2],
}

impl Jobs {
    /// On the running stack.
    pub fn running(stack: &Stack) -> Jobs {
        Jobs { program: stack.program.clone(), place: ["--url".into(), stack.http_url()] }
    }

    /// On the stopped stack's folder.
    pub fn stopped(stack: &Stack) -> Jobs {
        let data = stack.data.display().to_string();
        Jobs { program: stack.program.clone(), place: ["--data".into(), data] }
    }

    /// Does a job, with JSON as its output. It fails, if it does, as the command's manners demand: exit code 1.
    pub async fn run(&self, args: &[&str]) -> Outcome<Output> {
        let mut command = Command::new(&self.program);
        command.args(args).args(&self.place).arg("--json").stdin(Stdio::null()).kill_on_drop(true);
        let output = match timeout(JOB_MAX, command.output()).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) => return Err(format!("inklog {args:?} does not run: {error}")),
            Err(_) => return Err(format!("inklog {args:?} took more than {} s", JOB_MAX.as_secs())),
        };
        match output.status.code() {
            Some(0 | 1) => Ok(output),
            _ => Err(format!("inklog {args:?} ended with {}: {}", output.status, stderr_of(&output))),
        }
    }

    /// Does a job that must not fail, and reads its output.
    pub async fn read<T: serde::de::DeserializeOwned>(&self, args: &[&str]) -> Outcome<T> {
        let output = self.run(args).await?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stdout);
            return Err(format!("inklog {args:?} failed: {}{said}", stderr_of(&output)));
        }
        serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("inklog {args:?} said no JSON: {error}"))
    }
}

pub fn stderr_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}
