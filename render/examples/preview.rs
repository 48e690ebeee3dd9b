//! Writes invented statements as `.eml`, `.html` and `.txt` into a folder, to be looked at.
//!
//! `cargo run -p render --example preview -- FOLDER`

#[path = "../tests/invented/mod.rs"]
mod invented;

use std::path::PathBuf;

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("usage: preview FOLDER"));
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    let renderer = invented::renderer();
    for (name, data) in invented::gallery() {
        let preview = renderer.preview(&data, invented::DATE).expect("it renders");
        for (ending, bytes) in [("eml", &preview.eml[..]), ("html", preview.html.as_bytes()), ("txt", preview.text.as_bytes())] {
            std::fs::write(folder.join(format!("{name}.{ending}")), bytes).expect("the file can be written");
        }
    }
}
