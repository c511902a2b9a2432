//! The simulated web store alone, for a person or a script that plays the till by hand.
//!
//! Promises: prints all that is needed to try the agent against it: address, token, certificate, and a configuration
//! whose folders lie beside them and whose waits are short enough to play.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::agent_process::DemoError;
use super::magento::{Magento, Mode};
use super::seed;
use super::server::StoreServer;
use crate::clock::SystemClock;

/// Starts the store on `port` (0: any free one), with its token and certificate in `folder`.
///
/// # Errors
/// [`DemoError`].
pub fn start(folder: &Path, port: u16) -> Result<StoreServer, DemoError> {
    let magento = Magento::new(seed::magento(Mode::Msi, Arc::new(SystemClock)));
    let server = super::serve(&magento, port)?;
    for name in ["import", "export"] {
        std::fs::create_dir_all(folder.join(name)).map_err(DemoError::io("make the till's folders"))?;
    }
    let write = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).map_err(DemoError::io(format!("write {name}")))
    };
    super::write_private(&folder.join("store-token"), &server.token).map_err(DemoError::io("write store-token"))?;
    write("store-ca.pem", &server.ca_pem)?;
    write("config.toml", &config(folder, &server))?;
    Ok(server)
}

fn config(folder: &Path, server: &StoreServer) -> String {
    let keep = |line: &&str| !line.starts_with('#');
    let quoted = |name: &str| toml::Value::String(folder.join(name).display().to_string()).to_string();
    let given = |key: &str| match key {
        "data_folder" => Some(quoted("agent")),
        "export_folder" => Some(quoted("export")),
        "import_folder" => Some(quoted("import")),
        "url" => Some(format!("{:?}", server.url)),
        "token_file" => Some(format!("{}\nca_file = {}", quoted("store-token"), quoted("store-ca.pem"))),
        "source" => Some(format!("{:?}", seed::SOURCE)),
        _ => None,
    };
    let line = |line: &str| match line.split_once(" = ").and_then(|(key, _)| Some((key, given(key)?))) {
        Some((key, value)) => format!("{key} = {value}\n"),
        None if line == "[gate]" => {
            "[gate]\n# Short, for playing by hand; 1 min is the default.\nsettle = \"2s\"\n".to_owned()
        }
        None => format!("{line}\n"),
    };
    crate::config::EXAMPLE.lines().filter(keep).map(line).collect()
}

/// Says where everything is.
///
/// # Errors
/// When it cannot be written.
pub fn print(out: &mut dyn Write, folder: &Path, server: &StoreServer, as_json: bool) -> io::Result<()> {
    let at = |name: &str| folder.join(name).display().to_string();
    let (token, ca, config) = (at("store-token"), at("store-ca.pem"), at("config.toml"));
    if as_json {
        let all = json!({
            "url": server.url, "token": server.token, "token_file": token, "ca_file": ca, "config": config,
            "source": seed::SOURCE, "import_folder": at("import"), "export_folder": at("export"),
        });
        writeln!(out, "{all}")?;
        return out.flush();
    }
    writeln!(out, "A simulated Magento is running. It knows the items 1001 to 1005 and 2000 to 2039, among others.")?;
    writeln!(out)?;
    writeln!(out, "url      {}", server.url)?;
    writeln!(out, "token    {}", server.token)?;
    writeln!(out, "ca_file  {ca}")?;
    writeln!(out, "source   {}", seed::SOURCE)?;
    writeln!(out)?;
    writeln!(out, "A configuration for it, with folders for a till that you play yourself:")?;
    writeln!(out, "  tillbridge --config {config} run")?;
    writeln!(out)?;
    writeln!(out, "Order something, ship or cancel it, see what can be sold:")?;
    writeln!(
        out,
        "  curl --cacert {ca} -d '{{\"lines\":[{{\"sku\":\"1001\",\"qty\":1}}]}}' -H 'Content-Type: application/json' {}/demo/orders",
        server.url
    )?;
    writeln!(out, "  curl --cacert {ca} -X POST {}/demo/orders/1/ship", server.url)?;
    writeln!(out, "  curl --cacert {ca} {}/demo/stock", server.url)?;
    writeln!(out)?;
    writeln!(out, "Stop with Ctrl-C.")?;
    out.flush()
}
