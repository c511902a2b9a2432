//! The till as folders: what it leaves for us, what we leave for it, and what its files look like.
//!
//! What a till promises is little, and this module asks for no more: it writes stock exports into one folder, at
//! times and with pauses of its own; it looks into another folder for order files and takes them away (or moves
//! them to a folder for what is done, or to one for what it refuses) when it pleases.
//! What it does not promise: that a file is whole when it appears, that a file's modification time is true, that a
//! folder which looks empty is the folder that we know, that a taken order was booked without error.
//!
//! Promises of this module:
//! - an export counts only once it has stopped changing, and is read from a private copy;
//! - a listing that failed, or a folder that is not the one it was, proves nothing;
//! - an order file becomes visible whole, durable, and at most once under its name; no foreign file is ever replaced;
//! - a file from the till is hostile input: a row that is not plainly right is an error, never a zero and never a guess.
//!
//! Does not promise: to remember across restarts which exports were dealt with (the ledger does), or to settle
//! duplicates within an export (whoever collects the rows does).

mod check_words;
mod checks;
mod comments;
mod delimiter;
mod earlier;
mod evidence_answer;
mod evidence_lines;
mod evidence_pattern;
mod evidence_report;
pub mod evidence_settings;
mod evidence_words;
mod export_file;
mod fault;
mod folder;
mod folder_path;
pub mod guess;
mod heading;
mod heard;
mod import_mark;
mod layout;
mod name_pattern;
mod number;
mod order_charset;
mod order_check;
pub mod order_column;
mod order_file;
mod order_lines;
mod order_name;
mod order_parts_check;
pub mod order_profile;
pub mod order_profiles;
mod order_template;
mod order_text;
mod order_values;
mod places;
pub mod profile;
mod profile_check;
mod profile_words;
mod publish;
mod quotes;
mod roles;
mod row;
pub mod settings;
mod settle;
mod sightings;
mod spool;
mod stock_export;
mod sweep;
mod text;
pub mod volume;
mod watcher;
mod withdraw;

pub use evidence_settings::EvidenceSettings;
pub use folder::FolderEpos;
pub use heard::Hint;
pub use order_profile::OrderProfile;
pub use profile::StockProfile;
pub use profile_check::{CheckedProfile, ProfileError};
pub use settings::{EposSettings, ExportsAfter, SettingsError, Watch};
pub use stock_export::{ExportFile, read_export};
pub use watcher::{FolderWatcher, WatchError};
