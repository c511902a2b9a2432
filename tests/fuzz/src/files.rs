//! Bytes as a file that has a path: the reader takes no less.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// A file in memory, where the system has such a folder. It has no name, so that nothing is left behind by a crash.
#[derive(Debug)]
pub struct Files {
    file: File,
    path: PathBuf,
}

impl Files {
    /// One file, written anew for each read.
    #[expect(clippy::new_without_default, reason = "it makes a file")]
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let file = tempfile::tempfile_in(folder).expect("a place for the input");
        let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        Self { file, path }
    }

    /// Where these bytes now lie.
    pub(crate) fn holding(&self, bytes: &[u8]) -> &Path {
        let mut file = &self.file;
        file.set_len(0).expect("room for the input");
        file.seek(SeekFrom::Start(0)).expect("room for the input");
        file.write_all(bytes).expect("room for the input");
        &self.path
    }
}
