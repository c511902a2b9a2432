//! What the fuzz targets have in common: profiles to read by, questions to ask of each file, and what must hold.
//!
//! The first byte of an input chooses a profile, the second a question, the rest is the file. Beyond "no panic, no hang,
//! bounded memory": a file reads the same twice, with other line ends, behind other blocks; every row has a place in
//! the file that grows, and an SKU that stands in the file; nothing says more than a person can read; a file cut short
//! is never a shorter export that counts, if its profile asks for a proof.
//!
//! Memory is bounded by the allocator: a read that allocates beyond [`MOST_MEMORY`] aborts, and libFuzzer keeps the
//! input. (Its own limit on one allocation needs a sanitizer.)

use std::alloc::System;
use std::cell::RefCell;
use std::sync::Once;

use cap::Cap;
use tillbridge::epos::CheckedProfile;

mod files;
mod profiles;
mod question;
mod reading;

pub use files::Files;
pub use profiles::{CSV, FIXED, XML};

/// Bytes that a read may ever have allocated at once. The most is needed for one record of nothing but delimiters: the
/// csv crate keeps the place of each field, and keeps the first record twice more.
const MOST_MEMORY: usize = 48 * 1024 * 1024;

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

/// A profile to read by, and the same one that skips a line more.
#[derive(Debug)]
pub struct Profile {
    checked: CheckedProfile,
    shifted: Option<CheckedProfile>,
}

/// Reads the file in `data` and asks the question; `texts` are the profiles that its first byte chooses from.
///
/// # Panics
/// When the reader breaks a promise: that is the finding.
pub fn run(texts: &[&str], data: &[u8]) {
    thread_local! {
        static PROFILES: RefCell<Vec<Profile>> = const { RefCell::new(Vec::new()) };
        static FILES: Files = Files::new();
    }
    static UNLIMITED: Once = Once::new();
    UNLIMITED.call_once(lift_limit_on_panic);
    let [chosen, asked, file @ ..] = data else { return };
    PROFILES.with_borrow_mut(|profiles| {
        if profiles.is_empty() {
            profiles.extend(texts.iter().map(|text| profiles::parsed(text)));
        }
        let profile = &profiles[usize::from(*chosen) % profiles.len()];
        FILES.with(|files| question::ask(profile, *asked, file, files));
    });
}

/// Runs this with bounded memory.
fn bounded<T>(run: impl FnOnce() -> T) -> T {
    set_limit(MEMORY.allocated() + MOST_MEMORY);
    let result = run();
    set_limit(usize::MAX);
    result
}

fn set_limit(bytes: usize) {
    MEMORY.set_limit(bytes).expect("a limit above what is allocated");
}

/// A panic's backtrace takes more memory than any read.
fn lift_limit_on_panic() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        set_limit(usize::MAX);
        hook(panic);
    }));
}
