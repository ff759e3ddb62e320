//! The data folder's disk: a small file system of its own that can be filled, and made read-only beneath the
//! stack.
//!
//! It is an ext4 image on a loop device. Mounting needs root, and is done in a mount namespace of this test's
//! own, so that nothing of it is left behind however the test ends. Where that is not to be had, the data lies
//! in an ordinary folder, and these faults are told as not run.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Outcome;

const SIZE: u64 = 256 * 1024 * 1024;
const FOLDER: &str = "disk";
const IMAGE: &str = "disk.img";
/// A file that the stack writes is written by then.
const BUSY_MAX: Duration = Duration::from_secs(10);
/// Set in the process that has the namespace; its value is `yes`, or why there is none.
const NAMESPACE: &str = "INKLOG_TORTURE_NAMESPACE";

/// Begins this process again in a mount namespace of its own, where that can be had.
pub fn enter_namespace() {
    if std::env::var_os(NAMESPACE).is_some() {
        return;
    }
    let probe = run(Command::new("unshare").args(["--mount", "true"]));
    let this = std::env::current_exe().expect("a process has a file");
    let args = std::env::args_os().skip(1);
    let error = match probe {
        Ok(()) => {
            let mut command = Command::new("unshare");
            command.args(["--mount", "--propagation", "private", "--"]).arg(this).args(args);
            command.env(NAMESPACE, "yes").exec()
        }
        Err(reason) => Command::new(this).args(args).env(NAMESPACE, reason).exec(),
    };
    panic!("this test cannot begin: {error}");
}

/// Takes the disk below `parent` away, if there is one. Lazily: a process that was killed may not be gone yet.
pub fn leave(parent: &Path) {
    let image = parent.join(IMAGE);
    if image.exists() {
        // What is left of it ends with the namespace.
        let _ = run(Command::new("umount").arg("--lazy").arg(parent.join(FOLDER)));
        let _ = std::fs::remove_file(image);
    }
}

/// Where the data folder is.
pub struct Disk {
    pub folder: PathBuf,
    /// Why it cannot be filled or made read-only; `None` where it can.
    pub ordinary: Option<String>,
}

impl Disk {
    /// A folder below `parent`, on a disk of its own if possible.
    pub fn new(parent: &Path) -> Outcome<Disk> {
        let folder = parent.join(FOLDER);
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let ordinary = match std::env::var(NAMESPACE) {
            Ok(yes) if yes == "yes" => mount(&parent.join(IMAGE), &folder).err(),
            Ok(reason) => Some(reason),
            Err(_) => Some("there is no mount namespace".to_owned()),
        };
        Ok(Disk { folder, ordinary })
    }

    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Leaves no block free, for what is written from now on.
    pub fn fill(&self) -> Outcome {
        let file = OpenOptions::new().create(true).append(true).open(self.ballast());
        let mut file = file.map_err(|error| format!("the disk cannot be filled: {error}"))?;
        for block in [1024 * 1024, 4096] {
            loop {
                match file.write_all(&vec![0x42; block]).and_then(|()| file.sync_data()) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(format!("the disk cannot be filled: {error}")),
                }
            }
        }
        Ok(())
    }

    /// Gives the blocks back.
    pub fn empty(&self) -> Outcome {
        std::fs::remove_file(self.ballast()).map_err(|error| format!("the ballast stays: {error}"))
    }

    /// Lays a read-only mount of the data folder over it. What is open for writing stays so; whatever is opened
    /// from now on is not.
    pub fn protect(&self) -> Outcome {
        let data = self.data();
        run(Command::new("mount").arg("--bind").arg(&data).arg(&data))?;
        // It is busy for as long as the stack writes a file that it has opened through it.
        let begun = Instant::now();
        while let Err(reason) = run(Command::new("mount").args(["-o", "remount,bind,ro"]).arg(&data)) {
            if begun.elapsed() > BUSY_MAX {
                return Err(reason);
            }
        }
        match File::create(data.join("probe")) {
            Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => Ok(()),
            other => Err(format!("the data folder is not read-only: {other:?}")),
        }
    }

    /// Takes it off again. Lazily: the stack may be reading through it.
    pub fn unprotect(&self) -> Outcome {
        run(Command::new("umount").arg("--lazy").arg(self.data()))
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }
}

fn mount(image: &Path, folder: &Path) -> Outcome {
    let file = File::create(image).and_then(|file| file.set_len(SIZE));
    file.map_err(|error| format!("there is no room for an image: {error}"))?;
    run(Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(image))?;
    run(Command::new("mount").args(["-o", "loop"]).arg(image).arg(folder))
}

fn run(command: &mut Command) -> Outcome {
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let first = said.lines().next().unwrap_or("it failed");
            Err(format!("{}: {first}", command.get_program().display()))
        }
        Err(error) => Err(format!("{}: {error}", command.get_program().display())),
    }
}
