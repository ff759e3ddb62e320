//! The credentials that requests to `@connections` are signed with. They lie in the data folder, as a file that the
//! AWS SDKs and tools read (`AWS_SHARED_CREDENTIALS_FILE`): who may read it may read the documents beside it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use aws_credential_types::Credentials;

use super::{Data, StackError};
use crate::gateway::new_credentials;

const FILE: &str = "credentials";

/// Those in the folder, made if there are none; without a folder, new ones.
pub(super) fn credentials(data: &Data) -> Result<Credentials, StackError> {
    let Data::Dir(dir) = data else { return Ok(new_credentials()) };
    let path = dir.join(FILE);
    in_file(&path).map_err(|source| StackError::Folder { path, source })
}

fn in_file(path: &Path) -> io::Result<Credentials> {
    match fs::read_to_string(path) {
        Ok(text) => parse(&text).ok_or_else(|| io::Error::other("no credentials in it; delete it")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = new_credentials();
            let (id, secret) = (made.access_key_id(), made.secret_access_key());
            let text = format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
            // Whole or not at all, and never readable to others.
            let half = path.with_extension("new");
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&half, path)?;
            Ok(made)
        }
        Err(error) => Err(error),
    }
}

fn parse(text: &str) -> Option<Credentials> {
    let value = |name: &str| {
        let mut fields = text.lines().filter_map(|line| line.split_once('='));
        let (_, value) = fields.find(|(other, _)| other.trim() == name)?;
        Some(value.trim()).filter(|value| !value.is_empty())
    };
    Some(Credentials::new(value("aws_access_key_id")?, value("aws_secret_access_key")?, None, None, "inklog"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_folder_keeps_its_credentials_to_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let data = Data::Dir(folder.path().to_owned());
        let made = credentials(&data).unwrap();
        let again = credentials(&data).unwrap();
        assert_eq!(made.access_key_id(), again.access_key_id());
        assert_eq!(made.secret_access_key(), again.secret_access_key());
        let file = folder.path().join(FILE);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_ne!(credentials(&Data::Memory).unwrap().access_key_id(), made.access_key_id());

        fs::write(&file, "[default]\naws_access_key_id =\n").unwrap();
        assert!(credentials(&data).unwrap_err().to_string().contains("delete it"));
    }
}
