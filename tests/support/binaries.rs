//! The workspace's binaries, built.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// The files of all binaries and examples by their names. Builds them first: nothing is compiled twice, for the
/// packages are chosen and the features thereby united as for the tests themselves.
pub fn binaries() -> &'static BTreeMap<String, PathBuf> {
    static BUILT: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();
    // The very selection of `make test`, so that cargo finds its work done.
    BUILT.get_or_init(|| build(&["--workspace", "--all-targets"]))
}

/// The file of the `inklog` command, built as `make run` does.
pub fn inklog_binary() -> PathBuf {
    build(&["--package", "inklog-cli", "--bin", "inklog"]).remove("inklog").expect("cargo built it")
}

fn build(selection: &[&str]) -> BTreeMap<String, PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--message-format=json-render-diagnostics", "--manifest-path"]);
    cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"));
    // What cargo tells this test of its own package would make build scripts run again.
    for (name, _) in std::env::vars().filter(|(name, _)| is_of_a_package(name)) {
        cargo.env_remove(name);
    }
    // The folder of this test's own binary is `TARGET/PROFILE/deps`.
    let this = std::env::current_exe().expect("a process has a file");
    let profile = this.ancestors().nth(2).expect("a folder above");
    let name = profile.file_name().and_then(|name| name.to_str()).expect("a profile's name");
    cargo.args(["--profile", if name == "debug" { "dev" } else { name }]);
    cargo.arg("--target-dir").arg(profile.parent().expect("a folder above"));
    let built = cargo.args(selection).stderr(Stdio::inherit()).output().expect("cargo runs");
    assert!(built.status.success(), "the binaries do not build");
    let messages = serde_json::Deserializer::from_slice(&built.stdout).into_iter::<Value>();
    let artifacts = messages.map(|message| message.expect("cargo writes JSON")).filter_map(|message| {
        // Not the binaries' own unit tests, which are built with them.
        let kind = &message["target"]["kind"][0];
        let is_binary = (kind == "bin" || kind == "example") && message["profile"]["test"] == false;
        let file = message["executable"].as_str().filter(|_| is_binary)?;
        Some((message["target"]["name"].as_str()?.to_owned(), PathBuf::from(file)))
    });
    artifacts.collect()
}

/// Whether cargo sets this variable for the package whose test it runs.
pub fn is_of_a_package(variable: &str) -> bool {
    variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_MANIFEST_") || variable == "CARGO"
}
