//! The program of a package: one that starts on every host.

use object::{
    LittleEndian,
    elf::{self, FileHeader64},
    read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _},
};

use super::check::Linking;

const BUILD: &str = "build it with `cargo build --profile dist --target x86_64-unknown-linux-musl`";

/// What is wrong with it, and what helps.
pub(super) fn fault(program: &[u8], linking: Linking) -> Option<(String, &'static str)> {
    // An unreadable header and another kind of file are one thing to whoever wants to deploy it.
    let wrong = |what: &str| Some((what.to_owned(), BUILD));
    let Ok(header) = FileHeader64::<LittleEndian>::parse(program) else {
        return wrong("not a 64-bit ELF program, so it does not start on Linux");
    };
    let Ok(endian) = header.endian() else {
        return wrong("its bytes are in an order that no host has");
    };
    if header.e_machine(endian) != elf::EM_X86_64 {
        return wrong("built for another processor than x86-64");
    }
    match needs_libraries(header, endian, program) {
        Err(error) => wrong(&format!("its ELF headers cannot be read: {error}")),
        Ok(true) if linking == Linking::Static => {
            wrong("linked dynamically: it starts only where the host has the same libraries, or newer ones")
        }
        Ok(_) => None,
    }
}

/// Whether it names an interpreter, or libraries. A static program that may be moved in memory has a dynamic section
/// too, which names none.
fn needs_libraries(
    header: &FileHeader64<LittleEndian>,
    endian: LittleEndian,
    program: &[u8],
) -> object::Result<bool> {
    for segment in header.program_headers(endian, program)? {
        if segment.p_type(endian) == elf::PT_INTERP {
            return Ok(true);
        }
        if let Some(entries) = segment.dynamic(endian, program)?
            && entries.iter().any(|entry| entry.d_tag(endian) == elf::DT_NEEDED)
        {
            return Ok(true);
        }
    }
    Ok(false)
}
