//! Mounts for tests: a Samba server of the test's own with a client in user space, and small disks.
//!
//! Promises: nothing outlives its owner, neither processes (ended by their own numbers) nor mounts; no fixed port; what
//! cannot be had here is said (`skipped:`), and the caller gets `None`.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Longest wait for anything here.
const WAIT_AT_MOST: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until it is so; bounded.
#[track_caller]
pub(crate) fn eventually(what: &str, so: impl Fn() -> bool) {
    assert!(comes_to_pass(so), "{what} did not come to pass within {WAIT_AT_MOST:?}");
}

fn comes_to_pass(so: impl Fn() -> bool) -> bool {
    let began = Instant::now();
    while began.elapsed() < WAIT_AT_MOST {
        if so() {
            return true;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    false
}

fn skipped<T>(why: &str) -> Option<T> {
    println!("skipped: {why}");
    None
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Runs a command to its end; did it do what it should?
fn done(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// A Samba server on loopback that shares one folder, mounted through a client in user space.
pub(crate) struct Samba {
    /// The shared folder, as a client sees it.
    pub(crate) share: PathBuf,
    own: TempDir,
    port: u16,
    server: Option<Child>,
    client: Option<Child>,
}

impl Samba {
    /// Shares `folder` and mounts the share; `None` where that cannot be done, which is said.
    pub(crate) fn start(folder: &Path) -> Option<Self> {
        for program in ["smbd", "smbnetfs", "fusermount3"] {
            if !is_installed(program) {
                return skipped(&format!("{program} is not installed"));
            }
        }
        if !Path::new("/dev/fuse").exists() || !rustix::process::geteuid().is_root() {
            return skipped("a share can only be mounted by root, with /dev/fuse");
        }
        let own = tempfile::tempdir().unwrap();
        // The port is free a moment later as well, or the server says that it is not.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let share = own.path().join("mounted").join(format!("127.0.0.1:{port}")).join("till");
        let mut samba = Self { share, own, port, server: None, client: None };
        samba.configure(folder);
        samba.start_again();
        samba.mount().then_some(()).or_else(|| skipped("the share cannot be mounted here"))?;
        Some(samba)
    }

    fn configure(&self, folder: &Path) {
        let own = self.own.path();
        for name in ["state", "mounted", "home/.smb"] {
            fs::create_dir_all(own.join(name)).unwrap();
        }
        let state = own.join("state").display().to_string();
        let folders: String = ["private", "lock", "state", "cache", "pid"]
            .map(|kind| {
                let kind = if kind == "private" { "private dir".into() } else { format!("{kind} directory") };
                format!("{kind} = {state}\n")
            })
            .concat();
        let text = format!(
            "[global]\nserver role = standalone server\nmap to guest = Bad User\nguest account = root\n{folders}\
             ncalrpc dir = {state}/ncalrpc\nlog file = {state}/log\nsmb ports = {}\ninterfaces = lo\n\
             bind interfaces only = yes\ndisable spoolss = yes\nload printers = no\ndisable netbios = yes\n\
             [till]\npath = {}\nguest ok = yes\nread only = no\n",
            self.port,
            folder.display()
        );
        fs::write(own.join("smb.conf"), text).unwrap();
        // Its own files must belong to nobody else, or the client does not read them.
        for name in ["smb.conf", "smbnetfs.conf"] {
            let path = own.join("home/.smb").join(name);
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        }
    }

    /// Starts the server, on the same port as before.
    pub(crate) fn start_again(&mut self) {
        let said = File::create(self.own.path().join("smbd.out")).unwrap();
        let mut command = Command::new("smbd");
        command.args(["-F", "--no-process-group", "-s"]).arg(self.own.path().join("smb.conf"));
        // At its end it ends its whole group of processes: that must be one of its own.
        let child = command.process_group(0).stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said);
        self.server = Some(child.spawn().unwrap());
        eventually("the server answers", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    fn mount(&mut self) -> bool {
        let own = self.own.path();
        let said = File::create(own.join("smbnetfs.out")).unwrap();
        let mut command = Command::new("smbnetfs");
        // Nothing is kept by the kernel, so that a test waits for no time to pass.
        command.args(["-f", "-o", "config=smbnetfs.conf,attr_timeout=0,entry_timeout=0,negative_timeout=0"]);
        command.arg(own.join("mounted")).env("HOME", own.join("home"));
        let child = command.process_group(0).stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said);
        self.client = Some(child.spawn().unwrap());
        let share = self.share.clone();
        comes_to_pass(|| fs::read_dir(&share).is_ok_and(|mut entries| entries.next().is_some()))
    }

    /// Stops the server; the client stays mounted and finds nobody.
    pub(crate) fn stop(&mut self) {
        end(self.server.take());
    }
}

/// Asks a process to end, and waits for that.
fn end(child: Option<Child>) {
    let Some(mut child) = child else { return };
    let pid = rustix::process::Pid::from_child(&child);
    // It may have ended by itself already.
    let _gone = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    child.wait().unwrap();
}

impl Drop for Samba {
    fn drop(&mut self) {
        let mounted = self.own.path().join("mounted");
        if self.client.is_some() && !done("fusermount3", &["-u", "-z", mounted.to_str().unwrap()]) {
            println!("{} could not be unmounted", mounted.display());
        }
        end(self.client.take());
        end(self.server.take());
    }
}

/// A small disk of its own in a folder.
pub(crate) struct Mounted {
    folder: PathBuf,
}

impl Mounted {
    /// Mounts a disk of this size (`64k`) in memory; `None` where that cannot be done, which is said.
    pub(crate) fn small_disk(folder: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(folder).unwrap();
        let mounted = done("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs", folder.to_str().unwrap()]);
        if !mounted {
            return skipped("a disk can only be mounted by root");
        }
        Some(Self { folder: folder.to_owned() })
    }

    /// Mounts it anew with other options (`size=1m`, `ro`).
    pub(crate) fn change(&self, options: &str) {
        let options = format!("remount,{options}");
        assert!(done("mount", &["-o", &options, self.folder.to_str().unwrap()]), "{options}");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if !done("umount", &["-l", self.folder.to_str().unwrap()]) {
            println!("{} could not be unmounted", self.folder.display());
        }
    }
}
