//! Samples on the disk, as the guesser wants them.
//!
//! Promises: of each file only its head and its tail are kept; a whole file is read only for its MD5, and only where a
//! control file has one. Small files beside the samples are looked at, and never changed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};

use super::{CliError, Exit};
use crate::epos::guess::{self, Answers, Guess, Sample};

/// Largest file that is looked at because it lies beside a sample, in bytes.
const SMALL: u64 = 16 * 1024;
/// Most files looked at because they lie beside a sample.
const MOST_BESIDE: usize = 200;

/// One file.
#[derive(Debug)]
struct Piece {
    path: PathBuf,
    name: String,
    head: Vec<u8>,
    tail: Vec<u8>,
    length: u64,
    md5: Option<String>,
}

/// The samples, and small files beside them.
#[derive(Debug)]
pub(super) struct Samples {
    given: Vec<Piece>,
    beside: Vec<Piece>,
}

impl Samples {
    /// Reads what is needed of the samples.
    pub(super) fn load(paths: &[PathBuf]) -> Result<Self, CliError> {
        let cannot = |path: &Path, why: &dyn std::fmt::Display| {
            CliError::Told(Exit::NotThere, format!("the sample {} cannot be read: {why}", path.display()))
        };
        if paths.len() > guess::MOST_SAMPLES {
            let text =
                format!("{} samples are too many; {} of one kind tell as much", paths.len(), guess::MOST_SAMPLES);
            return Err(CliError::Told(Exit::Failed, text));
        }
        let mut given = Vec::new();
        for path in paths {
            if path.is_dir() {
                return Err(cannot(path, &"it is a folder; name a few of the files in it"));
            }
            given.push(Piece::load(path).map_err(|error| cannot(path, &error))?);
        }
        let beside = paths.first().map_or(Vec::new(), |path| beside(path, paths));
        let mut samples = Self { given, beside };
        let told: Vec<&Piece> = samples.given.iter().chain(&samples.beside).collect();
        if told.iter().any(|piece| piece.length <= SMALL && mentions_md5(&piece.head)) {
            for piece in &mut samples.given {
                piece.md5 = Some(md5(&piece.path).map_err(|error| cannot(&piece.path, &error))?);
            }
        }
        Ok(samples)
    }

    /// What the guesser makes of them.
    pub(super) fn guess(&self, answers: &Answers) -> Guess {
        let given: Vec<Sample<'_>> = self.given.iter().map(Piece::sample).collect();
        let beside: Vec<Sample<'_>> = self.beside.iter().map(Piece::sample).collect();
        guess::guess(&given, &beside, answers)
    }

    /// Where the samples of these positions are.
    pub(super) fn paths<'s>(&'s self, positions: &'s [usize]) -> impl Iterator<Item = &'s Path> {
        positions.iter().filter_map(|at| self.given.get(*at)).map(|piece| piece.path.as_path())
    }

    /// The names of the samples of these positions.
    pub(super) fn names(&self, positions: &[usize]) -> Vec<String> {
        positions.iter().filter_map(|at| self.given.get(*at)).map(|piece| piece.name.clone()).collect()
    }
}

impl Piece {
    fn load(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let (mut head, mut tail) = (Vec::new(), Vec::new());
        file.by_ref().take(guess::HEAD as u64).read_to_end(&mut head)?;
        let rest = length.saturating_sub(head.len() as u64).min(guess::TAIL as u64);
        if rest > 0 {
            file.seek(SeekFrom::Start(length - rest))?;
            file.take(rest).read_to_end(&mut tail)?;
        }
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Ok(Self { path: path.to_owned(), name, head, tail, length, md5: None })
    }

    fn sample(&self) -> Sample<'_> {
        Sample { name: &self.name, head: &self.head, tail: &self.tail, length: self.length, md5: self.md5.as_deref() }
    }
}

/// Small files in the folder of a sample. What cannot be read is not looked at.
fn beside(path: &Path, given: &[PathBuf]) -> Vec<Piece> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names: Vec<_> = given.iter().filter_map(|path| path.file_name()).collect();
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let is_small = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() <= SMALL);
    let mut paths: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| !names.contains(&entry.file_name().as_os_str()))
        .map(|entry| entry.path())
        .filter(is_small)
        .collect();
    paths.sort();
    paths.iter().take(MOST_BESIDE).filter_map(|path| Piece::load(path).ok()).collect()
}

/// Is there a run of exactly 32 hex digits?
fn mentions_md5(bytes: &[u8]) -> bool {
    const DIGITS: usize = 32;
    bytes.split(|byte| !byte.is_ascii_hexdigit()).any(|run| run.len() == DIGITS)
}

fn md5(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let (mut hash, mut piece) = (Md5::new(), vec![0; 64 * 1024]);
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok(crate::ports::hex(&hash.finalize()));
        }
        hash.update(&piece[..read]);
    }
}
