//! Writes the hand-made inputs into `corpus/`.

use std::{fs, io, path::Path};

fn main() -> io::Result<()> {
    for seed in tc_fuzz::seeds::all() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(seed.target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(seed.name), seed.octets)?;
    }
    Ok(())
}
